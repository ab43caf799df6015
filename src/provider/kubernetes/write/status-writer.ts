/**
 * Writes status by server-side apply on `/status`, and only when it differs from what is stored, so that a quiet
 * cluster sees no writes. The stored status is the memory: transition times come from it, also after a restart.
 */
import type { Condition, ConditionState } from '../../../api/conditions.js';
import { conditionMessage, type ObjectReference } from '../../../api/problem.js';
import { API_VERSION, type Kind, KINDS } from '../../../api/types.js';
import type { Clock } from '../../../lib/clock.js';
import type { InputProblem } from '../../provider.js';
import { hasStatus, type KubeApi, KubeApiError, type RawObject } from '../kube-api.js';
import { OUR_TYPES } from '../resource-types.js';
import type { LiveObject } from '../stored-objects.js';
import { createWriteQueue } from './write-queue.js';

/** The status that an object shall have, without times. */
export interface DesiredStatus {
  readonly object: ObjectReference;
  /** `metadata.generation` that was looked at. */
  readonly generation: number | undefined;
  readonly conditions: readonly ConditionState[];
  /** The other fields of its CRD; `targets` with conditions of their own get times too. */
  readonly fields: object;
}

/** A status that was stored, with the one before. */
export interface StatusChange {
  readonly object: ObjectReference;
  readonly uid: string;
  readonly before: readonly Condition[];
  readonly after: readonly Condition[];
}

export interface StatusWriterOptions {
  readonly api: KubeApi;
  readonly live: (object: ObjectReference) => LiveObject | undefined;
  /** Asked before each write. */
  readonly leader: { readonly isLeader: boolean; readonly signal: AbortSignal | undefined };
  readonly clock: Clock;
  readonly onWritten?: (change: StatusChange) => void;
  readonly onError: (object: ObjectReference, error: unknown) => void;
  readonly fieldManager?: string;
  readonly writesPerSecond?: number;
}

export interface StatusWriter {
  /**
   * The statuses of all objects, by `Kind/namespace/name`; writes what differs. One that keeps its identity was compared
   * before. Objects that are left out are left alone.
   */
  update(desired: ReadonlyMap<string, DesiredStatus>): void;
  /** The stored object changed: somebody may have written its status. */
  look(object: ObjectReference): void;
  /** After gaining leadership: another leader wrote meanwhile, so nothing is wanted until the next `update`. */
  resync(): void;
  /** Writes that wait, for metrics and tests. */
  readonly pending: number;
  close(): Promise<void>;
}

export const FIELD_MANAGER = 'countersign';
/** A first start writes every object; the server's own fairness bounds us where it is smaller. */
const WRITES_PER_SECOND = 500;
/** More changes at once come from a start or a shared object; fewer are an edit that somebody waits for. */
const URGENT_BATCH = 100;

export function createStatusWriter(options: StatusWriterOptions): StatusWriter {
  const {
    api,
    live,
    leader,
    clock,
    onWritten,
    onError,
    fieldManager = FIELD_MANAGER,
    writesPerSecond = WRITES_PER_SECOND,
  } = options;
  const wanted = new Map<string, DesiredStatus>();
  /** What the server made of a status that it did not store as we sent it (a field its CRD does not know). */
  const answers = new Map<string, { readonly sent: RawObject; readonly stored: unknown }>();
  const queue = createWriteQueue({
    write,
    onError: (key, error) => {
      const object = wanted.get(key)?.object;
      // Conflicts are daily life: the newer object is on its way to us.
      if (object && !hasStatus(error, 409)) onError(object, error);
    },
    perSecond: writesPerSecond,
  });

  /** What is to be written now; `undefined` when the stored status says the same already. */
  function due(key: string, nowMs: number): { readonly status: RawObject; readonly stored: LiveObject } | undefined {
    const desired = wanted.get(key);
    const stored = desired && live(desired.object);
    if (!desired || !stored) return undefined;
    // A judgement about an older object; the one about this generation is being made.
    if (stored.generation !== undefined && desired.generation !== undefined && desired.generation < stored.generation)
      return undefined;
    if (stored.status && saysTheSame(desired, stored.status)) return undefined;
    const status = withTimes(desired, stored.status ?? {}, new Date(nowMs).toISOString());
    const answer = answers.get(key);
    if (answer && isSame(answer.stored, stored.status) && isSame(answer.sent, status)) return undefined;
    return { status, stored };
  }

  async function write(key: string): Promise<void> {
    if (!leader.isLeader) return;
    const desired = wanted.get(key);
    const work = due(key, clock());
    if (!desired || !work) return;
    const { object } = desired;
    const { status, stored } = work;
    const type = OUR_TYPES[object.kind as Kind];
    const { namespace, name } = object;
    const body = {
      apiVersion: API_VERSION,
      kind: object.kind,
      // Of this very object, and as we know it: a leader of the past cannot undo what its successor wrote.
      metadata: { name, namespace, uid: stored.uid, resourceVersion: stored.resourceVersion },
      status,
    };
    const path = { type, namespace, name };
    const options = { subresource: 'status', fieldManager, signal: leader.signal } as const;
    let answer: RawObject;
    try {
      answer = await api.patch(path, body, { ...options, patchType: 'Apply' }).catch((error: unknown) => {
        if (!isUnknownField(error)) throw error;
        // The CRD is older than we are. A merge drops what it does not know, where apply refuses the whole.
        return api.patch(path, body, { ...options, patchType: 'Merge' });
      });
    } catch (error) {
      // Deleted meanwhile.
      if (hasStatus(error, 404)) return;
      throw error;
    }
    const result = answer['status'];
    if (isSame(result, status)) answers.delete(key);
    else answers.set(key, { sent: status, stored: result });
    onWritten?.({ object, uid: stored.uid, before: conditionsOf(stored.status), after: conditionsOf(status) });
  }

  function compare(keys: Iterable<string>): void {
    if (!leader.isLeader) return;
    const nowMs = clock();
    const found = [...keys].filter((key) => due(key, nowMs) !== undefined);
    for (const key of found) queue.add(key, found.length <= URGENT_BATCH);
  }

  return {
    update(all) {
      // What was wanted before was compared then; a change of what is stored comes by `look`.
      const changed: string[] = [];
      let ours = 0;
      for (const [key, desired] of all) {
        if (!Object.hasOwn(OUR_TYPES, desired.object.kind)) continue;
        ours += 1;
        if (wanted.get(key) === desired) continue;
        wanted.set(key, desired);
        changed.push(key);
      }
      if (wanted.size > ours)
        for (const key of wanted.keys()) {
          if (all.has(key)) continue;
          wanted.delete(key);
          answers.delete(key);
        }
      compare(changed);
    },
    look(object) {
      const key = keyOf(object);
      if (wanted.has(key)) compare([key]);
    },
    resync() {
      queue.clear();
      wanted.clear();
      answers.clear();
    },
    get pending() {
      return queue.size;
    },
    close: () => queue.close(),
  };
}

/** Apply answers 500 for it, so the text is all there is to go by. */
const isUnknownField = (error: unknown): boolean =>
  error instanceof KubeApiError && error.message.includes('field not declared in schema');

/**
 * Statuses of the stored objects that the provider refused, by `Kind/namespace/name`: translation never saw them, and
 * an object without an answer would look as if it worked.
 */
export function refusedStatuses(
  problems: readonly InputProblem[],
  live: (object: ObjectReference) => LiveObject | undefined,
): Map<string, DesiredStatus> {
  const byObject = new Map<string, { object: ObjectReference; errors: InputProblem[] }>();
  for (const problem of problems) {
    if (problem.severity !== 'error' || !(KINDS as readonly string[]).includes(problem.object.kind)) continue;
    const key = keyOf(problem.object);
    const entry = byObject.get(key) ?? { object: problem.object, errors: [] };
    entry.errors.push(problem);
    byObject.set(key, entry);
  }
  const statuses = new Map<string, DesiredStatus>();
  for (const [key, { object, errors }] of byObject) {
    const stored = live(object);
    const [first] = errors;
    if (!first || !stored) continue;
    const refused = { reason: first.reason, message: conditionMessage(errors) };
    statuses.set(key, {
      object,
      generation: stored.generation,
      conditions: [
        { type: 'Accepted', status: 'False', ...refused },
        { type: 'ResolvedRefs', status: 'Unknown', reason: 'Invalid', message: '' },
        { type: 'Programmed', status: 'False', reason: 'Invalid', message: '' },
        { type: 'Ready', status: 'False', ...refused },
      ],
      fields: {},
    });
  }
  return statuses;
}

const keyOf = ({ kind, namespace, name }: ObjectReference): string => `${kind}/${namespace}/${name}`;

/** The desired status with times: those of the stored conditions that say the same, else now. */
export function withTimes(desired: DesiredStatus, stored: RawObject, nowText: string): RawObject {
  const { generation } = desired;
  const timed = (conditions: readonly ConditionState[], before: unknown): Condition[] =>
    conditions.map((condition) => {
      const old = conditionList(before).find(({ type }) => type === condition.type);
      return {
        ...condition,
        ...(generation === undefined ? {} : { observedGeneration: generation }),
        lastTransitionTime: old?.status === condition.status ? old.lastTransitionTime : nowText,
      };
    });
  const fields = desired.fields as { readonly targets?: readonly Target[] };
  const storedTargets = (Array.isArray(stored['targets']) ? stored['targets'] : []) as Target[];
  return {
    ...fields,
    ...(fields.targets && {
      targets: fields.targets.map((target) => ({
        ...target,
        conditions: timed(target.conditions, storedTargets.find((old) => isSameTarget(old, target))?.conditions),
      })),
    }),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: timed(desired.conditions, stored['conditions']),
  };
}

interface Target {
  readonly apiGroup: string;
  readonly environment: string;
  readonly conditions: readonly ConditionState[];
}

const isSameTarget = (a: Target, b: Target): boolean => a.apiGroup === b.apiGroup && a.environment === b.environment;

const conditionList = (value: unknown): readonly Condition[] => (Array.isArray(value) ? (value as Condition[]) : []);

const conditionsOf = (status: RawObject | undefined): readonly Condition[] => conditionList(status?.['conditions']);

/**
 * Whether the stored status is what would be written. Asked of every object at a start, and of each whose status or
 * stored form is new, so it builds nothing.
 */
function saysTheSame({ generation, conditions, fields }: DesiredStatus, stored: RawObject): boolean {
  if (generation !== stored['observedGeneration']) return false;
  if (!sameConditions(conditions, stored['conditions'], generation)) return false;
  let members = generation === undefined ? 1 : 2;
  for (const [name, value] of Object.entries(fields) as [string, unknown][]) {
    if (value === undefined) continue;
    members += 1;
    const old = stored[name];
    if (name === 'targets' ? !sameTargets(value as readonly Target[], old, generation) : !isSame(value, old))
      return false;
  }
  return members === Object.keys(stored).length;
}

function sameConditions(
  conditions: readonly ConditionState[],
  stored: unknown,
  generation: number | undefined,
): boolean {
  const old = conditionList(stored);
  return (
    conditions.length === old.length &&
    conditions.every(({ type, status, reason, message }, i) => {
      const before = old[i];
      return (
        before?.type === type &&
        before.status === status &&
        before.reason === reason &&
        before.message === message &&
        before.observedGeneration === generation
      );
    })
  );
}

function sameTargets(targets: readonly Target[], stored: unknown, generation: number | undefined): boolean {
  if (!Array.isArray(stored) || stored.length !== targets.length) return false;
  return targets.every(({ conditions, ...target }, i) => {
    const { conditions: before, ...old } = stored[i] as Target;
    return isSame(target, old) && sameConditions(conditions, before, generation);
  });
}

/** Deep equality of JSON values. Members that are `undefined` are not there. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b))
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => isSame(item, b[i]));
  const [left, right] = [a as RawObject, b as RawObject];
  for (const name in left) if (!isSame(left[name], right[name])) return false;
  for (const name in right) if (left[name] === undefined && right[name] !== undefined) return false;
  return true;
}
