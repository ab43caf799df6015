/**
 * The conditions of every object, with the time of their last transition: what `run` prints when it changes
 * and what `/status` serves. The place where a cluster has status fields.
 */
import type { Condition } from '../api/conditions.js';
import type { ObjectReference } from '../api/problem.js';
import type { Clock } from '../lib/clock.js';
import type { ObjectStatus } from '../translate/translation.js';

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
  /** Takes the statuses of all objects. Answers those whose readiness is news to a reader. */
  update(statuses: ReadonlyMap<string, ObjectStatus>): readonly ReadyChange[];
  readonly entries: readonly BoardEntry[];
  /** `Kind` → count by status of Ready. */
  counts(): readonly { readonly kind: string; readonly ready: Condition['status']; readonly count: number }[];
}

/** Passing states, over in milliseconds: nobody wants a line for each. */
const PASSING = new Set<string>(['Propagating', 'NoDataPlane', 'Pending']);

export function createStatusBoard(clock: Clock): StatusBoard {
  let entries = new Map<string, BoardEntry>();
  /** What an entry was made of: the same again makes the same. */
  const sources = new WeakMap<BoardEntry, ObjectStatus>();
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

  return {
    update(statuses) {
      const next = new Map<string, BoardEntry>();
      const changes: ReadyChange[] = [];
      for (const [key, status] of statuses) {
        const before = entries.get(key);
        if (before && sources.get(before) === status) {
          next.set(key, before);
          continue;
        }
        const entry = { object: status.object, conditions: withTimes(status, before), fields: status.fields };
        sources.set(entry, status);
        next.set(key, entry);
        const ready = readyOf(entry);
        if (ready && news(key, ready)) changes.push({ object: entry.object, ready });
      }
      for (const key of told.keys()) if (!next.has(key)) told.delete(key);
      entries = next;
      return changes;
    },
    get entries() {
      return [...entries.values()];
    },
    counts() {
      const counts = new Map<string, { kind: string; ready: Condition['status']; count: number }>();
      for (const entry of entries.values()) {
        const { kind } = entry.object;
        const ready = readyOf(entry)?.status ?? 'Unknown';
        const row = counts.get(`${kind} ${ready}`) ?? { kind, ready, count: 0 };
        row.count += 1;
        counts.set(`${kind} ${ready}`, row);
      }
      return [...counts.values()];
    },
  };
}

const readyOf = (entry: BoardEntry): Condition | undefined => entry.conditions.find(({ type }) => type === 'Ready');
