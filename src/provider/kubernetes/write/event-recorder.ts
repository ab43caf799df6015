/**
 * Events (events.k8s.io/v1) for people who run `kubectl describe`. The same event again raises the count of the
 * first one: its name is a hash of what it says, so that restarts and other leaders find it.
 */
import type { Condition, Reason } from '../../../api/conditions.js';
import type { ObjectReference } from '../../../api/problem.js';
import { API_VERSION, KINDS } from '../../../api/types.js';
import type { Clock } from '../../../lib/clock.js';
import { stableHash } from '../../../lib/stable-hash.js';
import { hasStatus, type KubeApi, type RawObject } from '../kube-api.js';
import { apiVersionOf, EVENT } from '../resource-types.js';
import type { StatusChange } from './status-writer.js';
import { createWriteQueue } from './write-queue.js';

export interface KubeEvent {
  /** What the event is about; shown in its namespace. */
  readonly object: ObjectReference;
  readonly uid: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: Reason;
  /** At most 1024 bytes are kept. Never holds a secret. */
  readonly message: string;
}

export interface EventRecorderOptions {
  readonly api: KubeApi;
  readonly leader: { readonly isLeader: boolean };
  readonly clock: Clock;
  /** Of this process, e.g. the pod's name. */
  readonly instance: string;
  readonly onError: (error: unknown) => void;
  /** The same event of an object is written at most once in this time. */
  readonly quietMs?: number;
}

export interface EventRecorder {
  /** Never throws, never waits. Only the leader writes. */
  record(event: KubeEvent): void;
  readonly pending: number;
  close(): Promise<void>;
}

const CONTROLLER = 'countersign.dev/controller';
const MAX_NOTE_BYTES = 1024;
const EVENTS_PER_SECOND = 20;
/** Bad request, too large, invalid. */
const NEVER_TAKEN = [400, 413, 422];
/** Events are a courtesy: rather lose some than hold a storm in memory. */
const MAX_PENDING = 1000;

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { api, leader, clock, instance, onError, quietMs = 60_000 } = options;
  const pending = new Map<string, KubeEvent>();
  const toldAtMs = new Map<string, number>();
  const queue = createWriteQueue({
    write,
    onError: (_name, error) => onError(error),
    perSecond: EVENTS_PER_SECOND,
    concurrency: 4,
  });

  async function write(name: string): Promise<void> {
    const event = pending.get(name);
    if (!event || !leader.isLeader) return void pending.delete(name);
    try {
      await api.create(EVENT, bodyOf(name, event));
    } catch (error) {
      if (hasStatus(error, 409)) await countAgain(name, event);
      // 404: a namespace that is gone; 403: one that is going. Nobody will read it.
      else if (hasStatus(error, 404) || hasStatus(error, 403)) return void pending.delete(name);
      // It is no better next time, and would take the place of others.
      else if (NEVER_TAKEN.some((status) => hasStatus(error, status))) onError(error);
      else throw error;
    }
    pending.delete(name);
  }

  async function countAgain(name: string, { object }: KubeEvent): Promise<void> {
    const path = { type: EVENT, namespace: namespaceOf(object), name };
    const { series } = (await api.get(path)) as { series?: { count?: number } };
    const next = { series: { count: (series?.count ?? 1) + 1, lastObservedTime: microTime(clock()) } };
    await api.patch(path, next, { patchType: 'Merge' });
  }

  function bodyOf(name: string, { object, uid, type, reason, message }: KubeEvent): RawObject {
    const namespace = namespaceOf(object);
    return {
      apiVersion: apiVersionOf(EVENT),
      kind: EVENT.kind,
      metadata: { name, namespace },
      eventTime: microTime(clock()),
      reportingController: CONTROLLER,
      reportingInstance: instance.slice(0, 128),
      action: 'Reconcile',
      reason,
      type,
      note: cut(message, MAX_NOTE_BYTES),
      regarding: {
        apiVersion: (KINDS as readonly string[]).includes(object.kind) ? API_VERSION : 'v1',
        kind: object.kind,
        namespace: object.namespace,
        name: object.name,
        uid,
      },
    };
  }

  return {
    record(event) {
      if (!leader.isLeader || pending.size >= MAX_PENDING) return;
      const name = nameOf(event);
      const nowMs = clock();
      const toldMs = toldAtMs.get(name);
      if (toldMs !== undefined && nowMs - toldMs < quietMs) return;
      for (const [old, atMs] of toldAtMs) {
        // In the order of time, so that the first one that is young ends the search.
        if (nowMs - atMs < quietMs) break;
        toldAtMs.delete(old);
      }
      toldAtMs.set(name, nowMs);
      pending.set(name, event);
      queue.add(name);
    },
    get pending() {
      return pending.size;
    },
    close: () => queue.close(),
  };
}

/** States that pass by themselves: an Event for each would hide those that matter. */
const PASSING = new Set<Reason>(['Propagating', 'NoDataPlane', 'Pending', 'SecretNotReady']);

/** Objects whose last news are remembered; enough for the largest installation. */
const MAX_REMEMBERED = 50_000;

/**
 * From stored statuses to Events: Normal when an object becomes Ready for the first time or again after a failure,
 * Warning when it is not Ready, with the reason of the condition.
 */
export function createReadinessEvents(): (change: StatusChange) => KubeEvent | undefined {
  /** By uid: whether the last news were good. */
  const told = new Map<string, boolean>();
  const remember = (uid: string, good: boolean): void => {
    told.delete(uid);
    told.set(uid, good);
    if (told.size > MAX_REMEMBERED) for (const oldest of told.keys()) return void told.delete(oldest);
  };
  return ({ object, uid, before, after }) => {
    const [old, ready] = [before, after].map(readyOf);
    if (old?.status === 'True') remember(uid, true);
    if (!ready || PASSING.has(ready.reason)) return undefined;
    if (ready.status === 'True') {
      // An edit passes through Propagating; that the object is Ready again is no news.
      const isNews = told.get(uid) !== true;
      remember(uid, true);
      return isNews ? { object, uid, type: 'Normal', reason: ready.reason, message: READY_MESSAGE } : undefined;
    }
    remember(uid, false);
    if (old?.status === ready.status && old.reason === ready.reason && old.message === ready.message) return undefined;
    return { object, uid, type: 'Warning', reason: ready.reason, message: ready.message };
  };
}

const readyOf = (conditions: readonly Condition[]): Condition | undefined =>
  conditions.find(({ type }) => type === 'Ready');

const READY_MESSAGE = 'The object is enforced by all gateways';

/** Events of cluster-scoped objects live in `default`. */
const namespaceOf = ({ namespace }: ObjectReference): string => (namespace === '' ? 'default' : namespace);

/** Bounded like every name; the hash makes it one for each thing that can be said of an object. */
const nameOf = ({ object, uid, type, reason, message }: KubeEvent): string =>
  `${nameStart(object.name)}${stableHash([object.kind, object.name, uid, type, reason, message])}`;

/** A node is called as its owner likes: what no name of an object may hold is left out. */
function nameStart(name: string): string {
  const labels = name
    .toLowerCase()
    .slice(0, 200)
    .split('.')
    .map((label) => label.replace(/[^a-z0-9-]+/g, '-').replace(/^-+|-+$/g, ''));
  return labels.flatMap((label) => (label === '' ? [] : `${label}.`)).join('');
}

/** At most so many bytes of UTF-8, and whole characters. */
const cut = (text: string, maxBytes: number): string =>
  new TextDecoder().decode(Buffer.from(text, 'utf8').subarray(0, maxBytes), { stream: true });

const microTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');
