import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError, errorMessage } from '../lib/errors.js';
import { isUsableAesKey } from '../signature/aes/scheme.js';
import { Redacted } from '../lib/redacted.js';
import type { GatewayRefusal } from './credential.js';
import type { BackendKey } from './keys.js';
import { ReplayWindow } from './replay-window.js';
import {
  DEFAULT_MAX_BODY_BYTES,
  verifyGatewayRequest,
  type GatewayVerificationOptions,
  type GatewayVerified,
} from './verify.js';

export interface GatewayMiddlewareOptions extends GatewayVerificationOptions {
  /** Told of each refusal, for the log. The answer to the client never says why. */
  readonly onRefused?: (refusal: GatewayRefusal, request: IncomingMessage) => void;
}

export type GatewayMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** What `gatewayMiddleware` let through, with the bytes it verified. */
export interface AcceptedGatewayRequest extends GatewayVerified {
  /** `undefined` under `body: 'Streamed'`: the request is still to be read. */
  readonly body: Uint8Array | undefined;
}

/** Kept beside the request, where nothing that a client sends and no other middleware can put it. */
const accepted = new WeakMap<IncomingMessage, AcceptedGatewayRequest>();

/** The verification of a request that passed `gatewayMiddleware`; `undefined` for one that did not. */
export const gatewayRequestOf = (request: IncomingMessage): AcceptedGatewayRequest | undefined => accepted.get(request);

/**
 * Refuses what the gateway has not signed with 403 (413 for a body over the limit) and calls `next` for the rest, whose
 * identity and body `gatewayRequestOf(request)` then has. Mount it before body parsers: it reads the body itself.
 * Bytes kept by `express.raw({ type: () => true, inflate: false })` (`request.body`) or by a parser's `verify`
 * (`request.rawBody`) also do; a body of which only the parsed form is left is refused.
 *
 * @throws AppError `ERR_BACKEND_KEYS` when created without a key that can verify anything
 * @example
 * ```ts
 * import { createServer } from 'node:http';
 * import { gatewayMiddleware, gatewayRequestOf } from 'countersign/backend';
 *
 * const fromGateway = gatewayMiddleware({
 *   keys: [{ type: 'HMAC', dialect: 'JDCloud', keyId: 'orders-backend-key', secret: 'a secret of the vault' }],
 *   onRefused: ({ reason, detail }) => console.warn(`refused: ${reason}: ${detail}`),
 * });
 *
 * createServer((request, response) => {
 *   fromGateway(request, response, () => {
 *     const { identity, body } = gatewayRequestOf(request)!;
 *     response.end(`${identity.keyId} sent ${body?.length} bytes\n`);
 *   });
 * }).listen(9000);
 * ```
 */
export function gatewayMiddleware(options: GatewayMiddlewareOptions): GatewayMiddleware {
  if (!options.keys.some(Boolean) || !options.keys.every(isUsableKey)) {
    throw new AppError('ERR_BACKEND_KEYS', 'one or two keys are needed, each with an id and a secret of its length');
  }
  const settings = { ...options, replayWindow: options.replayWindow ?? new ReplayWindow() };

  const judge = async (request: IncomingMessage): Promise<AcceptedGatewayRequest | GatewayRefusal> => {
    const body = settings.body === 'Streamed' ? undefined : await bodyOf(request, settings.maxBodyBytes);
    if (body !== undefined && !(body instanceof Uint8Array)) return body;
    const { method, rawHeaders } = request;
    const result = verifyGatewayRequest({ method, url: urlOf(request), rawHeaders, body }, settings);
    return result.valid ? { ...result, body } : result;
  };

  return (request, response, next) => {
    void judge(request).then((result) => {
      if (result.valid) {
        accepted.set(request, result);
        next();
        return;
      }
      answer(request, response, result);
      try {
        settings.onRefused?.(result, request);
      } catch (error) {
        // Anybody can cause a refusal: a log that fails must not end the process.
        process.emitWarning(`onRefused failed: ${errorMessage(error)}`, { type: 'CountersignWarning' });
      }
    });
  };
}

/** Express cuts `url` where a router is mounted, and keeps what arrived. */
function urlOf(request: IncomingMessage): string | undefined {
  const { originalUrl } = request as { readonly originalUrl?: unknown };
  return typeof originalUrl === 'string' ? originalUrl : request.url;
}

function isUsableKey(key: BackendKey): boolean {
  if (key.type !== 'AES') return key.keyId !== '' && key.secret !== '';
  return isUsableAesKey({ ...key, key: new Redacted(key.key), vector: new Redacted(key.vector) });
}

const tooLarge: GatewayRefusal = { valid: false, reason: 'body_too_large', detail: 'the body is over the limit' };

const cutOff: GatewayRefusal = { valid: false, reason: 'body_unavailable', detail: 'the body was cut off' };

const hasBody = ({ headers, httpVersionMajor }: IncomingMessage): boolean =>
  httpVersionMajor !== 1 || headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** The bytes that arrived: kept by an earlier middleware, or read now. Stops reading at the limit. */
async function bodyOf(
  request: IncomingMessage,
  maxBodyBytes = DEFAULT_MAX_BODY_BYTES,
): Promise<Uint8Array | GatewayRefusal> {
  const kept = request as { readonly rawBody?: unknown; readonly body?: unknown };
  if (kept.rawBody instanceof Uint8Array) return kept.rawBody;
  if (kept.body instanceof Uint8Array) return kept.body;
  if (request.readableEnded) {
    if (!hasBody(request)) return new Uint8Array();
    return { valid: false, reason: 'body_unavailable', detail: 'the body was parsed before it could be verified' };
  }
  if (request.destroyed) return cutOff;
  return readBody(request, maxBodyBytes);
}

function readBody(request: IncomingMessage, maxBodyBytes: number): Promise<Uint8Array | GatewayRefusal> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) return Promise.resolve(tooLarge);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (result: Uint8Array | GatewayRefusal): void => {
      request.off('data', onData).off('end', onEnd).off('close', onCut);
      resolve(result);
    };
    const onData = (chunk: Buffer | string): void => {
      if (typeof chunk === 'string') {
        settle({ valid: false, reason: 'body_unavailable', detail: 'the body was decoded to text by setEncoding' });
        return;
      }
      bytes += chunk.length;
      if (bytes > maxBodyBytes) {
        request.pause();
        settle(tooLarge);
      } else chunks.push(chunk);
    };
    const onEnd = (): void => settle(Buffer.concat(chunks));
    const onCut = (): void => settle(cutOff);
    // An error of the stream always ends in `close`; unheard it would end the process.
    request.on('data', onData).on('end', onEnd).on('close', onCut).on('error', onCut);
  });
}

function answer(request: IncomingMessage, response: ServerResponse, { reason }: GatewayRefusal): void {
  if (response.headersSent || response.destroyed) return;
  const isTooLarge = reason === 'body_too_large';
  response.statusCode = isTooLarge ? 413 : 403;
  response.setHeader('content-type', 'application/json');
  // What was not read would be taken for the next request.
  if (isTooLarge && request.httpVersionMajor === 1) response.setHeader('connection', 'close');
  response.end(
    JSON.stringify(
      isTooLarge
        ? { code: 'PayloadTooLarge', message: 'The request body is too large.' }
        : { code: 'Forbidden', message: 'This request does not come from the gateway.' },
    ),
  );
}
