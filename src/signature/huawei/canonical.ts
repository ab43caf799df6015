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

/** One parameter, decoded, and encoded again as it is signed. */
export interface Parameter {
  readonly name: string;
  readonly value: string;
  readonly encodedName: string;
  readonly encodedValue: string;
}

/**
 * `decoded`: decoded once as a whole, then encoded by segment, so that `%2F` and `/` are alike.
 * `raw`: the wire text encoded again, as the Node SDK does. Both end in a slash.
 */
export function canonicalPath(path: string, reading: 'decoded' | 'raw'): string {
  const encoded = percentEncodePath(reading === 'raw' ? path : percentDecode(path));
  return encoded.endsWith('/') ? encoded : `${encoded}/`;
}

/** Parameters of a wire query. `plusAsSpace` is the form rule; a malformed escape stays as it is. */
export function readParameters(query: string, plusAsSpace: boolean): Parameter[] {
  return queryPieces(query).map((piece) => {
    const name = percentDecode(piece.name, plusAsSpace);
    const value = percentDecode(piece.value ?? '', plusAsSpace);
    return { name, value, encodedName: percentEncode(name), encodedValue: percentEncode(value) };
  });
}

interface Keyed {
  readonly parameter: Parameter;
  readonly name: string;
  readonly value: string;
}

/** What a client compares: its strings hold one character per byte (then code unit order is byte order), UTF-16, or escapes. */
const KEYED: { readonly [Order in ParameterOrder]: (parameter: Parameter) => Keyed } = {
  bytes: (parameter) => ({ parameter, name: parameter.name, value: parameter.value }),
  utf16: (parameter) => ({ parameter, name: utf8Text(parameter.name), value: utf8Text(parameter.value) }),
  encoded: (parameter) => ({ parameter, name: parameter.encodedName, value: parameter.encodedValue }),
};

const byNameThenValue = (a: Keyed, b: Keyed): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : a.value < b.value ? -1 : a.value > b.value ? 1 : 0;

const textOf = ({ parameter }: Keyed): string => `${parameter.encodedName}=${parameter.encodedValue}`;

/** `name=value` joined by `&`: always an equals sign, every repeated value kept. */
export const canonicalParameters = (parameters: readonly Parameter[], order: ParameterOrder): string =>
  parameters.map(KEYED[order]).sort(byNameThenValue).map(textOf).join('&');

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
