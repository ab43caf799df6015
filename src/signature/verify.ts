/**
 * Verification common to all dialects. Total: whatever a caller sends ends in a verdict, and what a refusal
 * costs depends on the request alone, never on whether the key exists.
 */
import type {
  Candidate,
  Credential,
  Dialect,
  KeyLookup,
  Parsed,
  Refusal,
  Verification,
  VerificationContext,
  VerificationKey,
  VerificationOptions,
  WireRequest,
} from './dialect.js';
import type { DenyReason } from '../lib/reason.js';
import { DIALECTS, dialectByName } from './dialects.js';
import { isHmac } from './hmac.js';
import { refusalsOf } from './refusal.js';
import { countHeader, headerValue, repeatedHeader, trimBlanks } from './wire.js';

/** An attacker chooses the header: bound the work before looking at it. The longest honest one seen is 1 KiB. */
const MAX_CREDENTIAL_LENGTH = 8192;

/** Each signed header is looked for in all of them, under each profile. Envoy lets 100 through by itself. */
const MAX_HEADER_LINES = 512;

/** Stands in for the secret of a key that does not exist, so that its refusal costs the same MACs. */
const DUMMY_SECRET = 'no key has this secret: it only costs time';

/** A credential that follows its dialect's grammar; nothing else is judged yet. */
export interface ReadCredential {
  readonly dialect: Dialect;
  readonly credential: Credential;
}

/**
 * Phases, in the only order that is safe:
 *  read     grammar, repeats, form of the date: what has to hold before anything can be computed
 *  MAC      candidates × secrets; the first equal one names the profile. An unknown key costs the same
 *  policy   all else comes after the MAC, so that its reasons are true of authentic requests and only the holder
 *           of the key learns them: time, signed list, key state, what the profile leaves out, body
 */
export function verifyRequest(
  request: WireRequest,
  options: VerificationOptions,
  context: VerificationContext,
  keys: KeyLookup,
  nowMs: number,
): Verification {
  const read = readCredential(request, options);
  if (!read.ok) return read;
  const { dialect, credential } = read.value;
  const refuse = refusalsOf(dialect.name);

  const key = keys(credential.keyId);
  const secrets = usableSecrets(key, nowMs);
  const { candidate, secret, needsBody } = matchingCandidate(
    dialect,
    credential,
    dialect.candidates(credential, request, options, context),
    secrets.length > 0 ? secrets : [DUMMY_SECRET],
  );
  if (!key) return refuse('unknown_key', 'no key has this id');
  const refuseKey = (refusal: Refusal): Verification => ({ ...refusal, keyId: key.keyId });
  if (secrets.length === 0) return refuseKey(refuse(key.unusable ?? 'key_not_ready', 'the key has no usable secret'));
  if (!candidate || secret === undefined) {
    return request.body === undefined && needsBody
      ? refuseKey(refuse('body_unavailable', 'the signature can only be checked with the body, which is not buffered'))
      : refuseKey(refuse('bad_signature', 'the signature matches under no profile that is on'));
  }
  const fault = judgeTime(credential, options, nowMs) ?? judgeSignedHeaders(dialect, credential, request, options);
  if (fault) return refuseKey(refuse(fault.reason, fault.detail, fault.subject));
  dialect.accepted?.(credential, secret);
  if (key.unusable) return refuseKey(refuse(key.unusable, 'the signature matches, but the key may not be used'));
  if (candidate.refuse) return refuseKey(candidate.refuse);
  const uncovered = judgeBody(candidate, request, options);
  if (uncovered) return refuseKey(refuse(uncovered.reason, uncovered.detail));

  return {
    ok: true,
    dialect: dialect.name,
    keyId: key.keyId,
    profile: candidate.profile,
    signedHeaders: credential.signedHeaders,
    timestampMs: credential.timestampMs,
    mac: credential.mac,
    nonce: credential.nonce,
    bodyCovered: candidate.bodyCovered,
    canonicalRequest: candidate.canonicalRequest,
    stringToSign: candidate.stringToSign,
  };
}

/** One credential of a listed dialect, well-formed, over headers that arrived, none repeated that must not be. */
export function readCredential(request: WireRequest, options: VerificationOptions): Parsed<ReadCredential> {
  const one = oneCredential(request, options);
  if (!one.ok) return one;
  const { authorization, dialect } = one.value;
  const refuse = refusalsOf(dialect.name);
  if (authorization.length > MAX_CREDENTIAL_LENGTH) {
    return refuse('malformed_credential', `Authorization is longer than ${MAX_CREDENTIAL_LENGTH} bytes`);
  }
  if (request.headers.length > MAX_HEADER_LINES) {
    return refuse('malformed_credential', `the request has more than ${MAX_HEADER_LINES} header lines`);
  }
  if (joinsSecondCredential(authorization)) {
    return refuse('multiple_credentials', 'Authorization holds a second credential');
  }
  const repeated = repeatedHeader(request, dialect.singleHeaders);
  if (repeated !== undefined) return refuse('duplicate_header', `header ${repeated} is repeated`, repeated);

  const parsed = dialect.parse(authorization, request, options);
  if (!parsed.ok) return parsed;
  return { ok: true, value: { dialect, credential: parsed.value } };
}

interface Fault {
  readonly reason: DenyReason;
  readonly detail: string;
  readonly subject?: string;
}

/** The one Authorization value and its dialect by the scheme word. */
function oneCredential(
  request: WireRequest,
  options: VerificationOptions,
): Parsed<{ readonly authorization: string; readonly dialect: Dialect }> {
  const count = countHeader(request, 'authorization');
  if (count > 1 || (count === 1 && countHeader(request, 'proxy-authorization') > 0)) {
    return { ok: false, reason: 'multiple_credentials', detail: 'more than one credential header' };
  }
  const authorization = trimBlanks(headerValue(request, 'authorization') ?? '');
  if (authorization === '') return { ok: false, reason: 'missing_credential', detail: 'no Authorization header' };
  for (const name of options.dialects) {
    const dialect = dialectByName(name);
    if (dialect.detect(authorization)) return { ok: true, value: { authorization, dialect } };
  }
  return { ok: false, reason: 'unsupported_scheme', detail: 'the scheme word belongs to no listed dialect' };
}

/** Envoy joins repeated Authorization lines with a comma: a scheme word of ours behind one is a second credential. */
function joinsSecondCredential(authorization: string): boolean {
  for (let comma = authorization.indexOf(','); comma >= 0; comma = authorization.indexOf(',', comma + 1)) {
    let start = comma + 1;
    while (authorization[start] === ' ' || authorization[start] === '\t') start++;
    const rest = authorization.slice(start);
    for (const dialect of DIALECTS) if (dialect.detect(rest)) return true;
  }
  return false;
}

function judgeTime(credential: Credential, options: VerificationOptions, nowMs: number): Fault | undefined {
  // `true` only for a number: NaN from a bad clock or option refuses.
  const isFresh = (timeMs: number): boolean => Math.abs(nowMs - timeMs) <= options.maxClockSkewMs;
  if (credential.unsignedTimestampMs !== undefined && !isFresh(credential.unsignedTimestampMs)) {
    return { reason: 'clock_skew', detail: 'an unsigned date is further from the clock than maxClockSkew' };
  }
  if (credential.timestampMs === undefined) {
    if (options.dateOnly === 'Allow') return undefined;
    return { reason: 'missing_date', detail: 'no signed date' };
  }
  if (isFresh(credential.timestampMs)) return undefined;
  return { reason: 'clock_skew', detail: 'the signed date is further from the clock than maxClockSkew' };
}

function judgeSignedHeaders(
  dialect: Dialect,
  credential: Credential,
  request: WireRequest,
  options: VerificationOptions,
): Fault | undefined {
  const strict = options.compatibility === 'Strict';
  const demanded = strict
    ? [...options.requiredSignedHeaders, ...dialect.strictSignedHeaders]
    : options.requiredSignedHeaders;
  const unsigned = demanded.find((name) => !credential.signedHeaders.includes(name));
  if (unsigned !== undefined) {
    return { reason: 'required_header_not_signed', detail: `header ${unsigned} has to be signed`, subject: unsigned };
  }
  if (!strict) return undefined;
  const repeated = repeatedHeader(request, credential.signedHeaders);
  if (repeated === undefined) return undefined;
  return { reason: 'duplicate_header', detail: `signed header ${repeated} is repeated`, subject: repeated };
}

/** Current secret, and the previous one while its grace lasts. */
function usableSecrets(key: VerificationKey | undefined, nowMs: number): string[] {
  const secrets: string[] = [];
  if (!key) return secrets;
  for (const { secret, notAfterMs } of key.secrets) {
    if (notAfterMs !== undefined && !(nowMs <= notAfterMs)) continue;
    const text = secret.reveal();
    if (text !== '') secrets.push(text);
  }
  return secrets;
}

interface Match {
  readonly candidate: Candidate | undefined;
  readonly secret: string | undefined;
  /** A candidate that was tried covers the body. */
  readonly needsBody: boolean;
}

function matchingCandidate(
  dialect: Dialect,
  credential: Credential,
  candidates: Iterable<Candidate>,
  secrets: readonly string[],
): Match {
  const macKeys = secrets.map((secret) => dialect.macKey(credential, secret));
  let needsBody = false;
  for (const candidate of candidates) {
    needsBody ||= candidate.bodyCovered;
    for (let i = 0; i < macKeys.length; i++) {
      if (isHmac(credential.hash, macKeys[i]!, candidate.stringToSign, credential.mac))
        return { candidate, secret: secrets[i], needsBody };
    }
  }
  return { candidate: undefined, secret: undefined, needsBody };
}

/** `body` of the options, judged for the profile that matched; what the scheme covers has been compared already. */
function judgeBody(candidate: Candidate, request: WireRequest, options: VerificationOptions): Fault | undefined {
  if (request.body === undefined) {
    if (!candidate.bodyCovered && options.body === 'Streamed') return undefined;
    return { reason: 'body_unavailable', detail: 'the body is not buffered, so its coverage cannot be checked' };
  }
  if (options.body === 'Signed' && !candidate.bodyCovered && request.body.length > 0) {
    return { reason: 'unsigned_body', detail: 'the signature does not cover the body' };
  }
  return undefined;
}
