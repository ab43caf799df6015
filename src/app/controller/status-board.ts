/**
 * The conditions of every object, with the time of their last transition: what `run` prints when it changes
 * and what `/status` serves. The place where a cluster has status fields.
 */
import type { Condition, ConditionState } from '../../api/conditions.js';
import type { ObjectReference } from '../../api/problem.js';
import { KINDS, type Kind } from '../../api/types.js';
import type { Clock } from '../../lib/clock.js';
import { compareText } from '../../lib/compare-text.js';
import type { ObjectStatus } from '../../translate/translation.js';
import type { StatusChanges } from './reported-statuses.js';

export interface BoardEntry {
  readonly object: ObjectReference;
  readonly conditions: readonly Condition[];
  /** Status fields of the kind besides its conditions. */
  readonly fields: ObjectStatus['fields'];
}

export interface ReadyChange {
  readonly object: ObjectReference;
  readonly ready: ConditionState;
}

/** Conditions are made when somebody reads them: of tens of thousands of objects they would be most of the memory. */
interface Timed {
  readonly status: ObjectStatus;
  /** Of the last transition, by condition. */
  readonly times: readonly string[];
}

export interface StatusBoard {
  /** Answers the changes of readiness that are news to a reader. */
  update(changes: StatusChanges): readonly ReadyChange[];
  /** By kind, then namespace and name. */
  readonly entries: readonly BoardEntry[];
  /** `Kind` → count by status of Ready. */
  counts(): readonly { readonly kind: string; readonly ready: Condition['status']; readonly count: number }[];
}

/** Passing states, over in milliseconds: nobody wants a line for each. */
const PASSING = new Set<string>(['Propagating', 'NoDataPlane', 'Pending']);

export function createStatusBoard(clock: Clock): StatusBoard {
  const entries = new Map<string, Timed>();
  const counts = new Map<string, { readonly kind: string; readonly ready: Condition['status']; count: number }>();
  /** What a reader was last told of an object that is not ready. */
  const told = new Map<string, string>();

  function withTimes(status: ObjectStatus, before: Timed | undefined, nowText: string): Timed {
    const times = status.conditions.map(({ type, status: state }) => {
      const old = before?.status.conditions.findIndex((condition) => condition.type === type) ?? -1;
      return before && before.status.conditions[old]?.status === state ? (before.times[old] ?? nowText) : nowText;
    });
    return { status, times };
  }

  function news(key: string, ready: ConditionState | undefined): boolean {
    if (!ready || PASSING.has(ready.reason)) return false;
    if (ready.status === 'True') return told.delete(key);
    const text = `${ready.reason} ${ready.message}`;
    if (told.get(key) === text) return false;
    told.set(key, text);
    return true;
  }

  function count(entry: Timed | undefined, by: 1 | -1): void {
    if (!entry) return;
    const { kind } = entry.status.object;
    const ready = readyOf(entry.status)?.status ?? 'Unknown';
    const row = counts.get(`${kind} ${ready}`) ?? { kind, ready, count: 0 };
    row.count += by;
    if (row.count > 0) counts.set(`${kind} ${ready}`, row);
    else counts.delete(`${kind} ${ready}`);
  }

  return {
    update({ changed, gone }) {
      const changes: ReadyChange[] = [];
      const nowText = new Date(clock()).toISOString();
      for (const [key, status] of changed) {
        const before = entries.get(key);
        const entry = withTimes(status, before, nowText);
        count(before, -1);
        count(entry, 1);
        entries.set(key, entry);
        const ready = readyOf(status);
        if (ready && news(key, ready)) changes.push({ object: status.object, ready });
      }
      for (const key of gone) {
        count(entries.get(key), -1);
        entries.delete(key);
        told.delete(key);
      }
      return changes;
    },
    get entries() {
      return [...entries.values()].map(entryOf).sort(({ object: a }, { object: b }) => byPlace(a, b));
    },
    counts: () => [...counts.values()].map((row) => ({ ...row })),
  };
}

const byPlace = (a: ObjectReference, b: ObjectReference): number =>
  KINDS.indexOf(a.kind as Kind) - KINDS.indexOf(b.kind as Kind) ||
  compareText(a.namespace, b.namespace) ||
  compareText(a.name, b.name);

const entryOf = ({ status: { object, generation, conditions, fields }, times }: Timed): BoardEntry => ({
  object,
  conditions: conditions.map((condition, i) => ({
    ...condition,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    lastTransitionTime: times[i]!,
  })),
  fields,
});

const readyOf = ({ conditions }: ObjectStatus): ConditionState | undefined =>
  conditions.find(({ type }) => type === 'Ready');
