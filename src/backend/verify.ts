import { systemClock, type Clock } from '../lib/clock.js';
import { errorMessage } from '../lib/errors.js';
import type { DialectName, VerificationOptions, WireRequest } from '../signature/dialect.js';
import { DEFAULT_VERIFICATION } from '../signature/options.js';
import { headerValue, repeatedHeader, sha256HexOfText, trimBlanks } from '../signature/wire.js';
import {
  NOT_THIS_KEY,
  refuse,
  verifyCredential,
  type Authentic,
  type Check,
  type GatewayRefusal,
} from './credential.js';
import { IDENTITY_PREFIX, PREVIOUS_AUTHORIZATION, uncoveredPart } from './gateway-form.js';
import type { BackendKey } from './keys.js';
import type { ReplayWindow } from './replay-window.js';
import { wireRequest, type GatewayRequest } from './request.js';

const MINUTE_MS = 60_000;
const DEFAULT_MAX_CLOCK_SKEW_MS = 5 * MINUTE_MS;
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

export type GatewayVerification = GatewayVerified | GatewayRefusal;

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

  const repeated = repeatedHeader(wire, [...IDENTITY_HEADERS, PREVIOUS_AUTHORIZATION]);
  if (repeated !== undefined) return refuse('duplicate_header', `header ${repeated} is repeated`);
  const previous = headerValue(wire, PREVIOUS_AUTHORIZATION);
  const first = verifyCredential(wire, options.keys, check);
  if (first.valid) return accept(wire, first, 'authorization', options, check);
  if (previous === undefined || !NOT_THIS_KEY.has(first.reason)) return first;

  const headers = wire.headers.filter(([name]) => name !== 'authorization');
  const rotated: WireRequest = { ...wire, headers: [...headers, ['authorization', previous]] };
  const second = verifyCredential(rotated, options.keys, check);
  if (second.valid) return accept(wire, second, PREVIOUS_AUTHORIZATION, options, check);
  return NOT_THIS_KEY.has(second.reason) ? first : second;
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

const IDENTITY_HEADERS = ['key-id', 'plan', 'api', 'environment'].map((name) => `${IDENTITY_PREFIX}${name}`);

/** All of these headers are signed here and single, or the key is Basic: anything else was refused before. */
function identityOf(wire: WireRequest): GatewayIdentity {
  const [keyId, planId, api, environment] = IDENTITY_HEADERS.map((name) => {
    const value = headerValue(wire, name);
    return value === undefined ? undefined : trimBlanks(value);
  });
  return {
    ...(keyId === undefined ? {} : { keyId }),
    ...(planId === undefined ? {} : { planId }),
    ...(api === undefined ? {} : { api }),
    ...(environment === undefined ? {} : { environment }),
  };
}
