/** Which APIs of a group could claim the same request with no rule to prefer one; design.md §4 `apis[].match`. */

export interface ApiMatch {
  readonly type: 'Exact' | 'Template' | 'Prefix';
  readonly value: string;
  /** `undefined` = any; ranks below listed methods, so it never conflicts with them. */
  readonly methods: readonly string[] | undefined;
}

/**
 * The earlier match that each refused match collides with, by index. Exact, Template by number of literal segments,
 * and Prefix by length rank among themselves; what is left is the same path, or two templates of equal rank that one
 * path fits. Judged by what is written: a match refuses later ones whether or not its own API is served, or an error
 * in one API would hand its requests to the next.
 */
export function findOverlaps(matches: readonly ApiMatch[]): Map<number, number> {
  const overlaps = new Map<number, number>();
  const ranks = new Map<
    string,
    { readonly index: number; readonly match: ApiMatch; readonly segments: readonly string[] }[]
  >();
  for (const [index, match] of matches.entries()) {
    const segments = match.value.split('/');
    const rank = rankOf(match, segments);
    const equals = ranks.get(rank) ?? [];
    const earlier = equals.find((other) => sharesMethod(match, other.match) && sharesPath(segments, other.segments));
    if (earlier) overlaps.set(index, earlier.index);
    equals.push({ index, match, segments });
    ranks.set(rank, equals);
  }
  return overlaps;
}

export const isVariable = (segment: string): boolean => segment.startsWith('{') && segment.endsWith('}');

function rankOf(match: ApiMatch, segments: readonly string[]): string {
  if (match.type !== 'Template') return `${match.type} ${match.value}`;
  return `Template ${segments.length} ${segments.filter((segment) => !isVariable(segment)).length}`;
}

function sharesMethod(a: ApiMatch, b: ApiMatch): boolean {
  if (!a.methods || !b.methods) return a.methods === b.methods;
  return a.methods.some((method) => b.methods?.includes(method));
}

/** Only templates get here with different texts; a variable takes any segment but the empty one. */
function sharesPath(a: readonly string[], b: readonly string[]): boolean {
  return a.every((segment, i) => {
    const other = b[i] ?? '';
    return segment === other || (isVariable(segment) && other !== '') || (isVariable(other) && segment !== '');
  });
}
