/** The candidate that `word` is most likely a slip of, or `undefined` when none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > 64) return undefined;
  const limit = Math.max(1, Math.floor(word.length / 3));
  const lowerCase = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    // Each letter more or less is an edit; a document may hold thousands of unknown words.
    if (Math.abs(lowerCase.length - candidate.length) >= bestDistance) continue;
    const distance = editDistance(lowerCase, candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** `; did you mean "hostnames"?`, or nothing. */
export const didYouMean = (word: string, candidates: Iterable<string>): string => question(nearest(word, candidates));

/** The same for what `nearest` has found. */
export const question = (candidate: string | undefined): string =>
  candidate === undefined ? '' : `; did you mean "${candidate}"?`;

/** More names than this nobody reads in a sentence. */
const MAX_NAMED = 5;

/** `; did you mean "release"?`, else `; there are release, test (and 4 more)`, or that there is none. */
export function orExisting(word: string, existing: Iterable<string>): string {
  const all = [...new Set(existing)];
  const meant = nearest(word, all);
  if (meant !== undefined) return question(meant);
  if (all.length === 0) return '; there is none';
  const more = all.length > MAX_NAMED ? ` (and ${String(all.length - MAX_NAMED)} more)` : '';
  return `; there ${all.length === 1 ? 'is' : 'are'} ${all.slice(0, MAX_NAMED).join(', ')}${more}`;
}

/** Edits are insertion, deletion, replacement, and exchange of two neighbours. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min(replaced, last[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, beforeLast[j - 2]! + 1);
      }
      row.push(distance);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length]!;
}
