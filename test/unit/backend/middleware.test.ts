import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import {
  gatewayMiddleware,
  gatewayRequestOf,
  type BackendKey,
  type GatewayMiddlewareOptions,
  type GatewayRefusal,
} from '../../../src/backend/index.js';
import {
  sendTo as send,
  signedByGateway,
  withHeader,
  type SignedRequest,
} from '../../support/signing/gateway-signed.js';

const KEY: BackendKey = { type: 'HMAC', dialect: 'JDCloud', keyId: 'orders-backend', secret: 'secret-of-the-backend' };
const BODY = Buffer.from([0, 255, 10, 128]);

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

type Before = (request: IncomingMessage) => Promise<void> | void;

/** A backend that counts what reached it; `before` stands for an earlier middleware. */
async function backend(options: Partial<GatewayMiddlewareOptions> = {}, before: Before = () => {}) {
  const seen: { keyId: string | undefined; body: Uint8Array | undefined }[] = [];
  const refused: GatewayRefusal[] = [];
  const middleware = gatewayMiddleware({ keys: [KEY], onRefused: (refusal) => refused.push(refusal), ...options });
  const port = await listen((request, response) => {
    void Promise.resolve(before(request)).then(() =>
      middleware(request, response, () => {
        const accepted = gatewayRequestOf(request);
        seen.push({ keyId: accepted?.identity.keyId, body: accepted?.body });
        response.end('done');
      }),
    );
  });
  return { port, seen, refused };
}

const signed = (parts: { body?: Uint8Array | undefined; path?: string } = {}): SignedRequest =>
  signedByGateway({ key: KEY, method: 'POST', contentType: 'application/json', body: BODY, ...parts });

describe('gatewayMiddleware', () => {
  test.each<[string, 'length' | 'chunked']>([
    ['with a length', 'length'],
    ['in chunks', 'chunked'],
  ])('passes a signed request %s on, with identity and body', async (_how, framing) => {
    const { port, seen } = await backend();
    expect(await send(port, signed(), framing)).toEqual({ status: 200, text: 'done' });
    expect(seen).toEqual([{ keyId: 'AKCALLER0001', body: BODY }]);
  });

  test('answers 403 without saying why, tells onRefused, and never calls next', async () => {
    const { port, seen, refused } = await backend();
    const answer = await send(port, withHeader(signed(), 'x-countersign-key-id', 'AKSOMEONEELSE'));
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.text)).toEqual({
      code: 'Forbidden',
      message: 'This request does not come from the gateway.',
    });
    expect(refused).toMatchObject([{ valid: false, reason: 'bad_signature' }]);
    expect(seen).toEqual([]);
  });

  test('refuses a nonce the second time', async () => {
    const { port, refused } = await backend();
    const request = signed();
    expect((await send(port, request)).status).toBe(200);
    expect((await send(port, request)).status).toBe(403);
    expect(refused).toMatchObject([{ reason: 'replayed_nonce' }]);
  });

  test.each<[string, 'length' | 'chunked']>([
    ['declared', 'length'],
    ['found while reading', 'chunked'],
  ])('answers 413 to a body over the limit, %s', async (_how, framing) => {
    const { port, seen, refused } = await backend({ maxBodyBytes: BODY.length - 1 });
    expect((await send(port, signed(), framing)).status).toBe(413);
    expect(refused).toMatchObject([{ reason: 'body_too_large' }]);
    expect(seen).toEqual([]);
  });

  test('an onRefused that throws neither lets the request through nor ends the process', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    closing.push(() => warn.mockRestore());
    const { port, seen } = await backend({
      onRefused: () => {
        throw new Error('the log is full');
      },
    });
    expect((await send(port, withHeader(signed(), 'authorization', undefined))).status).toBe(403);
    expect(seen).toEqual([]);
    expect(warn).toHaveBeenCalledWith('onRefused failed: the log is full', { type: 'CountersignWarning' });
  });

  test('takes the url before a router cut it, and the bytes an earlier middleware kept', async () => {
    const read = async (request: IncomingMessage): Promise<Buffer> => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      return Buffer.concat(chunks);
    };
    for (const name of ['rawBody', 'body']) {
      const { port, seen } = await backend({}, async (request) => {
        Object.assign(request, { [name]: await read(request), originalUrl: request.url, url: '/cut' });
      });
      expect((await send(port, signed())).status).toBe(200);
      expect(seen).toMatchObject([{ body: BODY }]);
    }
    const { port, refused } = await backend({}, async (request) => {
      Object.assign(request, { body: { parsed: (await read(request)).length } });
    });
    expect((await send(port, signed())).status).toBe(403);
    expect(refused).toMatchObject([{ reason: 'body_unavailable' }]);
  });

  test('leaves a streamed body to the handler', async () => {
    const middleware = gatewayMiddleware({ keys: [KEY], body: 'Streamed' });
    const port = await listen((request, response) => {
      middleware(request, response, () => void request.pipe(response));
    });
    const streamed = { ...signed({ body: undefined }), body: Buffer.from('streamed') };
    expect(await send(port, streamed, 'chunked')).toEqual({ status: 200, text: 'streamed' });
    expect((await send(port, signed())).status).toBe(403);
  });

  test('does not start with a key that could never verify', () => {
    const start = (keys: readonly BackendKey[]) => () => gatewayMiddleware({ keys: keys as never });
    expect(start([])).toThrow('one or two keys');
    expect(start([{ ...KEY, secret: '' }])).toThrow('one or two keys');
    const aes = { type: 'AES', algorithm: 'AES128CFB', name: 'shop/orders', vector: 'vector-of-16-chr' } as const;
    expect(start([{ ...aes, key: 'too short' }])).toThrow('one or two keys');
    expect(start([{ ...aes, key: 'key-of-16-charac' }])).not.toThrow();
  });

  test('knows nothing of a request that did not pass', () => {
    expect(gatewayRequestOf({} as IncomingMessage)).toBeUndefined();
  });
});
