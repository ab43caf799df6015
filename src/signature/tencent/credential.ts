/**
 * Reading `Authorization: hmac id="…", algorithm="…", headers="…", signature="…"`. Spec: tencent.md §1, §4.
 * Both Tencent dialects share this grammar; what they sign differs.
 */
import type { Credential, HmacAlgorithm, Parsed, VerificationOptions, WireRequest } from '../dialect.js';
import { refusalsOf } from '../refusal.js';
import { countHeader, decodeBase64, headerValue, isVisibleAscii, parseImfDate, trimBlanks } from '../wire.js';

export const SCHEME = 'hmac';

const MAX_CREDENTIAL_BYTES = 8192; // an attacker chooses this text: bound the work before looking at it
const MAX_SIGNED_HEADERS = 64;
const MAX_ECHOED_BYTES = 64; // of a caller's word that the vendor's message repeats

/** The two Tencent dialects. */
export type TencentDialect = 'Tencent' | 'TencentApplication';

/** Subjects of a malformed credential that have a message of their own in the vendor's table. */
export const ID_OR_SIGNATURE = 'id or signature';
export const PARAMETERS = 'parameters';

const ALGORITHMS: Readonly<Record<string, { name: HmacAlgorithm; hash: Credential['hash']; bytes: number }>> = {
  'hmac-sha1': { name: 'HMACSHA1', hash: 'sha1', bytes: 20 },
  'hmac-sha256': { name: 'HMACSHA256', hash: 'sha256', bytes: 32 },
  'hmac-sha384': { name: 'HMACSHA384', hash: 'sha384', bytes: 48 },
  'hmac-sha512': { name: 'HMACSHA512', hash: 'sha512', bytes: 64 },
};

/** The fields of a credential as text; `undefined` where one is missing. */
interface Fields {
  id?: string;
  algorithm?: string;
  headers?: string;
  signature?: string;
}

const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t';

/** True for the literal lower-case scheme word, alone or followed by white space. */
export const hasScheme = (authorization: string): boolean =>
  authorization.startsWith(SCHEME) && (authorization.length === SCHEME.length || isBlank(authorization[SCHEME.length]));

/** `name="value"` pairs, comma and optional blanks between, known names only, each at most once, any order. */
export function parseFields(authorization: string): Fields | undefined {
  if (authorization.length > MAX_CREDENTIAL_BYTES) return undefined;
  const text = trimBlanks(authorization);
  if (!hasScheme(text)) return undefined;
  const fields: Fields = {};
  let at = SCHEME.length;
  for (;;) {
    while (isBlank(text[at])) at++;
    const equals = text.indexOf('="', at);
    if (equals < 0) return undefined;
    const name = text.slice(at, equals);
    if (name !== 'id' && name !== 'algorithm' && name !== 'headers' && name !== 'signature') return undefined;
    if (fields[name] !== undefined) return undefined;
    const start = equals + 2;
    const end = text.indexOf('"', start);
    if (end < 0) return undefined;
    fields[name] = text.slice(start, end);
    if (end + 1 === text.length) return fields;
    if (text[end + 1] !== ',') return undefined;
    at = end + 2;
  }
}

/** Lower-case names in signing order, one space between, none twice; `undefined` otherwise. */
function parseNames(list: string): string[] | undefined {
  const names = list.toLowerCase().split(' ', MAX_SIGNED_HEADERS + 1);
  if (names.length > MAX_SIGNED_HEADERS) return undefined;
  for (let i = 0; i < names.length; i++) {
    if (!isVisibleAscii(names[i]!) || names.indexOf(names[i]!) < i) return undefined;
  }
  return names;
}

/** The dates of a request in ms since the epoch, as in `Credential`. */
export type SignedDate = Parsed<Pick<Credential, 'timestampMs' | 'unsignedTimestampMs'>>;

/** Steps 1 to 6 of tencent.md §4 in their order; `dateOf` is the step in which the dialects differ. */
export function parseCredential(
  dialect: TencentDialect,
  authorization: string,
  request: WireRequest,
  options: VerificationOptions,
  dateOf: (signedHeaders: readonly string[]) => SignedDate,
): Parsed<Credential> {
  const refuse = refusalsOf(dialect);
  const fields = parseFields(authorization);
  if (!fields) return refuse('malformed_credential', 'Authorization does not follow the grammar');
  const { id: keyId = '', signature = '' } = fields;
  if (keyId === '' || signature === '') {
    return refuse('malformed_credential', 'id or signature is missing', ID_OR_SIGNATURE);
  }
  if (!isVisibleAscii(keyId)) return refuse('malformed_credential', 'id is not visible ASCII');
  const algorithmText = fields.algorithm;
  if (algorithmText === undefined) return refuse('malformed_credential', 'algorithm is missing', PARAMETERS);
  const algorithm = Object.hasOwn(ALGORITHMS, algorithmText) ? ALGORITHMS[algorithmText] : undefined;
  if (!algorithm || !options.algorithms.includes(algorithm.name)) {
    const echoed = isVisibleAscii(algorithmText) ? algorithmText.slice(0, MAX_ECHOED_BYTES) : '';
    return refuse('algorithm_not_allowed', algorithm ? 'the algorithm is not listed' : 'no such algorithm', echoed);
  }
  const signedHeaderList = fields.headers ?? '';
  const signedHeaders = parseNames(signedHeaderList);
  if (!signedHeaders) {
    return refuse('malformed_credential', 'headers is missing, or a name in it is empty or repeated', PARAMETERS);
  }
  const date = dateOf(signedHeaders);
  if (!date.ok && date.reason === 'missing_date') return date;
  for (const name of signedHeaders) {
    const count = countHeader(request, name);
    if (count === 0) return refuse('missing_signed_header', `signed header ${name} did not arrive`, name);
    if (count > 1) return refuse('duplicate_header', `signed header ${name} is repeated`, name);
  }
  if (!date.ok) return date;
  const mac = decodeBase64(signature, algorithm.bytes);
  if (!mac) return refuse('malformed_credential', 'signature is not canonical base64 of the length of the algorithm');
  return {
    ok: true,
    value: {
      dialect,
      keyId,
      signedHeaders,
      signedHeaderList,
      mac,
      hash: algorithm.hash,
      timestampMs: date.value.timestampMs,
      unsignedTimestampMs: date.value.unsignedTimestampMs,
      nonce: undefined,
    },
  };
}

/** Time of a date header in ms since the epoch: IMF-fixdate alone, its weekday not compared. */
export function readDate(
  dialect: TencentDialect,
  request: WireRequest,
  name: 'date' | 'x-date',
): Parsed<{ readonly timestampMs: number }> {
  const timestampMs = parseImfDate(trimBlanks(headerValue(request, name) ?? ''));
  return timestampMs === undefined
    ? refusalsOf(dialect)('malformed_date', `${name} is not of the form EEE, dd MMM yyyy HH:mm:ss GMT`, name)
    : { ok: true, value: { timestampMs } };
}

/** `name: value` lines of the signing string in signing order, LF between. */
export function signingLines(request: WireRequest, names: readonly string[]): string {
  let lines = '';
  for (const name of names) {
    const value = trimBlanks(headerValue(request, name) ?? '');
    lines += lines === '' ? `${name}: ${value}` : `\n${name}: ${value}`;
  }
  return lines;
}

/** `Authorization` as the vendor's demos write it. */
export const formatCredential = (keyId: string, algorithm: string, names: string, mac: string): string =>
  `${SCHEME} id="${keyId}", algorithm="${algorithm}", headers="${names}", signature="${mac}"`;
