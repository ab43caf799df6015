/** `PathAndParameters`, the last field of the signing string. Spec: tencent.md §3, §6. All text is latin1. */
import type { VerificationContext } from '../dialect.js';
import { hasEscape, hasNestedEscape, percentDecode, queryPieces } from '../wire.js';

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

/** Sorted by name, the values of one name sorted; an empty value leaves the name alone. Latin1: unit order is byte order. */
function sortedText(parameters: readonly Parameter[]): string {
  const byName = new Map<string, string[]>();
  for (const [name, value] of parameters) {
    const values = byName.get(name);
    if (values) values.push(value);
    else byName.set(name, [value]);
  }
  const texts: string[] = [];
  for (const name of [...byName.keys()].sort()) {
    for (const value of byName.get(name)!.sort()) texts.push(value === '' ? name : `${name}=${value}`);
  }
  return texts.join('&');
}

export function pathAndParameters(source: ParameterSource, reading: Reading, merge: Merge): string {
  const path = reading === 'raw' ? source.path : percentDecode(source.path);
  const query = readParameters(source.query, reading);
  const form = source.form === undefined ? [] : readParameters(source.form, reading);
  const text =
    merge === 'merged' || query.length === 0 || form.length === 0
      ? sortedText([...query, ...form])
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
