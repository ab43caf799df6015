/** The credential of a request against the keys of a backend, per type of key. */
import type { DenyReason } from '../lib/reason.js';
import { Redacted } from '../lib/redacted.js';
import { aes, type AesKey } from '../signature/aes/scheme.js';
import { basic } from '../signature/basic/scheme.js';
import type { Candidate, DialectName, SigningKey, VerificationOptions, WireRequest } from '../signature/dialect.js';
import { dialectByName } from '../signature/dialects.js';
import { DATE_HEADER, parseFields, parseSignedHeaders } from '../signature/huawei/credential.js';
import { DEFAULT_VERIFICATION } from '../signature/options.js';
import { isHmac } from '../signature/hmac.js';
import { readCredential } from '../signature/verify.js';
import { headerValue, headerValues, parseCompactDate, trimBlanks } from '../signature/wire.js';
import { GATEWAY_FORMS } from './gateway-form.js';
import type { AesBackendKey, BackendKey, BasicBackendKey, HmacBackendKey } from './keys.js';

export interface GatewayRefusal {
  readonly valid: false;
  /** One word of the closed list in docs/reference/reasons.md. */
  readonly reason: DenyReason;
  /** One sentence for the log. Not for whoever sent the request. */
  readonly detail: string;
}

/** A credential that matches a key, before it is judged what it leaves open. */
export interface Authentic {
  readonly valid: true;
  readonly type: BackendKey['type'];
  readonly dialect?: DialectName;
  readonly keyId: string;
  readonly bodyCovered: boolean;
  /** `undefined` under Basic. */
  readonly signature:
    | {
        readonly form: DialectName;
        readonly signedHeaders: readonly string[];
        readonly signedAtMs: number;
        readonly nonce: string | undefined;
        readonly stringToSign: string;
      }
    | undefined;
}

export interface Check {
  readonly nowMs: number;
  readonly maxClockSkewMs: number;
  readonly body: VerificationOptions['body'];
}

/** What the profiles of clients leave open about path and query; here `uncoveredPart` judges the target byte for byte. */
const ABOUT_THE_TARGET: ReadonlySet<DenyReason> = new Set(['uncovered_query', 'ambiguous_signature']);

/** Stands in where no key has the id; what matches it is refused. */
const NO_SECRET = 'no key has this secret';

export const refuse = (reason: DenyReason, detail: string): GatewayRefusal => ({ valid: false, reason, detail });

/** Refusals that say "another key", after which the other header or key is tried. The rest are about an authentic request. */
export const NOT_THIS_KEY: ReadonlySet<DenyReason> = new Set([
  'missing_credential',
  'unsupported_scheme',
  'malformed_credential',
  'unknown_key',
  'key_not_ready',
  'bad_signature',
]);

/** The one Authorization against every key: grouped, so that two secrets of one id are tried together. */
export function verifyCredential(
  wire: WireRequest,
  keys: readonly BackendKey[],
  check: Check,
): Authentic | GatewayRefusal {
  const credentials = headerValues(wire, 'authorization');
  if (credentials.length > 1) return refuse('multiple_credentials', 'more than one Authorization header');
  const authorization = trimBlanks(credentials[0] ?? '');
  if (authorization === '') return refuse('missing_credential', 'no Authorization header');

  let refusal = refuse('unsupported_scheme', 'the scheme word belongs to no key');
  const hmacKeys = keys.filter((key): key is HmacBackendKey => key.type === 'HMAC');
  for (const dialect of new Set(hmacKeys.map((key) => key.dialect))) {
    if (!dialectByName(dialect).detect(authorization)) continue;
    const ofDialect = hmacKeys.filter((key) => key.dialect === dialect);
    const verdict = verifyHmac(wire, dialect, ofDialect, check);
    if (verdict.valid || !NOT_THIS_KEY.has(verdict.reason)) return verdict;
    refusal = verdict;
  }
  if (aes.detect(authorization)) {
    return verifyAes(
      wire,
      authorization,
      keys.filter((key): key is AesBackendKey => key.type === 'AES'),
      check,
    );
  }
  if (basic.detect(authorization)) {
    return verifyBasic(
      wire,
      authorization,
      keys.filter((key): key is BasicBackendKey => key.type === 'Basic'),
      check,
    );
  }
  return refusal;
}

/**
 * As `verifyRequest`, in the same order, but for the one form of the gateway: no other profile is tried, no header
 * list is demanded that the gateway does not sign, and what the profiles of clients make ambiguous is judged by
 * `uncoveredPart` for the target as a whole.
 */
function verifyHmac(
  wire: WireRequest,
  dialectName: DialectName,
  keys: readonly HmacBackendKey[],
  check: Check,
): Authentic | GatewayRefusal {
  const dialect = dialectByName(dialectName);
  const { profiles, signedHeaders } = GATEWAY_FORMS[dialectName];
  const options: VerificationOptions = {
    ...DEFAULT_VERIFICATION,
    dialects: [dialectName],
    algorithms: ['HMACSHA256'],
    dateOnly: 'Deny',
    maxClockSkewMs: check.maxClockSkewMs,
    body: check.body,
  };
  const read = readCredential(wire, options);
  if (!read.ok) return refuse(read.reason, read.detail);
  const { credential } = read.value;
  const named = keys.filter(({ keyId, secret }) => keyId === credential.keyId && secret !== '');
  // An unknown id costs what a wrong signature costs.
  const secrets = named.length > 0 ? named.map(({ secret }) => secret) : [NO_SECRET];

  let match: Candidate | undefined;
  for (const candidate of dialect.candidates(credential, wire, options, {})) {
    if (match || !profiles.includes(candidate.profile)) continue;
    const secret = secrets.find((each) =>
      isHmac(credential.hash, dialect.macKey(credential, each), candidate.stringToSign, credential.mac),
    );
    if (secret === undefined) continue;
    match = candidate;
    if (named.length > 0) dialect.accepted?.(credential, secret);
  }
  if (named.length === 0) return refuse('unknown_key', 'no key has this id');
  if (!match) return refuse('bad_signature', 'the signature does not match');

  const { timestampMs } = credential;
  if (timestampMs === undefined) return refuse('missing_date', 'no signed date');
  // `true` only for numbers: NaN from a bad clock or option refuses.
  if (!(Math.abs(check.nowMs - timestampMs) <= check.maxClockSkewMs)) {
    return refuse('clock_skew', 'the signed date is too far from the clock');
  }
  const unsigned = signedHeaders.find((name) => !credential.signedHeaders.includes(name));
  if (unsigned !== undefined) return refuse('required_header_not_signed', `header ${unsigned} has to be signed`);
  if (match.refuse && !ABOUT_THE_TARGET.has(match.refuse.reason))
    return refuse(match.refuse.reason, match.refuse.detail);
  const fault = judgeBody(wire, match.bodyCovered, check);
  if (fault) return fault;
  return {
    valid: true,
    type: 'HMAC',
    dialect: dialectName,
    keyId: credential.keyId,
    bodyCovered: match.bodyCovered,
    signature: {
      form: dialectName,
      signedHeaders: credential.signedHeaders,
      signedAtMs: timestampMs,
      nonce: credential.nonce,
      stringToSign: match.stringToSign,
    },
  };
}

function judgeBody({ body }: WireRequest, covered: boolean, { body: mode }: Check): GatewayRefusal | undefined {
  if (body === undefined) {
    if (mode === 'Streamed' && !covered) return undefined;
    return refuse('body_unavailable', 'the body was not read, so its coverage cannot be checked');
  }
  // Written so that an unknown mode asks for everything.
  if (covered || body.length === 0 || mode === 'Declared' || mode === 'Streamed') return undefined;
  return refuse('unsigned_body', 'the signature does not cover the body');
}

function verifyAes(
  wire: WireRequest,
  authorization: string,
  keys: readonly AesBackendKey[],
  check: Check,
): Authentic | GatewayRefusal {
  const aesKeys = keys.map(({ name, algorithm, key, vector }): AesKey => ({
    name,
    algorithm,
    key: new Redacted(key),
    vector: new Redacted(vector),
  }));
  const verdict = aes.verify(authorization, wire, aesKeys, check);
  if (!verdict.ok) return refuse(verdict.reason, verdict.detail);
  const scheme = authorization.slice(0, authorization.indexOf(' '));
  const signedHeaders = parseSignedHeaders(parseFields(authorization, scheme)?.signedHeaders ?? '');
  const signedAtMs = parseCompactDate(trimBlanks(headerValue(wire, DATE_HEADER) ?? ''));
  if (!signedHeaders || signedAtMs === undefined || verdict.stringToSign === undefined) {
    return refuse('malformed_credential', 'Authorization does not follow the grammar of profile P1');
  }
  const unsigned = GATEWAY_FORMS.Huawei.signedHeaders.find((name) => !signedHeaders.includes(name));
  if (unsigned !== undefined) return refuse('required_header_not_signed', `header ${unsigned} has to be signed`);
  const { bodyCovered } = verdict;
  const fault = judgeBody(wire, bodyCovered, check);
  if (fault) return fault;
  return {
    valid: true,
    type: 'AES',
    keyId: verdict.keyId,
    bodyCovered,
    signature: { form: 'Huawei', signedHeaders, signedAtMs, nonce: undefined, stringToSign: verdict.stringToSign },
  };
}

function verifyBasic(
  wire: WireRequest,
  authorization: string,
  keys: readonly BasicBackendKey[],
  check: Check,
): Authentic | GatewayRefusal {
  const signingKeys = keys.map(({ keyId, secret }): SigningKey => ({ keyId, secret: new Redacted(secret) }));
  const verdict = basic.verify(authorization, wire, signingKeys, check);
  if (!verdict.ok) return refuse(verdict.reason, verdict.detail);
  return { valid: true, type: 'Basic', keyId: verdict.keyId, bodyCovered: verdict.bodyCovered, signature: undefined };
}
