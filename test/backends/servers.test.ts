/** The servers of examples/backends, sent what the gateway would send, and what it would not. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { BackendKey } from '../../src/backend/index.js';
import { EXAMPLE_LANGUAGES, type ExampleBackend } from '../support/example-backend.js';
import {
  IDENTITY,
  altered,
  headerOf,
  sendTo,
  signedByGateway,
  withHeader,
  type SignedInput,
  type SignedRequest,
} from '../support/signing/gateway-signed.js';

const START_MS = 120_000; // compiling the Go server on a busy machine
const ID = 'orders-backend-key';
const keyOf = (secret: string): BackendKey => ({ type: 'HMAC', dialect: 'Huawei', keyId: ID, secret });
const OLD = keyOf('secret-of-yesterday');
const CURRENT = keyOf('secret-of-today-0001');
const NEXT = keyOf('secret-of-tomorrow-1');
const PREVIOUS = 'x-countersign-previous-authorization';

const BODY = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

const sign = (input: Partial<SignedInput> = {}): SignedRequest =>
  signedByGateway({
    key: CURRENT,
    method: 'POST',
    path: '/v1/orders/a~b',
    query: 'limit=10&name=z%C3%BCrich',
    contentType: 'application/json',
    body: BODY,
    ...input,
  });

interface Saw {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly bodyBytes: number;
  readonly gatewaySignature: { readonly valid: boolean; readonly keyId?: string; readonly reason?: string };
  readonly identity: Readonly<Record<string, string>>;
}

const compactDate = (timeMs: number): string => new Date(timeMs).toISOString().replace(/[-:]|\.\d+/g, '');
const flip = (text: string, at: number): string =>
  text.slice(0, at) + (text[at] === 'a' ? 'b' : 'a') + text.slice(at + 1);

const ACCEPTED: Readonly<Record<string, Partial<SignedInput>>> = {
  'a POST with every byte in its body': {},
  'a GET with an awkward query': {
    method: 'GET',
    body: new Uint8Array(),
    query: 'b=2&a=1&a=%20x+y&flag&empty=&%E4%B8%AD=%F0%9F%98%80&x=1%26y%3D2&p=%2541&q=%zz&=v&u=a~b*c(d)!',
  },
  'a path in Unicode': { path: '/v1/%E4%B8%AD%E6%96%87/%F0%9F%98%80' },
  'a path with sub-delimiters and needless escapes': { path: "/v1/a;b=c/x:y@z!$&'()*+,;=/%41%7e" },
  'a path that ends in a slash': { path: '/v1/orders/' },
  'the root': { path: '/', query: '' },
  'empty segments': { path: '//v1//orders', query: '' },
  'a PUT without body': { method: 'PUT', body: new Uint8Array() },
  'a DELETE with a body': { method: 'DELETE' },
  'a caller without key and plan': { identity: IDENTITY.slice(2) },
  'a clock 4 minutes behind': { nowMs: Date.now() - 240_000 },
};

const [FIRST_IDENTITY] = IDENTITY;
const REFUSED: Readonly<Record<string, (request: SignedRequest) => SignedRequest>> = {
  'another method': (request) => altered(request, { method: 'PUT' }),
  'one byte of the path': (request) => altered(request, { url: flip(request.url, 5) }),
  'a slash of the path written %2F': (request) => altered(request, { url: request.url.replace('/v1/', '/v1%2F') }),
  'one byte of the query': (request) => altered(request, { url: flip(request.url, request.url.length - 1) }),
  'a parameter more': (request) => altered(request, { url: `${request.url}&admin=1` }),
  'parameters in another order': (request) => {
    const [path, query] = request.url.split('?') as [string, string];
    return altered(request, { url: `${path}?${query.split('&').reverse().join('&')}` });
  },
  'no query': (request) => altered(request, { url: request.url.split('?')[0]! }),
  'one bit of the body': (request) => {
    const body = Buffer.from(BODY);
    body[128]! ^= 1;
    return altered(request, { body });
  },
  'one byte more of body': (request) => altered(request, { body: Buffer.concat([BODY, Buffer.of(0)]) }),
  'no body': (request) => altered(request, { body: new Uint8Array() }),
  'another host': (request) => withHeader(request, 'host', 'elsewhere.internal'),
  'another date': (request) => withHeader(request, 'x-sdk-date', compactDate(Date.now() + 60_000)),
  'another signature': (request) =>
    withHeader(
      request,
      'authorization',
      headerOf(request, 'authorization').replace(/.$/, (c) => (c === '0' ? '1' : '0')),
    ),
  'no signature': (request) => withHeader(request, 'authorization', undefined),
  'two signatures': (request) =>
    altered(request, { headers: [...request.headers, ['authorization', headerOf(request, 'authorization')]] }),
  'a shorter signed list': (request) =>
    withHeader(request, 'authorization', headerOf(request, 'authorization').replace(';x-countersign-plan', '')),
  'another caller': (request) => withHeader(request, FIRST_IDENTITY[0], `${FIRST_IDENTITY[1]}x`),
  'no caller': (request) => withHeader(request, FIRST_IDENTITY[0], undefined),
  'a second caller': (request) => altered(request, { headers: [...request.headers, ['X-Countersign-Key-Id', 'AKX']] }),
  'an identity header that is not signed': (request) => withHeader(request, 'x-countersign-admin', 'true'),
  'a date of yesterday': () => sign({ nowMs: Date.now() - 86_400_000 }),
  'a date 6 minutes ahead': () => sign({ nowMs: Date.now() + 360_000 }),
  'another key id': () => sign({ key: { ...CURRENT, keyId: 'orders-backend-kez' } as BackendKey }),
  'a secret it does not have': () => sign({ key: NEXT, previous: keyOf('secret-of-nobody-001') }),
  'an empty secret': () => sign({ key: keyOf('') }),
  'a body left out of the signature': () => altered(sign({ body: undefined }), { body: BODY }),
};

for (const language of EXAMPLE_LANGUAGES) {
  if (language.missing !== undefined) {
    test.skip(`the example backend in ${language.name} (not run: ${language.missing})`, () => {});
    continue;
  }

  describe(`the example backend in ${language.name}`, () => {
    let backend: ExampleBackend;
    beforeAll(async () => {
      backend = await language.start({
        BACKEND_KEY_ID: ID,
        BACKEND_SECRET: CURRENT.type === 'HMAC' ? CURRENT.secret : '',
        BACKEND_PREVIOUS_SECRET: OLD.type === 'HMAC' ? OLD.secret : '',
      });
    }, START_MS);
    afterAll(() => backend.stop());

    const send = async (request: SignedRequest, framing: 'length' | 'chunked' = 'length') => {
      const { status, text } = await sendTo(backend.port, request, framing);
      return { status, saw: JSON.parse(text) as Saw };
    };

    test.each(Object.entries(ACCEPTED))('accepts %s', async (_name, input) => {
      const request = sign(input);
      const { status, saw } = await send(request);
      expect(saw).toEqual({
        method: request.method,
        path: request.url,
        host: 'orders.internal:8080',
        bodyBytes: request.body?.length,
        gatewaySignature: { valid: true, keyId: ID },
        identity: Object.fromEntries(input.identity ?? IDENTITY),
      });
      expect(status).toBe(200);
    });

    test('accepts a body in chunks', async () => {
      expect((await send(sign(), 'chunked')).saw).toMatchObject({ bodyBytes: 256, gatewaySignature: { valid: true } });
    });

    test.each(Object.entries(REFUSED))('refuses %s', async (_name, meddle) => {
      const { saw } = await send(meddle(sign()));
      expect(saw.gatewaySignature).toEqual({ valid: false, reason: expect.any(String) });
    });

    test('refuses to take an order without the signature, and answers anything else', async () => {
      const order = withHeader(sign(), 'authorization', undefined);
      expect(await send(order)).toMatchObject({ status: 403, saw: { gatewaySignature: { reason: 'none' } } });
      expect((await send(altered(order, { method: 'PUT' }))).status).toBe(200);
    });

    test('accepts both secrets during a rotation, in either header', async () => {
      const valid = async (request: SignedRequest) => (await send(request)).saw.gatewaySignature.valid;
      expect(await valid(sign({ key: CURRENT, previous: OLD }))).toBe(true);
      expect(await valid(sign({ key: OLD }))).toBe(true);
      // This backend has not heard of the next secret yet.
      const ahead = sign({ key: NEXT, previous: CURRENT });
      expect(await valid(ahead)).toBe(true);
      expect(await valid(withHeader(ahead, PREVIOUS, undefined))).toBe(false);
      expect(await valid(altered(ahead, { method: 'PUT' }))).toBe(false);
      expect(await valid(withHeader(ahead, 'x-countersign-plan', 'usagePlan-other'))).toBe(false);
    });

    test('answers 413 to a body over 4 MiB', async () => {
      const body = Buffer.alloc(4 * 1024 * 1024 + 1);
      const outcome = await sendTo(backend.port, sign({ body })).catch((error: NodeJS.ErrnoException) => error.code);
      // A server that stops reading may close before the client has read the answer.
      expect(['EPIPE', 'ECONNRESET', { status: 413, text: '' }]).toContainEqual(outcome);
    });
  });
}
