/**
 * Remembers the result of a pure function per object identity. A resource object is a version (an unchanged
 * resource keeps its identity), so a result holds while the object and all else it was computed from are the same.
 */
export class Memo<T> {
  readonly #entries = new WeakMap<object, { readonly inputs: readonly unknown[]; readonly value: T }>();

  /**
   * @param inputs everything `compute` reads besides `subject`, compared by identity: other resources, primitives.
   *   Leaving one out serves stale configuration, so read `compute`'s inputs from the same variables.
   * @param isFresh for results that time alone can change.
   */
  get(subject: object, inputs: readonly unknown[], compute: () => T, isFresh: (value: T) => boolean = () => true): T {
    const entry = this.#entries.get(subject);
    if (
      entry &&
      entry.inputs.length === inputs.length &&
      entry.inputs.every((input, i) => Object.is(input, inputs[i])) &&
      isFresh(entry.value)
    )
      return entry.value;
    const value = compute();
    this.#entries.set(subject, { inputs, value });
    return value;
  }
}

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
export function nextAfter(nowMs: number, times: readonly (number | undefined)[]): number | undefined {
  let next: number | undefined;
  for (const time of times) if (time !== undefined && time > nowMs && (next === undefined || time < next)) next = time;
  return next;
}
