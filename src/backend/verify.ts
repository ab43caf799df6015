import { systemClock, type Clock } from '../lib/clock.js';
import { errorMessage } from '../lib/errors.js';
import type { DenyReason } from '../lib/reason.js';
import { Redacted } from '../lib/redacted.js';
import { aes, type AesKey } from '../signature/aes/scheme.js';
import { basic } from '../signature/basic/scheme.js';
import type {
  DialectName,
  SigningKey,
  VerificationKey,
  VerificationOptions,
  WireRequest,
} from '../signature/dialect.js';
import { dialectByName } from '../signature/dialects.js';
import { DATE_HEADER, parseFields, parseSignedHeaders } from '../signature/huawei/credential.js';
import { DEFAULT_VERIFICATION } from '../signature/options.js';
import { verifyRequest } from '../signature/verify.js';
import { headerValue, headerValues, parseCompactDate, sha256HexOfText, trimBlanks } from '../signature/wire.js';
import { GATEWAY_FORMS, PREVIOUS_AUTHORIZATION, uncoveredPart } from './gateway-form.js';
import type { AesBackendKey, BackendKey, BasicBackendKey, HmacBackendKey } from './keys.js';
import type { ReplayWindow } from './replay-window.js';
import { wireRequest, type GatewayRequest } from './request.js';

const MINUTE_MS = 60_000;
export const DEFAULT_MAX_CLOCK_SKEW_MS = 5 * MINUTE_MS;
export const DEFAULT_MAX_BODY_BYTES = DEFAULT_VERIFICATION.maxBodyBytes;

export interface GatewayVerificationOptions {
  /** One key; two while keys change. During a rotation both entries have the same id and different secrets. */
  readonly keys: readonly [BackendKey] | readonly [BackendKey, BackendKey];
  /** How far the signed date may lie from the clock, either way. Default 300 000 (5 minutes). */
  readonly maxClockSkewMs?: number;
  /**
   * `Signed` (default): a body has to be covered by the signature. `Declared`: also a signature that says it leaves
   * the body out, as the gateway's do where `verification.body` is `Streamed`. `Streamed`: the body is not read, so
   * only such signatures pass. Basic never covers a body, and ignores this.
   */
  readonly body?: VerificationOptions['body'];
  /** A longer body is refused before it is hashed. Default 4 MiB. */
  readonly maxBodyBytes?: number;
  /** What was accepted before. One per process; without it nothing is deduplicated. */
  readonly replayWindow?: ReplayWindow;
  /**
   * `Nonce` (default): a nonce is good once; only the JDCloud dialect has one. `Signature`: whatever the scheme, one
   * signature is good once, which also refuses identical honest requests of one second. Nothing for Basic.
   */
  readonly replayProtection?: 'Nonce' | 'Signature';
  /** Milliseconds since the epoch. Default: the system's clock. */
  readonly clock?: Clock;
}

/** Who the gateway says is calling: its `x-countersign-*` headers. A member is absent where the gateway sent none. */
export interface GatewayIdentity {
  /** Id of the caller's key; absent where the API asks for no signature. */
  readonly keyId?: string;
  readonly planId?: string;
  /** `namespace/group/api`. */
  readonly api?: string;
  readonly environment?: string;
}

export interface GatewayVerified {
  readonly valid: true;
  readonly type: BackendKey['type'];
  /** HMAC only. */
  readonly dialect?: DialectName;
  /** What the credential calls the backend key; the SignatureKey's name under AES. */
  readonly keyId: string;
  /** The header that convinced: with `x-countersign-previous-authorization` this backend still has the old secret. */
  readonly header: 'authorization' | typeof PREVIOUS_AUTHORIZATION;
  readonly identity: GatewayIdentity;
  /**
   * The signature covers the identity. False under Basic alone: there the identity is as good as the TLS connection
   * over which the secret came.
   */
  readonly identityCovered: boolean;
  /** The signature covers the body, or there is none. Always false under Basic with a body. */
  readonly bodyCovered: boolean;
}

export interface GatewayRefusal {
  readonly valid: false;
  /** One word of the closed list in docs/reference/reasons.md. */
  readonly reason: DenyReason;
  /** One sentence for the log. Not for whoever sent the request. */
  readonly detail: string;
}

export type GatewayVerification = GatewayVerified | GatewayRefusal;

/** A credential that matches a key, before it is judged what it leaves open. */
interface Authentic {
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

interface Check {
  readonly nowMs: number;
  readonly maxClockSkewMs: number;
  readonly body: VerificationOptions['body'];
}

const refuse = (reason: DenyReason, detail: string): GatewayRefusal => ({ valid: false, reason, detail });

/** Refusals that say "another key", after which the other header or key is tried. The rest are about an authentic request. */
const NOT_THIS_KEY: ReadonlySet<DenyReason> = new Set([
  'missing_credential',
  'unsupported_scheme',
  'malformed_credential',
  'unknown_key',
  'key_not_ready',
  'bad_signature',
]);

/**
 * Verifies that a request comes from the gateway, with the key that `backendSignature` binds to its API. Total: what
 * arrives is judged, never thrown at the caller. The identity in the result is covered by the signature, or the key
 * is Basic and `identityCovered` is false.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http';
 * import { ReplayWindow, verifyGatewayRequest } from 'countersign/backend';
 *
 * const keys = [{ type: 'HMAC', dialect: 'Huawei', keyId: 'orders-backend-key', secret: 'a secret of the vault' }] as const;
 * const replayWindow = new ReplayWindow();
 *
 * createServer(async (request, response) => {
 *   const chunks: Buffer[] = [];
 *   for await (const chunk of request) chunks.push(chunk);
 *   const body = Buffer.concat(chunks); // before any parser: the signature covers these bytes
 *   const { method, url, rawHeaders } = request;
 *   const verification = verifyGatewayRequest({ method, url, rawHeaders, body }, { keys, replayWindow });
 *   response.statusCode = verification.valid ? 200 : 403;
 *   response.end(verification.valid ? `Hello, ${verification.identity.keyId}\n` : 'Forbidden\n');
 * }).listen(9000);
 * ```
 */
export function verifyGatewayRequest(
  request: GatewayRequest,
  options: GatewayVerificationOptions,
): GatewayVerification {
  try {
    return verifyParts(request, options);
  } catch (error) {
    return refuse('internal_error', errorMessage(error));
  }
}

function verifyParts(request: GatewayRequest, options: GatewayVerificationOptions): GatewayVerification {
  const wire = wireRequest(request);
  if (!wire) return refuse('body_unavailable', 'method, url, rawHeaders and the unparsed body are needed');
  const { maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = options;
  if (wire.body !== undefined && !(wire.body.length <= maxBodyBytes)) {
    return refuse('body_too_large', `the body is longer than ${maxBodyBytes} bytes`);
  }
  const check: Check = {
    nowMs: (options.clock ?? systemClock)(),
    maxClockSkewMs: options.maxClockSkewMs ?? DEFAULT_MAX_CLOCK_SKEW_MS,
    body: options.body ?? 'Signed',
  };

  const previous = headerValues(wire, PREVIOUS_AUTHORIZATION);
  if (previous.length > 1) return refuse('duplicate_header', `header ${PREVIOUS_AUTHORIZATION} is repeated`);
  const first = verifyCredential(wire, options.keys, check);
  if (first.valid) return accept(wire, first, 'authorization', options, check);
  if (previous.length === 0 || !NOT_THIS_KEY.has(first.reason)) return first;

  const headers = wire.headers.filter(([name]) => name !== 'authorization');
  const rotated: WireRequest = { ...wire, headers: [...headers, ['authorization', previous[0]!]] };
  const second = verifyCredential(rotated, options.keys, check);
  if (second.valid) return accept(wire, second, PREVIOUS_AUTHORIZATION, options, check);
  return NOT_THIS_KEY.has(second.reason) ? first : second;
}

/** The one Authorization against every key: grouped, so that two secrets of one id are tried together. */
function verifyCredential(wire: WireRequest, keys: readonly BackendKey[], check: Check): Authentic | GatewayRefusal {
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

function verifyHmac(
  wire: WireRequest,
  dialect: DialectName,
  keys: readonly HmacBackendKey[],
  { nowMs, maxClockSkewMs, body }: Check,
): Authentic | GatewayRefusal {
  const { compatibility, profiles, signedHeaders } = GATEWAY_FORMS[dialect];
  const options: VerificationOptions = {
    ...DEFAULT_VERIFICATION,
    dialects: [dialect],
    compatibility,
    algorithms: ['HMACSHA256'],
    maxClockSkewMs,
    dateOnly: 'Deny',
    body,
    requiredSignedHeaders: signedHeaders,
  };
  const byId = new Map<string, VerificationKey>();
  for (const { keyId, secret } of keys) {
    byId.set(keyId, { keyId, secrets: [...(byId.get(keyId)?.secrets ?? []), { secret: new Redacted(secret) }] });
  }
  const verdict = verifyRequest(wire, options, {}, (keyId) => byId.get(keyId), nowMs);
  if (!verdict.ok) return refuse(verdict.reason, verdict.detail);
  if (!profiles.includes(verdict.profile) || verdict.timestampMs === undefined) {
    return refuse('bad_signature', `the gateway does not sign in profile ${verdict.profile}`);
  }
  return {
    valid: true,
    type: 'HMAC',
    dialect,
    keyId: verdict.keyId,
    bodyCovered: verdict.bodyCovered,
    signature: {
      form: dialect,
      signedHeaders: verdict.signedHeaders,
      signedAtMs: verdict.timestampMs,
      nonce: verdict.nonce,
      stringToSign: verdict.stringToSign,
    },
  };
}

function verifyAes(
  wire: WireRequest,
  authorization: string,
  keys: readonly AesBackendKey[],
  { nowMs, maxClockSkewMs, body }: Check,
): Authentic | GatewayRefusal {
  const aesKeys = keys.map(({ name, algorithm, key, vector }): AesKey => ({
    name,
    algorithm,
    key: new Redacted(key),
    vector: new Redacted(vector),
  }));
  const verdict = aes.verify(authorization, wire, aesKeys, { nowMs, maxClockSkewMs });
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
  if (wire.body === undefined && body !== 'Streamed') return refuse('body_unavailable', 'the body was not read');
  if (wire.body !== undefined && body === 'Signed' && !bodyCovered) {
    return refuse('unsigned_body', 'the signature does not cover the body');
  }
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
  { nowMs, maxClockSkewMs }: Check,
): Authentic | GatewayRefusal {
  const signingKeys = keys.map(({ keyId, secret }): SigningKey => ({ keyId, secret: new Redacted(secret) }));
  const verdict = basic.verify(authorization, wire, signingKeys, { nowMs, maxClockSkewMs });
  if (!verdict.ok) return refuse(verdict.reason, verdict.detail);
  return { valid: true, type: 'Basic', keyId: verdict.keyId, bodyCovered: verdict.bodyCovered, signature: undefined };
}

/** The last steps, in this order: only a request that is accepted in every other respect uses up its nonce. */
function accept(
  wire: WireRequest,
  { type, dialect, keyId, bodyCovered, signature }: Authentic,
  header: GatewayVerified['header'],
  options: GatewayVerificationOptions,
  { nowMs, maxClockSkewMs }: Check,
): GatewayVerification {
  if (signature) {
    const uncovered = uncoveredPart(wire, signature.form, signature.signedHeaders);
    if (uncovered) return refuse(uncovered.reason, uncovered.detail);
    const { nonce, stringToSign, signedAtMs } = signature;
    // Not the MAC: during a rotation the same request carries two.
    const marker =
      nonce !== undefined
        ? `nonce ${keyId} ${nonce}`
        : options.replayProtection === 'Signature'
          ? `signature ${keyId} ${sha256HexOfText(stringToSign)}`
          : undefined;
    const admission = marker && options.replayWindow?.admit(marker, signedAtMs, signedAtMs + maxClockSkewMs, nowMs);
    if (admission === 'seen' || admission === 'forgotten') {
      return refuse(
        nonce === undefined ? 'replayed_signature' : 'replayed_nonce',
        admission === 'seen' ? 'the request was accepted before' : 'signed before the oldest the window remembers',
      );
    }
  }
  return {
    valid: true,
    type,
    ...(dialect === undefined ? {} : { dialect }),
    keyId,
    header,
    identity: identityOf(wire),
    identityCovered: signature !== undefined,
    bodyCovered,
  };
}

/** All of these headers are signed here, or the key is Basic: anything else was refused before. */
function identityOf(wire: WireRequest): GatewayIdentity {
  const value = (name: string): string | undefined => {
    const text = headerValue(wire, `x-countersign-${name}`);
    return text === undefined ? undefined : trimBlanks(text);
  };
  const [keyId, planId, api, environment] = [value('key-id'), value('plan'), value('api'), value('environment')];
  return {
    ...(keyId === undefined ? {} : { keyId }),
    ...(planId === undefined ? {} : { planId }),
    ...(api === undefined ? {} : { api }),
    ...(environment === undefined ? {} : { environment }),
  };
}
