import type { Credential, Parsed, WireRequest } from '../dialect.js';
import { refusalsOf } from '../refusal.js';
import {
  collapseBlanks,
  decodeLowerHex,
  headerValue,
  isLowerToken,
  isVisibleAscii,
  oversizedQuery,
  parseCompactDate,
  trimBlanks,
} from '../wire.js';

export type Version = 2 | 3;

/** `JDCLOUDN-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`; specs: JD Cloud §3.1. */
export interface JdcloudCredential extends Credential {
  readonly version: Version;
  /** `x-jdcloud-date` as signed: `YYYYMMDDTHHMMSSZ`. */
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

export const DATE_HEADER = 'x-jdcloud-date';
export const NONCE_HEADER = 'x-jdcloud-nonce';
export const TOKEN_HEADER = 'x-jdcloud-security-token';
export const CONTENT_HASH_HEADER = 'x-jdcloud-content-sha256';

const MAX_SIGNED_HEADERS = 100;
const MAX_SCOPE_PART_LENGTH = 256;
const MAX_NONCE_LENGTH = 128;
const MAC_BYTES = 32;

export const algorithmOf = (version: Version): string =>
  version === 2 ? 'JDCLOUD2-HMAC-SHA256' : 'JDCLOUD3-HMAC-SHA256';
export const terminatorOf = (version: Version): string => (version === 2 ? 'jdcloud2_request' : 'jdcloud3_request');

const refuse = refusalsOf('JDCloud');

/** Any version of the scheme, so that an unknown one is refused as such and not as another vendor's. */
export const isJdcloud = (authorization: string): boolean => authorization.startsWith('JDCLOUD');

/** The text up to the first space names the version; only 2 and 3 exist. */
function versionOf(scheme: string): Version | undefined {
  if (scheme === algorithmOf(2)) return 2;
  if (scheme === algorithmOf(3)) return 3;
  return undefined;
}

interface Fields {
  Credential: string;
  SignedHeaders: string;
  Signature: string;
}

/** Comma-separated `name=value`, each name at most once, at most one space after a comma; `undefined` otherwise. */
function readFields(text: string, start: number): Fields | undefined {
  const fields: Fields = { Credential: '', SignedHeaders: '', Signature: '' };
  for (let at = start; at <= text.length;) {
    const comma = text.indexOf(',', at);
    const end = comma < 0 ? text.length : comma;
    if (text[at] === ' ' && at > start) at++;
    const equals = text.indexOf('=', at);
    if (equals < 0 || equals >= end) return undefined;
    const name = text.slice(at, equals);
    if ((name !== 'Credential' && name !== 'SignedHeaders' && name !== 'Signature') || fields[name] !== '') {
      return undefined;
    }
    fields[name] = text.slice(equals + 1, end);
    at = end + 1;
  }
  return fields;
}

/** `Signature` and `SignedHeaders` that are missing or empty have documented answers of their own (§5.3). */
export function parseCredential(authorization: string, request: WireRequest): Parsed<JdcloudCredential> {
  const space = authorization.indexOf(' ');
  const version = versionOf(space < 0 ? authorization : authorization.slice(0, space));
  if (version === undefined) return refuse('algorithm_not_allowed', 'the algorithm is neither JDCLOUD2 nor JDCLOUD3');
  const fields = readFields(authorization, space + 1);
  if (!fields) return refuse('malformed_credential', 'Authorization is not three name=value fields');
  if (!fields.Credential) return refuse('malformed_credential', 'Credential is missing', 'Credential');
  if (!fields.SignedHeaders) return refuse('malformed_credential', 'SignedHeaders is missing', 'SignedHeaders');
  const mac = decodeLowerHex(fields.Signature, MAC_BYTES);
  if (!mac) return refuse('malformed_credential', 'Signature is not 64 lower-case hex digits', 'Signature');

  const signedHeaders = fields.SignedHeaders.split(';', MAX_SIGNED_HEADERS + 1);
  if (signedHeaders.length > MAX_SIGNED_HEADERS || hasRepeat(signedHeaders)) {
    return refuse('malformed_credential', 'SignedHeaders is too long or repeats a name', 'SignedHeaders entry');
  }
  if (!signedHeaders.every(isLowerToken)) {
    return refuse('malformed_credential', 'SignedHeaders is not a list of lower-case names', 'SignedHeaders entry');
  }

  const oversized = oversizedQuery(request.target);
  if (oversized !== undefined) return refuse('malformed_credential', oversized);
  const dateValue = headerValue(request, DATE_HEADER);
  if (dateValue === undefined) return refuse('missing_date', `no ${DATE_HEADER}`, DATE_HEADER);
  const date = trimBlanks(dateValue);
  const timestampMs = parseCompactDate(date);
  if (timestampMs === undefined) return refuse('malformed_date', `${DATE_HEADER} is no YYYYMMDDTHHMMSSZ date`);

  const scope = readScope(fields.Credential, version);
  if (!scope) return refuse('invalid_scope', 'Credential is not id/date/region/service/terminator');
  if (scope.day !== date.slice(0, 8))
    return refuse('invalid_scope', 'the scope names another day than the date header');

  for (const name of signedHeaders) {
    if (headerValue(request, name) === undefined) {
      return refuse('missing_signed_header', `signed header ${name} did not arrive`, name);
    }
  }
  if (headerValue(request, TOKEN_HEADER) !== undefined && !signedHeaders.includes(TOKEN_HEADER)) {
    return refuse('unsigned_security_token', `${TOKEN_HEADER} is sent but not signed`, TOKEN_HEADER);
  }
  const nonce = signedHeaders.includes(NONCE_HEADER) ? readNonce(request) : undefined;
  if (nonce === '')
    return refuse('malformed_credential', `${NONCE_HEADER} is not 1 to 128 ASCII characters`, NONCE_HEADER);

  return {
    ok: true,
    value: {
      dialect: 'JDCloud',
      version,
      keyId: scope.keyId,
      region: scope.region,
      service: scope.service,
      date,
      signedHeaders,
      signedHeaderList: fields.SignedHeaders,
      mac,
      hash: 'sha256',
      timestampMs,
      nonce,
    },
  };
}

function hasRepeat(names: readonly string[]): boolean {
  for (let i = 1; i < names.length; i++) if (names.indexOf(names[i]!) < i) return true;
  return false;
}

/** The last four parts are the scope; what stands before them is the key id, slashes included. */
function readScope(credential: string, version: Version) {
  const afterService = credential.lastIndexOf('/');
  const afterRegion = credential.lastIndexOf('/', afterService - 1);
  const afterDay = credential.lastIndexOf('/', afterRegion - 1);
  const afterKeyId = credential.lastIndexOf('/', afterDay - 1);
  if (!(0 < afterKeyId && afterKeyId < afterDay && afterDay < afterRegion && afterRegion < afterService))
    return undefined;
  if (credential.slice(afterService + 1) !== terminatorOf(version)) return undefined;
  const keyId = credential.slice(0, afterKeyId);
  const day = credential.slice(afterKeyId + 1, afterDay);
  const region = credential.slice(afterDay + 1, afterRegion);
  const service = credential.slice(afterRegion + 1, afterService);
  return isScopePart(keyId) && isScopePart(region) && isScopePart(service)
    ? { keyId, day, region, service }
    : undefined;
}

const isScopePart = (text: string): boolean => text.length <= MAX_SCOPE_PART_LENGTH && isVisibleAscii(text);

/**
 * The nonce as the signature sees it, `''` if it is none. Blanks are collapsed as in the canonical form: otherwise
 * one signature would pass with a second space in the nonce, as a nonce not seen before.
 */
function readNonce(request: WireRequest): string {
  const nonce = collapseBlanks(headerValue(request, NONCE_HEADER) ?? '');
  const visible = nonce.includes(' ') ? nonce.replaceAll(' ', '') : nonce;
  return nonce.length <= MAX_NONCE_LENGTH && isVisibleAscii(visible) ? nonce : '';
}
