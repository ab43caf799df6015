/**
 * One leader among the replicas, by a Lease. Times are measured on the own monotonic clock from when a record was
 * first seen, never compared with the times inside the Lease, so that clocks may differ. A leader stops by itself
 * `leaseDurationMs - renewDeadlineMs` before another may take over.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.js';
import { errorMessage } from '../../lib/errors.js';
import { hasStatus, type KubeApi, type RawObject } from './kube-api.js';
import type { Pause } from './pause.js';
import { apiVersionOf, LEASE } from './resource-types.js';

export interface LeaderElectionOptions {
  readonly api: KubeApi;
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
  /** Of this process, e.g. the pod's name and a random part; never that of another. */
  readonly identity: string;
  /** In which a leader leaves a text for its successor. */
  readonly handoverAnnotation?: string;
  /**
   * `term` is higher than that of every earlier leader: the store's revision when the Lease was taken. `handover`:
   * what the leader before left.
   */
  readonly onGained: (term: number, handover: string | undefined) => void;
  /** Called before anybody else can lead. Must stop acting at once, before it returns. */
  readonly onLost: (reason: string) => void;
  /** The Lease could not be read or written; the elector tries again. */
  readonly onError?: (message: string) => void;
  /** A request had no answer in its time: other connections of this process may be as dead, without a sign of it. */
  readonly onHang?: () => void;
  /** Another process must see the same record for this long before it takes over. */
  readonly leaseDurationMs?: number;
  /** A leader that has not renewed for this long stops. */
  readonly renewDeadlineMs?: number;
  /** Between attempts. */
  readonly retryPeriodMs?: number;
  /** Text in the Lease, for people only. */
  readonly clock: Clock;
  /** ms from any beginning; never goes back. */
  readonly monotonicMs?: () => number;
  readonly pause?: Pause;
}

export interface LeaderElector {
  start(): void;
  /**
   * Whether this process may act now. Judged by the clock at each call, so that a process that was stopped for a
   * while sees that it is late before any timer fires. Ask before every write.
   */
  readonly isLeader: boolean;
  /** Of the present or last leadership; 0 before the first. */
  readonly term: number;
  /** Who leads, as far as seen; `undefined` = nobody. */
  readonly holder: string | undefined;
  /** Aborts when the present leadership ends: for requests on their way. `undefined` unless leading. */
  readonly signal: AbortSignal | undefined;
  /** Stores a text for the next leader soon, and with every renewal. Nothing happens unless leading. */
  handOver(text: string): void;
  /** Stops acting, then gives the Lease back, so that another need not wait for its end. */
  close(): Promise<void>;
}

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

interface Lease {
  readonly raw: RawObject;
  readonly spec: LeaseSpec;
  readonly resourceVersion: string;
}

const DEFAULTS = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2000 };
const RELEASE_TIMEOUT_MS = 2000;
/** What is handed over may change several times in a moment. */
const HANDOVER_DELAY_MS = 100;

const realPause: Pause = async (ms, signal) => void (await delay(Math.max(0, ms), undefined, { signal }));

export function createLeaderElector(options: LeaderElectionOptions): LeaderElector {
  const { api, namespace, name, identity, handoverAnnotation, onGained, onLost, onError, onHang, clock } = options;
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = { ...DEFAULTS, ...options };
  const { monotonicMs = () => performance.now(), pause = realPause } = options;
  if (!(retryPeriodMs < renewDeadlineMs && renewDeadlineMs < leaseDurationMs))
    throw new RangeError('retry period < renew deadline < lease duration is what keeps leaders apart');

  const closing = new AbortController();
  const path = { type: LEASE, namespace, name };
  let running: Promise<void> | undefined;
  /** The record as last seen, and since when it has been the same. */
  let seen: { readonly lease: Lease; readonly sinceMs: number } | undefined;
  let leading: { readonly untilMs: number; readonly stop: AbortController } | undefined;
  let watchdog: NodeJS.Timeout | undefined;
  let term = 0;
  /** What the present or last leadership left; `undefined` = nothing yet. */
  let handover: string | undefined;
  let wake = (): void => undefined;

  function observe(raw: RawObject, nowMs: number): Lease {
    const { resourceVersion = '' } = (raw['metadata'] ?? {}) as { resourceVersion?: string };
    const lease = { raw, spec: (raw['spec'] ?? {}) as LeaseSpec, resourceVersion };
    if (seen?.lease.resourceVersion !== resourceVersion) seen = { lease, sinceMs: nowMs };
    return seen?.lease ?? lease;
  }

  function gain(untilMs: number, resourceVersion: string): void {
    const before = leading;
    leading = { untilMs, stop: before?.stop ?? new AbortController() };
    arm();
    if (before) return;
    term = Number(resourceVersion);
    handover = undefined;
    onGained(term, storedHandover());
  }

  function lose(reason: string): void {
    if (!leading) return;
    const { stop } = leading;
    leading = undefined;
    clearTimeout(watchdog);
    stop.abort(new Error(reason));
    onLost(reason);
  }

  /** A timer that ends the leadership in time, also while a renewal hangs. */
  function arm(): void {
    clearTimeout(watchdog);
    watchdog = setTimeout(expire, Math.max(0, (leading?.untilMs ?? 0) - monotonicMs()));
    watchdog.unref();
  }

  function expire(): void {
    if (!leading) return;
    if (monotonicMs() < leading.untilMs) arm();
    else lose('the Lease could not be renewed in time');
  }

  /** Whether nobody else holds the Lease, or its holder has not renewed it for as long as it promised. */
  function isFree({ spec }: Lease, nowMs: number): boolean {
    if (!spec.holderIdentity || spec.holderIdentity === identity) return true;
    const promisedMs = Math.max(leaseDurationMs, (spec.leaseDurationSeconds ?? 0) * 1000);
    return seen !== undefined && nowMs - seen.sinceMs > promisedMs;
  }

  async function attempt(): Promise<void> {
    // The other side counts from when the server stored the renewal, which is later than this.
    const startedMs = monotonicMs();
    let answered = false;
    // A connection that hangs must leave time for another attempt.
    const timeout = AbortSignal.timeout(renewDeadlineMs / 2);
    timeout.addEventListener('abort', () => {
      if (!answered) onHang?.();
    });
    try {
      await attemptWithin(startedMs, AbortSignal.any([closing.signal, timeout]));
    } finally {
      answered = true;
    }
  }

  async function attemptWithin(startedMs: number, signal: AbortSignal): Promise<void> {
    let lease: Lease;
    try {
      lease = observe(await api.get(path, signal), monotonicMs());
    } catch (error) {
      if (!hasStatus(error, 404)) throw error;
      seen = undefined;
      lose('the Lease was deleted');
      return store(startedMs, () => api.create(LEASE, record(undefined), signal));
    }
    if (leading && lease.spec.holderIdentity !== identity) lose('another process holds the Lease');
    if (!isFree(lease, monotonicMs())) return;
    await store(startedMs, () => api.replace(LEASE, record(lease), signal));
  }

  async function store(startedMs: number, write: () => Promise<RawObject>): Promise<void> {
    let raw: RawObject;
    try {
      raw = await write();
    } catch (error) {
      // Another process was faster; what it wrote is seen at the next attempt.
      if (hasStatus(error, 409)) return;
      throw error;
    }
    const nowMs = monotonicMs();
    const { resourceVersion } = observe(raw, nowMs);
    expire();
    if (nowMs - startedMs < renewDeadlineMs && !closing.signal.aborted)
      gain(startedMs + renewDeadlineMs, resourceVersion);
  }

  const annotationsOf = (lease: Lease | undefined): Readonly<Record<string, string>> =>
    (lease?.raw['metadata'] as { annotations?: Record<string, string> } | undefined)?.annotations ?? {};

  const storedHandover = (): string | undefined =>
    handoverAnnotation === undefined ? undefined : annotationsOf(seen?.lease)[handoverAnnotation];

  const isHandoverDue = (): boolean => leading !== undefined && handover !== undefined && storedHandover() !== handover;

  /** A process that takes the Lease leaves what it found; only its leadership may know better. */
  function metadataOf(previous: Lease | undefined, text: string | undefined): RawObject {
    const own = handoverAnnotation !== undefined && text !== undefined ? { [handoverAnnotation]: text } : {};
    return {
      ...(previous?.raw['metadata'] as object | undefined),
      annotations: { ...annotationsOf(previous), ...own },
    };
  }

  function record(previous: Lease | undefined): RawObject {
    const nowText = microTime(clock());
    const renewal = leading !== undefined && previous?.spec.holderIdentity === identity;
    return {
      apiVersion: apiVersionOf(LEASE),
      kind: LEASE.kind,
      metadata: { ...metadataOf(previous, renewal ? handover : undefined), name, namespace },
      spec: {
        ...previous?.spec,
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
        acquireTime: renewal ? (previous.spec.acquireTime ?? nowText) : nowText,
        renewTime: nowText,
        // Also when we take it again after a pause: what we did before the pause must be told apart.
        leaseTransitions: (previous?.spec.leaseTransitions ?? 0) + (renewal ? 0 : 1),
      } satisfies LeaseSpec,
    };
  }

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      let failed = false;
      try {
        await attempt();
      } catch (error) {
        if (closing.signal.aborted) return;
        failed = true;
        onError?.(errorMessage(error));
      }
      if (failed || !isHandoverDue()) await rest();
      if (isHandoverDue())
        await pause(Math.min(HANDOVER_DELAY_MS, retryPeriodMs), closing.signal).catch(() => undefined);
    }
  }

  /** Until the next attempt, or until there is something to hand over. */
  async function rest(): Promise<void> {
    const woken = new AbortController();
    wake = () => woken.abort();
    await pause(retryPeriodMs, AbortSignal.any([closing.signal, woken.signal])).catch(() => undefined);
    wake = () => undefined;
  }

  async function release(): Promise<void> {
    if (seen?.lease.spec.holderIdentity !== identity) return;
    const { raw, spec } = seen.lease;
    const released = {
      ...raw,
      metadata: metadataOf(seen.lease, handover),
      spec: { ...spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(clock()) },
    };
    await api.replace(LEASE, released, AbortSignal.timeout(RELEASE_TIMEOUT_MS));
  }

  return {
    start() {
      running ??= run();
    },
    get isLeader() {
      if (leading && monotonicMs() >= leading.untilMs) lose('the Lease could not be renewed in time');
      return leading !== undefined;
    },
    get term() {
      return term;
    },
    get holder() {
      const holder = seen?.lease.spec.holderIdentity;
      return holder === '' ? undefined : holder;
    },
    get signal() {
      return leading?.stop.signal;
    },
    handOver(text) {
      if (!leading || text === handover) return;
      handover = text;
      if (isHandoverDue()) wake();
    },
    async close() {
      closing.abort();
      // First: once the Lease is free another leads within milliseconds.
      const led = leading !== undefined;
      lose('this process is ending');
      await running;
      if (led) await release().catch((error: unknown) => onError?.(errorMessage(error)));
    },
  };
}

/** RFC 3339 with microseconds, as Leases want it. */
const microTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');
