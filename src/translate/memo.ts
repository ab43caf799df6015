import { sameItems } from '../lib/same-items.js';

/**
 * Remembers the result of a pure function per object identity. A resource object is a version (an unchanged
 * resource keeps its identity), so a result holds while the object and all else it was computed from are the same.
 */
export class Memo<T> {
  readonly #entries = new WeakMap<object, { readonly inputs: readonly unknown[]; readonly value: T }>();

  /**
   * @param inputs everything `compute` reads besides `subject`, compared by identity: other resources, primitives.
   *   Leaving one out serves stale configuration, so read `compute`'s inputs from the same variables.
   * @param compute gets the last result for `subject`, of which it may return the parts that stay, or all of it.
   * @param isFresh for results that time alone can change.
   */
  get(
    subject: object,
    inputs: readonly unknown[],
    compute: (last: T | undefined) => T,
    isFresh: (value: T) => boolean = () => true,
  ): T {
    const entry = this.#entries.get(subject);
    if (entry && sameItems(entry.inputs, inputs) && isFresh(entry.value)) return entry.value;
    const value = compute(entry?.value);
    this.#entries.set(subject, { inputs, value });
    return value;
  }
}

/** Remembers the last result of a pure function of several objects: the same inputs give the same result, by identity. */
export class Last<T> {
  #entry: { readonly inputs: readonly unknown[]; readonly value: T } | undefined;

  /**
   * @param inputs as those of `Memo`.
   * @param compute gets the last result, of which it may return the parts that stay, or all of it.
   */
  get(inputs: readonly unknown[], compute: (last: T | undefined) => T, isFresh: (value: T) => boolean = () => true): T {
    const entry = this.#entry;
    if (entry && sameItems(entry.inputs, inputs) && isFresh(entry.value)) return entry.value;
    const value = compute(entry?.value);
    this.#entry = { inputs, value };
    return value;
  }
}

/** `next`, or `last` where that holds the same members in the same order: lists that stay keep their identity too. */
export const sameList = <T>(last: readonly T[] | undefined, next: readonly T[]): readonly T[] =>
  last && sameItems(last, next) ? last : next;

/** Whether both hold the same values under the same keys, in any order. */
export const isSameMap = <T>(a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>): boolean => {
  if (a.size !== b.size) return false;
  for (const [key, value] of b) if (a.get(key) !== value) return false;
  return true;
};

/** A result that holds from the time it was computed until time alone changes it. */
export interface Timed {
  readonly computedMs: number;
  /** `undefined` = never. */
  readonly nextChangeMs: number | undefined;
}

/** Also false when the clock was set back, which may bring an expired state back to life. */
export const isFreshAt =
  (nowMs: number) =>
  ({ computedMs, nextChangeMs }: Timed): boolean =>
    computedMs <= nowMs && (nextChangeMs === undefined || nowMs < nextChangeMs);

/** The earliest of `times` that lies ahead. */
export function nextAfter(nowMs: number, times: Iterable<number | undefined>): number | undefined {
  let next: number | undefined;
  for (const time of times) if (time !== undefined && time > nowMs && (next === undefined || time < next)) next = time;
  return next;
}

/** Of a result that is made of `parts`: it holds while all of them do. */
export function timesOf(parts: Iterable<Timed>): Timed {
  let computedMs = Number.NEGATIVE_INFINITY;
  let next: number | undefined;
  for (const part of parts) {
    computedMs = Math.max(computedMs, part.computedMs);
    if (part.nextChangeMs !== undefined) next = Math.min(next ?? Number.POSITIVE_INFINITY, part.nextChangeMs);
  }
  return { computedMs, nextChangeMs: next };
}
