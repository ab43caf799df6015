/**
 * The conditions of every object, with the time of their last transition: what `run` prints when it changes
 * and what `/status` serves. The place where a cluster has status fields.
 */
import type { Condition } from '../api/conditions.js';
import type { ObjectReference } from '../api/problem.js';
import { KINDS, type Kind } from '../api/types.js';
import type { Clock } from '../lib/clock.js';
import { compareText } from '../lib/compare-text.js';
import type { ObjectStatus } from '../translate/translation.js';
import type { StatusChanges } from './reported-statuses.js';

export interface BoardEntry {
  readonly object: ObjectReference;
  readonly conditions: readonly Condition[];
  /** Status fields of the kind besides its conditions. */
  readonly fields: ObjectStatus['fields'];
}

export interface ReadyChange {
  readonly object: ObjectReference;
  readonly ready: Condition;
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
  const entries = new Map<string, BoardEntry>();
  const counts = new Map<string, { readonly kind: string; readonly ready: Condition['status']; count: number }>();
  /** What a reader was last told of an object that is not ready. */
  const told = new Map<string, string>();

  function withTimes(status: ObjectStatus, before: BoardEntry | undefined): readonly Condition[] {
    return status.conditions.map((condition) => {
      const old = before?.conditions.find(({ type }) => type === condition.type);
      const kept = old?.status === condition.status ? old.lastTransitionTime : undefined;
      return {
        ...condition,
        ...(status.generation === undefined ? {} : { observedGeneration: status.generation }),
        lastTransitionTime: kept ?? new Date(clock()).toISOString(),
      };
    });
  }

  function news(key: string, ready: Condition | undefined): boolean {
    if (!ready || PASSING.has(ready.reason)) return false;
    if (ready.status === 'True') return told.delete(key);
    const text = `${ready.reason} ${ready.message}`;
    if (told.get(key) === text) return false;
    told.set(key, text);
    return true;
  }

  function count(entry: BoardEntry | undefined, by: 1 | -1): void {
    if (!entry) return;
    const { kind } = entry.object;
    const ready = readyOf(entry)?.status ?? 'Unknown';
    const row = counts.get(`${kind} ${ready}`) ?? { kind, ready, count: 0 };
    row.count += by;
    if (row.count > 0) counts.set(`${kind} ${ready}`, row);
    else counts.delete(`${kind} ${ready}`);
  }

  return {
    update({ changed, gone }) {
      const changes: ReadyChange[] = [];
      for (const [key, status] of changed) {
        const before = entries.get(key);
        const entry = { object: status.object, conditions: withTimes(status, before), fields: status.fields };
        count(before, -1);
        count(entry, 1);
        entries.set(key, entry);
        const ready = readyOf(entry);
        if (ready && news(key, ready)) changes.push({ object: entry.object, ready });
      }
      for (const key of gone) {
        count(entries.get(key), -1);
        entries.delete(key);
        told.delete(key);
      }
      return changes;
    },
    get entries() {
      return [...entries.values()].sort(({ object: a }, { object: b }) => byPlace(a, b));
    },
    counts: () => [...counts.values()].map((row) => ({ ...row })),
  };
}

const byPlace = (a: ObjectReference, b: ObjectReference): number =>
  KINDS.indexOf(a.kind as Kind) - KINDS.indexOf(b.kind as Kind) ||
  compareText(a.namespace, b.namespace) ||
  compareText(a.name, b.name);

const readyOf = (entry: BoardEntry): Condition | undefined => entry.conditions.find(({ type }) => type === 'Ready');
