/**
 * Headers that two readers could understand differently. Envoy joins repeated `Authorization`
 * and `Host` lines with a comma even in raw mode, so a second one is looked for inside the value.
 */
import type { CheckRequest } from '../request.js';
import type { Refused } from '../phases/refused.js';

/** Dates, nonces, host and content hashes: the signature must have covered the one value that is used. */
const SINGLE = new Set([
  'host',
  'date',
  'x-date',
  'x-sdk-date',
  'x-jdcloud-date',
  'x-jdcloud-nonce',
  'x-jdcloud-security-token',
  'x-sdk-content-sha256',
  'x-jdcloud-content-sha256',
  'content-md5',
  'digest',
]);

export const OWN_HEADER_PREFIX = 'x-countersign-';

/** A backend that obeys one of these serves another method than the one that was authorized. */
export const METHOD_OVERRIDES: ReadonlySet<string> = new Set([
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
]);

/** What the gateway says about the caller towards a backend, or goes by itself. */
const TRUSTED = new Set([
  'authorization',
  'x-stage',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-real-ip',
  'x-client-proto',
  'x-client-proto-ver',
  'x-api-requestid',
  'x-api-scheme',
]);

/** Backends that map `-` and `_` alike (CGI, WSGI) would take `X_Countersign_Key_Id` for ours, `X_Sdk_Date` for the signed one. */
function poses(name: string): boolean {
  if (!name.includes('_')) return false;
  const dashed = name.replaceAll('_', '-');
  return (
    dashed.startsWith(OWN_HEADER_PREFIX) || SINGLE.has(dashed) || METHOD_OVERRIDES.has(dashed) || TRUSTED.has(dashed)
  );
}

const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const EQUALS = 0x3d;
const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;

/** RFC 9110 token characters. */
const TOKEN = new Uint8Array(256);
for (const character of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
  TOKEN[character.charCodeAt(0)] = 1;

/** The list element from `start` reads `token SP …`: a scheme word, where a parameter would read `name=value`. */
function startsCredential(value: string, start: number): boolean {
  let i = start;
  while (isBlank(value.charCodeAt(i))) i++;
  const wordStart = i;
  while (TOKEN[value.charCodeAt(i)] === 1) i++;
  if (i === wordStart || !isBlank(value.charCodeAt(i))) return false;
  while (isBlank(value.charCodeAt(i))) i++;
  const next = value.charCodeAt(i);
  return i < value.length && next !== EQUALS && next !== COMMA;
}

/** True when the field value holds a second credential after a comma. Linear; commas inside quotes do not count. */
export function holdsSecondCredential(authorization: string): boolean {
  let quoted = false;
  for (let i = 0; i < authorization.length; i++) {
    const code = authorization.charCodeAt(i);
    if (code === QUOTE) quoted = !quoted;
    else if (code === BACKSLASH && quoted) i++;
    else if (code === COMMA && !quoted && startsCredential(authorization, i + 1)) return true;
  }
  return false;
}

/** The first thing wrong with the header list of a request. */
export function guardHeaders(request: Pick<CheckRequest, 'headers' | 'authority'>): Refused | undefined {
  const seen = new Set<string>();
  let authorizations = 0;
  for (const [name, value] of request.headers) {
    if (poses(name)) return { refused: 'reserved_header', subject: name };
    if (name === 'proxy-authorization') return { refused: 'multiple_credentials', subject: name };
    if (name === 'authorization' && (++authorizations > 1 || holdsSecondCredential(value)))
      return { refused: 'multiple_credentials', subject: name };
    if (!SINGLE.has(name)) continue;
    if (seen.has(name)) return { refused: 'duplicate_header', subject: name };
    seen.add(name);
  }
  if (request.authority.includes(',')) return { refused: 'duplicate_header', subject: 'host' };
  return undefined;
}
