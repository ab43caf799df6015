/** `PathAndParameters`, the last field of the signing string. Spec: tencent.md §3, §6. All text is latin1. */
import type { VerificationContext } from '../dialect.js';
import { hasEscape, hasNestedEscape, isSortedQuery, percentDecode, queryPieces } from '../wire.js';

export type Reading = 'decoded' | 'raw';
export type Merge = 'merged' | 'query-then-form';

/** Name and value as they enter the text. */
type Parameter = readonly [name: string, value: string];

export interface ParameterSource {
  /** Wire path without the environment segment. */
  readonly path: string;
  readonly query: string;
  /** Wire text of a form body; `undefined` where the body is no form. */
  readonly form: string | undefined;
}

/** The wire path as the vendor signs it: `/orders/release/v1` is signed as `/orders/v1`. */
export function pathWithoutEnvironment(path: string, environment: VerificationContext['environmentPath']): string {
  if (!environment) return path;
  const base = environment.basePath.endsWith('/') ? environment.basePath.slice(0, -1) : environment.basePath;
  const prefix = `${base}/${environment.segment}`;
  if (path === prefix) return base === '' ? '/' : base;
  return path.startsWith(`${prefix}/`) ? base + path.slice(prefix.length) : path;
}

function readParameters(text: string, reading: Reading): Parameter[] {
  return queryPieces(text).map(({ name, value = '' }) =>
    reading === 'raw' ? [name, value] : [percentDecode(name, true), percentDecode(value, true)],
  );
}

/** Latin1: unit order is byte order. */
const byNameThenValue = ([a, x]: Parameter, [b, y]: Parameter): number =>
  a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0;

/** Sorted by name, the values of one name sorted; an empty value leaves the name alone. */
function sortedText(parameters: Parameter[]): string {
  parameters.sort(byNameThenValue);
  let text = '';
  for (let i = 0; i < parameters.length; i++) {
    const [name, value] = parameters[i]!;
    if (i > 0) text += '&';
    text += value === '' ? name : `${name}=${value}`;
  }
  return text;
}

/** Most queries: in order, nothing escaped, no empty value. */
const isSignedAsSent = (query: string): boolean =>
  query !== '' && isSortedQuery(query) && !query.includes('=&') && !query.endsWith('=');

export function pathAndParameters(source: ParameterSource, reading: Reading, merge: Merge): string {
  const path = reading === 'raw' ? source.path : percentDecode(source.path);
  if (!source.form && isSignedAsSent(source.query)) return `${path}?${source.query}`;
  const query = readParameters(source.query, reading);
  const form = source.form === undefined ? [] : readParameters(source.form, reading);
  const text =
    merge === 'merged' || query.length === 0 || form.length === 0
      ? sortedText(query.concat(form))
      : `${sortedText(query)}&${sortedText(form)}`;
  return text === '' ? path : `${path}?${text}`;
}

const holdsAny = (text: string, characters: readonly string[]): boolean =>
  characters.some((character) => text.includes(character));

/** True when the decoded text has a second reading: `a=1%26b=2` and `a=1&b=2` sign alike. */
export function isAmbiguous(source: ParameterSource): boolean {
  if (holdsAny(percentDecode(source.path), ['?', '#', '\n'])) return true;
  return [...readParameters(source.query, 'decoded'), ...readParameters(source.form ?? '', 'decoded')]
    .flat()
    .some((text) => holdsAny(text, ['&', '=', '#', '\n']));
}

type Ambiguity = 'ambiguous_path' | 'ambiguous_signature';

/** Read raw, `+` is signed as the plus that `%2B` is when decoded. */
export const rawAmbiguity = ({ query, form = '' }: ParameterSource): Ambiguity | undefined =>
  query.includes('+') || form.includes('+') ? 'ambiguous_signature' : undefined;

/** Decoded, the path holds a `?`, or anything an escape: the text is that of another request read raw. */
export function decodedAmbiguity({ path, query, form = '' }: ParameterSource): Ambiguity | undefined {
  if (hasNestedEscape(path) || (path.includes('%') && percentDecode(path).includes('?'))) return 'ambiguous_path';
  for (const text of [query, form]) {
    if (text.includes('%') && hasEscape(percentDecode(text))) return 'ambiguous_signature';
  }
  return undefined;
}
