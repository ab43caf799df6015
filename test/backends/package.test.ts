import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { gatewayMiddleware, type BackendKey } from '../../src/backend/index.js';
import { sendTo, signedByGateway, withHeader } from '../support/signing/gateway-signed.js';

const folder = join(import.meta.dirname, '../../examples/backends/node');

interface WithCountersign {
  createBackend(keys: readonly BackendKey[], log: (line: string) => void): Server;
  keysFrom(environment: Readonly<Record<string, string>>): readonly BackendKey[];
}
type Keys = Readonly<Record<string, (secret: { keyId: string; secret: string }) => BackendKey>>;

const log: string[] = [];
let server: Server;
let keys: readonly BackendKey[];
let port: number;

beforeAll(async () => {
  const example = (await import(join(folder, 'with-countersign.mjs'))) as WithCountersign;
  keys = example.keysFrom({
    BACKEND_KEY_ID: 'orders-backend-key',
    BACKEND_SECRET: 'secret-of-today-0001',
    BACKEND_PREVIOUS_SECRET: 'secret-of-yesterday',
  });
  server = example.createBackend(keys, (line) => log.push(line)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

test('the example with the package accepts the gateway with either secret and refuses others', async () => {
  for (const key of keys) {
    const request = signedByGateway({ key, method: 'POST', query: 'b=1&a=2', body: Buffer.from([0, 255]) });
    const answer = await sendTo(port, request);
    expect(JSON.parse(answer.text)).toEqual({ caller: 'AKCALLER0001', api: 'shop/orders/create-order', bodyBytes: 2 });
    expect((await sendTo(port, withHeader(request, 'x-countersign-plan', 'other'))).status).toBe(403);
  }
  expect(log).toEqual(Array(2).fill('refused: bad_signature: the signature does not match'));
});

test('the keys of the other types are keys that the middleware takes', async () => {
  const examples = (await import(join(folder, 'keys.mjs'))) as Keys;
  const made = Object.values(examples).map((make) =>
    make({ keyId: 'key-of-32-characters-for-aes-256', secret: 'vector-of-16-chr' }),
  );
  expect(made.map(({ type }) => type).sort()).toEqual(['AES', 'Basic', 'HMAC']);
  for (const key of made) expect(() => gatewayMiddleware({ keys: [key] })).not.toThrow();
});
