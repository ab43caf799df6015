/** Reading `Authorization: SDK-HMAC-SHA256 Access=…, SignedHeaders=…, Signature=…`. Spec: huawei.md §2, §4. */
import type { Credential, Parsed, WireRequest } from '../dialect.js';
import { refusalsOf } from '../refusal.js';
import {
  decodeLowerHex,
  headerValue,
  isLowerToken,
  isVisibleAscii,
  oversizedQuery,
  parseCompactDate,
  trimBlanks,
} from '../wire.js';

export const SCHEME = 'SDK-HMAC-SHA256';
export const DATE_HEADER = 'x-sdk-date';
export const CONTENT_HASH_HEADER = 'x-sdk-content-sha256';

const MAX_CREDENTIAL_BYTES = 8192; // an attacker chooses this text: bound the work before looking at it
const MAX_SIGNED_HEADERS = 128;

const refuse = refusalsOf('Huawei');

const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t';

function skipBlanks(text: string, at: number): number {
  while (isBlank(text[at])) at++;
  return at;
}

/** True for the scheme word alone or followed by white space. */
export const hasScheme = (authorization: string, scheme: string): boolean =>
  authorization.startsWith(scheme) && (authorization.length === scheme.length || isBlank(authorization[scheme.length]));

/** The three fields of a credential as text, none of them empty. */
export interface CredentialFields {
  readonly access: string;
  /** As received: it is a line of the canonical request. */
  readonly signedHeaders: string;
  readonly signature: string;
}

/**
 * Cuts `<scheme> Access=a, SignedHeaders=b, Signature=c`: this order, each once, a comma and any blanks between.
 * The AES profile of backends shares the grammar.
 */
export function parseFields(authorization: string, scheme: string): CredentialFields | undefined {
  if (authorization.length > MAX_CREDENTIAL_BYTES) return undefined;
  const text = trimBlanks(authorization);
  if (!hasScheme(text, scheme)) return undefined;
  const access = fieldAt(text, 'Access=', scheme.length);
  const signedHeaders = access && fieldAt(text, 'SignedHeaders=', access.end);
  const signature = signedHeaders && fieldAt(text, 'Signature=', signedHeaders.end);
  if (!signature || signature.end !== text.length + 1) return undefined;
  return { access: access.value, signedHeaders: signedHeaders.value, signature: signature.value };
}

/** One `label=value` up to a comma or the end; `end` is behind that. */
function fieldAt(
  text: string,
  label: string,
  at: number,
): { readonly value: string; readonly end: number } | undefined {
  const start = skipBlanks(text, at) + label.length;
  if (!text.startsWith(label, start - label.length)) return undefined;
  const comma = text.indexOf(',', start);
  const end = comma < 0 ? text.length : comma;
  const value = text.slice(start, end);
  return isVisibleAscii(value) ? { value, end: end + 1 } : undefined;
}

/** The names of a SignedHeaders list: lower case, none empty, none twice; `undefined` otherwise. */
export function parseSignedHeaders(list: string): string[] | undefined {
  const names = list.split(';', MAX_SIGNED_HEADERS + 1);
  if (names.length > MAX_SIGNED_HEADERS) return undefined;
  for (let i = 0; i < names.length; i++) {
    if (!isLowerToken(names[i]!) || names.indexOf(names[i]!) < i) return undefined;
  }
  return names;
}

/** The first signed header that did not arrive. */
export const absentHeader = (request: WireRequest, names: readonly string[]): string | undefined =>
  names.find((name) => headerValue(request, name) === undefined);

/** Code unit order, as every client sorts; only Strict asks for it. */
const isSorted = (names: readonly string[]): boolean => names.every((name, i) => i === 0 || names[i - 1]! < name);

/** Grammar, presence of the signed headers, form of the date: huawei.md §4, steps 1, 3 and 4. */
export function parseCredential(authorization: string, request: WireRequest, strict: boolean): Parsed<Credential> {
  const fields = parseFields(authorization, SCHEME);
  if (!fields) return refuse('malformed_credential', 'Authorization does not follow the grammar');
  const mac = decodeLowerHex(fields.signature, 32);
  if (!mac) return refuse('malformed_credential', 'Signature is not 64 lower-case hex digits');
  const signedHeaders = parseSignedHeaders(fields.signedHeaders);
  if (!signedHeaders) {
    return refuse('malformed_credential', 'SignedHeaders holds a name that is empty, repeated or not lower case');
  }
  if (strict && !isSorted(signedHeaders)) return refuse('malformed_credential', 'SignedHeaders is not sorted');
  const oversized = oversizedQuery(request.target);
  if (oversized !== undefined) return refuse('malformed_credential', oversized);
  if (!signedHeaders.includes(DATE_HEADER)) return refuse('missing_date', `${DATE_HEADER} is not signed`, DATE_HEADER);
  const absent = absentHeader(request, signedHeaders);
  if (absent !== undefined) return refuse('missing_signed_header', `signed header ${absent} did not arrive`, absent);
  const timestampMs = parseCompactDate(trimBlanks(headerValue(request, DATE_HEADER)!));
  if (timestampMs === undefined) {
    return refuse('malformed_date', `${DATE_HEADER} is not a date of the form YYYYMMDDTHHMMSSZ`, DATE_HEADER);
  }
  return {
    ok: true,
    value: {
      dialect: 'Huawei',
      keyId: fields.access,
      signedHeaders,
      signedHeaderList: fields.signedHeaders,
      mac,
      hash: 'sha256',
      timestampMs,
      nonce: undefined,
    },
  };
}
