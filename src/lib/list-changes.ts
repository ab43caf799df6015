export interface ListChanges<T> {
  readonly gone: readonly T[];
  readonly come: readonly T[];
}

const NONE: ListChanges<never> = { gone: [], come: [] };

/** Members that only one of the lists has, by identity. Where few differ it costs one pass and leaves no garbage. */
export function listChanges<T>(before: readonly T[], after: readonly T[]): ListChanges<T> {
  if (before === after) return NONE;
  const [old, now] = before.length === after.length ? unlike(before, after) : middles(before, after);
  if (old.length + now.length === 0) return NONE;
  const [had, has] = [new Set(old), new Set(now)];
  return { gone: old.filter((member) => !has.has(member)), come: now.filter((member) => !had.has(member)) };
}

/** Members were replaced in their places: the usual edit. */
function unlike<T>(before: readonly T[], after: readonly T[]): readonly [T[], T[]] {
  const old: T[] = [];
  const now: T[] = [];
  for (let i = 0; i < before.length; i++) {
    if (before[i] === after[i]) continue;
    old.push(before[i]!);
    now.push(after[i]!);
  }
  return [old, now];
}

/** Members were added or removed: what is left without the beginning and the end that both have. */
function middles<T>(before: readonly T[], after: readonly T[]): readonly [T[], T[]] {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  return [before.slice(start, before.length - end), after.slice(start, after.length - end)];
}
