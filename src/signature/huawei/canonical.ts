/** Canonical request of SDK-HMAC-SHA256, from the wire. Spec: huawei.md §2, §3, §5. All text is latin1. */
import type { WireRequest } from '../dialect.js';
import {
  headerValues,
  isSortedQuery,
  percentDecode,
  percentEncode,
  percentEncodePath,
  queryPieces,
  trimBlanks,
  utf8Text,
} from '../wire.js';

/** How parameters are compared: bytes of the decoded form (Go, Python), its UTF-16 units (Node), the encoded form (Java). */
export type ParameterOrder = 'bytes' | 'utf16' | 'encoded';

/** Decoded values by decoded name, both in wire order. */
export type Parameters = ReadonlyMap<string, readonly string[]>;

/**
 * `decoded`: decoded once as a whole, then encoded by segment, so that `%2F` and `/` are alike.
 * `raw`: the wire text encoded again, as the Node SDK does. Both end in a slash.
 */
export function canonicalPath(path: string, reading: 'decoded' | 'raw'): string {
  const encoded = percentEncodePath(reading === 'raw' ? path : percentDecode(path));
  return encoded.endsWith('/') ? encoded : `${encoded}/`;
}

/** Parameters of a wire query. `plusAsSpace` is the form rule; a malformed escape stays as it is. */
export function readParameters(query: string, plusAsSpace: boolean): Parameters {
  const parameters = new Map<string, string[]>();
  for (const piece of queryPieces(query)) {
    const name = percentDecode(piece.name, plusAsSpace);
    const value = percentDecode(piece.value ?? '', plusAsSpace);
    const values = parameters.get(name);
    if (values) values.push(value);
    else parameters.set(name, [value]);
  }
  return parameters;
}

const SORT_KEY = { utf16: utf8Text, encoded: percentEncode } as const;

function sorted(texts: readonly string[], order: ParameterOrder): readonly string[] {
  if (texts.length < 2) return texts;
  if (order === 'bytes') return texts.toSorted(); // one character per byte: code unit order is byte order
  const keyOf = SORT_KEY[order];
  const keyed = texts.map((text) => ({ text, key: keyOf(text) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ text }) => text);
}

/** `name=value` joined by `&`: always an equals sign, every repeated value kept. */
export function canonicalParameters(parameters: Parameters, order: ParameterOrder): string {
  let result = '';
  for (const name of sorted([...parameters.keys()], order)) {
    const start = `${result === '' ? '' : '&'}${percentEncode(name)}=`;
    const values = sorted(parameters.get(name)!, order);
    for (let i = 0; i < values.length; i++) {
      result += (i === 0 ? start : `&${percentEncode(name)}=`) + percentEncode(values[i]!);
    }
  }
  return result;
}

/** The query all verifiers agree on; also what we send to a backend. */
export const canonicalQuery = (query: string): string =>
  isSortedQuery(query) ? query : canonicalParameters(readParameters(query, true), 'bytes');

/** The order in which the Node SDK writes its header lines (ICU collation), while SignedHeaders is in code unit order. */
const collator = new Intl.Collator('en');
export const icuOrder = (names: readonly string[]): readonly string[] => names.toSorted(collator.compare);

/** One `name:value` line per value of each name, in the order of `names`; the values of a repeated header sorted. */
export function headerLines(request: WireRequest, names: readonly string[]): string {
  let lines = '';
  for (const name of names) {
    let line = '';
    for (const header of request.headers) {
      if (header[0] !== name) continue;
      if (line !== '') {
        line = repeatedLines(request, name);
        break;
      }
      line = `${name}:${trimBlanks(header[1])}\n`;
    }
    lines += line;
  }
  return lines;
}

const repeatedLines = (request: WireRequest, name: string): string =>
  headerValues(request, name)
    .map((value) => `${name}:${trimBlanks(value)}\n`)
    .sort()
    .join('');

/** The parts of a canonical request, of which a compatibility switch replaces exactly one. */
export interface CanonicalParts {
  /** As received: methods are case-sensitive, and every client sends upper case. */
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** Ends in LF. */
  readonly headerLines: string;
  readonly signedHeaders: string;
  readonly payloadHash: string;
}

export const canonicalRequest = (parts: CanonicalParts): string =>
  `${parts.method}\n${parts.path}\n${parts.query}\n${parts.headerLines}\n${parts.signedHeaders}\n${parts.payloadHash}`;
