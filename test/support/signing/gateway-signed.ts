/** Requests as a backend receives them from the gateway: canonical query, identity headers, signature of the bound key. */
import { request as httpRequest } from 'node:http';
import { Redacted } from '../../../src/lib/redacted.js';
import type { BackendKey } from '../../../src/backend/index.js';
import { aes } from '../../../src/signature/aes/scheme.js';
import { basic } from '../../../src/signature/basic/scheme.js';
import type { OutgoingRequest, SignatureHeaders, SigningContext } from '../../../src/signature/dialect.js';
import { dialectByName } from '../../../src/signature/dialects.js';

export const IDENTITY = [
  ['x-countersign-key-id', 'AKCALLER0001'],
  ['x-countersign-plan', 'usagePlan-gold0001'],
  ['x-countersign-api', 'shop/orders/create-order'],
  ['x-countersign-environment', 'release'],
] as const;

export interface SignedInput {
  readonly key: BackendKey;
  /** Also signs with this one, as during a rotation. */
  readonly previous?: BackendKey;
  readonly method?: string;
  readonly path?: string;
  /** As the caller sent it, without `?`. */
  readonly query?: string;
  readonly host?: string;
  readonly contentType?: string;
  readonly identity?: readonly (readonly [string, string])[];
  /** `undefined` = streamed. */
  readonly body?: Uint8Array | undefined;
  readonly nowMs?: number;
  readonly nonce?: string;
}

export interface SignedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly rawHeaders: readonly string[];
  readonly body: Uint8Array | undefined;
}

/** The request again with other parts; `rawHeaders` follow `headers`. */
export function altered(request: SignedRequest, parts: Partial<Omit<SignedRequest, 'rawHeaders'>>): SignedRequest {
  const changed = { ...request, ...parts };
  return { ...changed, rawHeaders: changed.headers.flat() };
}

/** With one header set to another value, or removed. */
export function withHeader(request: SignedRequest, name: string, value: string | undefined): SignedRequest {
  const others = request.headers.filter(([each]) => each !== name);
  return altered(request, { headers: value === undefined ? others : [...others, [name, value]] });
}

export const headerOf = (request: SignedRequest, name: string): string =>
  request.headers.find(([each]) => each === name)?.[1] ?? '';

function sign(key: BackendKey, outgoing: OutgoingRequest, context: SigningContext): SignatureHeaders {
  if (key.type === 'AES') {
    return aes.sign(outgoing, { ...key, key: new Redacted(key.key), vector: new Redacted(key.vector) }, context);
  }
  const signingKey = { keyId: key.keyId, secret: new Redacted(key.secret) };
  if (key.type === 'Basic') return basic.sign(outgoing, signingKey, context);
  return dialectByName(key.dialect).sign(outgoing, signingKey, context);
}

function canonicalQuery(key: BackendKey, query: string): string {
  if (key.type === 'Basic') return query;
  return dialectByName(key.type === 'HMAC' ? key.dialect : 'Huawei').canonicalQuery(query);
}

/** Date, nonce and request id differ from call to call unless given. */
export function signedByGateway(input: SignedInput): SignedRequest {
  const { key, previous, method = 'GET', path = '/v1/orders', host = 'orders.internal:8080' } = input;
  const query = canonicalQuery(key, input.query ?? '');
  const outgoing: OutgoingRequest = {
    method,
    target: query === '' ? path : `${path}?${query}`,
    host,
    signHeaders: input.identity ?? IDENTITY,
    contentType: input.contentType,
    accept: '*/*',
    body: 'body' in input ? input.body : new Uint8Array(),
  };
  const nonce = input.nonce ?? crypto.randomUUID();
  const context: SigningContext = { nowMs: input.nowMs ?? Date.now(), nonce, requestId: nonce };
  const headers = new Map<string, string>([
    ['host', host],
    ['accept', '*/*'],
    ['x-request-id', nonce],
    ...(input.contentType === undefined ? [] : ([['content-type', input.contentType]] as const)),
    ...outgoing.signHeaders,
    ...sign(key, outgoing, context),
  ]);
  const old = previous && sign(previous, outgoing, context).find(([name]) => name === 'authorization')?.[1];
  if (old !== undefined) headers.set('x-countersign-previous-authorization', old);
  return {
    method,
    url: outgoing.target,
    headers: [...headers],
    rawHeaders: [...headers].flat(),
    body: outgoing.body,
  };
}

export interface BackendAnswer {
  readonly status: number;
  readonly text: string;
}

/** Sends headers in their order and the target byte for byte. */
export const sendTo = (
  port: number,
  { method, url, headers, body = new Uint8Array() }: SignedRequest,
  framing: 'length' | 'chunked' = 'length',
): Promise<BackendAnswer> =>
  new Promise((resolve, reject) => {
    const frame =
      body.length === 0
        ? []
        : framing === 'length'
          ? ['content-length', String(body.length)]
          : ['transfer-encoding', 'chunked'];
    const outgoing = httpRequest({
      host: '127.0.0.1',
      port,
      method,
      path: url,
      headers: [...headers.flat(), ...frame],
      agent: false,
    });
    outgoing.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('error', reject).on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    outgoing.end(body.length === 0 ? undefined : body);
  });
