import type { Credential, Parsed, WireRequest } from '../dialect.js';
import { refusalsOf } from '../refusal.js';
import {
  collapseBlanks,
  decodeLowerHex,
  headerValue,
  isLowerToken,
  isVisibleAscii,
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

export const algorithmOf = (version: Version): string => `JDCLOUD${version}-HMAC-SHA256`;
export const terminatorOf = (version: Version): string => `jdcloud${version}_request`;

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
  readonly Credential?: string;
  readonly SignedHeaders?: string;
  readonly Signature?: string;
}

/** Comma-separated `name=value`, each name once, at most one space after a comma; `undefined` otherwise. */
function readFields(text: string): Fields | undefined {
  const fields: { -readonly [Name in keyof Fields]: string } = {};
  for (const piece of text.split(',', 4)) {
    const field = piece.startsWith(' ') ? piece.slice(1) : piece;
    const equals = field.indexOf('=');
    const name = field.slice(0, Math.max(equals, 0));
    if ((name !== 'Credential' && name !== 'SignedHeaders' && name !== 'Signature') || name in fields) return undefined;
    fields[name] = field.slice(equals + 1);
  }
  return fields;
}

/** `Signature` and `SignedHeaders` that are missing or empty have documented answers of their own (§5.3). */
export function parseCredential(authorization: string, request: WireRequest): Parsed<JdcloudCredential> {
  const space = authorization.indexOf(' ');
  const version = versionOf(space < 0 ? authorization : authorization.slice(0, space));
  if (version === undefined) return refuse('algorithm_not_allowed', 'the algorithm is neither JDCLOUD2 nor JDCLOUD3');
  const fields = readFields(authorization.slice(space + 1));
  if (!fields || space < 0) return refuse('malformed_credential', 'Authorization is not three name=value fields');
  if (!fields.Credential) return refuse('malformed_credential', 'Credential is missing', 'Credential');
  if (!fields.SignedHeaders) return refuse('malformed_credential', 'SignedHeaders is missing', 'SignedHeaders');
  const mac = decodeLowerHex(fields.Signature ?? '', MAC_BYTES);
  if (!mac) return refuse('malformed_credential', 'Signature is not 64 lower-case hex digits', 'Signature');

  const signedHeaders = fields.SignedHeaders.split(';', MAX_SIGNED_HEADERS + 1);
  if (signedHeaders.length > MAX_SIGNED_HEADERS || new Set(signedHeaders).size !== signedHeaders.length) {
    return refuse('malformed_credential', 'SignedHeaders is too long or repeats a name', 'SignedHeaders entry');
  }
  if (!signedHeaders.every(isLowerToken)) {
    return refuse('malformed_credential', 'SignedHeaders is not a list of lower-case names', 'SignedHeaders entry');
  }

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
      mac,
      hash: 'sha256',
      timestampMs,
      nonce,
    },
  };
}

/** The last four parts are the scope; what stands before them is the key id, slashes included. */
function readScope(credential: string, version: Version) {
  const parts = credential.split('/');
  if (parts.length < 5) return undefined;
  const [day, region, service, terminator] = parts.slice(-4) as [string, string, string, string];
  const keyId = parts.slice(0, -4).join('/');
  const fits = (text: string): boolean => text.length <= MAX_SCOPE_PART_LENGTH && isVisibleAscii(text);
  if (terminator !== terminatorOf(version) || ![keyId, region, service].every(fits)) return undefined;
  return { keyId, day, region, service };
}

/**
 * The nonce as the signature sees it, `''` if it is none. Blanks are collapsed as in the canonical form: otherwise
 * one signature would pass with a second space in the nonce, as a nonce not seen before.
 */
function readNonce(request: WireRequest): string {
  const nonce = collapseBlanks(headerValue(request, NONCE_HEADER) ?? '');
  if (nonce.length > MAX_NONCE_LENGTH || !isVisibleAscii(nonce.replaceAll(' ', ''))) return '';
  return nonce;
}
