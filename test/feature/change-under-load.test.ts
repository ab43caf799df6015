import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { eventually } from '../support/eventually.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { keepHttp2, sendHttp1, type Send } from '../support/http.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend } from '../support/resources/resources.js';
import { tencentHeaders } from '../support/signing/tencent-sample.js';

const KEY = { keyId: 'AKIDunderload0000001', secret: 'under-load-secret-0001' };

let backends: readonly [RecordingBackend, RecordingBackend];
let gateway: TestGateway;

const orders = (backend: RecordingBackend, apis: readonly string[], environments: readonly string[] = ['release']) =>
  apiGroup('orders', {
    verification: { dialects: ['Tencent'] },
    backend: urlBackend(backend.port),
    environments: environments.map((name, i) => ({
      name,
      default: i === 0,
      match: { type: 'PathPrefix', value: name },
    })),
    apis: apis.map((name) => ({ name, match: { path: { type: 'Exact', value: `/${name}` }, methods: ['GET'] } })),
  });

beforeAll(async () => {
  backends = [await startBackend(), await startBackend()];
  gateway = await startGateway({
    files: {
      'keys.yaml': toYaml(...importedKey('caller', KEY.keyId, KEY.secret), grant('orders', ['caller'], 'orders')),
      'orders.yaml': toYaml(orders(backends[0], ['stable'])),
    },
  });
}, 120_000);
afterAll(async () => {
  await gateway?.close();
  for (const backend of backends ?? []) await backend.close();
});

test('fails no request, over HTTP/1.1 or HTTP/2, while backends, routes, environments and other groups change under load', async () => {
  const answers = new Map<string, number>();
  const http2 = keepHttp2();
  let running = true;
  const caller = async (protocol: string, send: Send) => {
    while (running) {
      const request = { method: 'GET', target: '/orders/stable', headers: tencentHeaders(KEY) };
      const answer = `${protocol} ${(await send(gateway.httpPort, request)).status}`;
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
  };
  const load = Promise.all([1, 2, 3].flatMap(() => [caller('HTTP/1.1', sendHttp1), caller('HTTP/2', http2.send)]));

  const seen = async (backend: RecordingBackend) => {
    const before = backend.requests.length;
    await eventually(() => expect(backend.requests.length).toBeGreaterThan(before), { withinMs: 5000 });
  };
  await seen(backends[0]);
  // Another backend: a new route and a new cluster, the old ones retire.
  await gateway.edit({ 'orders.yaml': toYaml(orders(backends[1], ['stable'])) });
  await seen(backends[1]);
  // More APIs and a second environment.
  await gateway.edit({ 'orders.yaml': toYaml(orders(backends[1], ['stable', 'added'], ['release', 'test'])) });
  await eventually(
    async () => {
      const added = { method: 'GET', target: '/orders/added', headers: tencentHeaders(KEY) };
      expect((await sendHttp1(gateway.httpPort, added)).status).toBe(200);
    },
    { withinMs: 5000 },
  );
  // A neighbour comes and goes; a broken edit changes nothing.
  const neighbour = apiGroup('neighbour', {
    access: { authentication: 'None' },
    backend: urlBackend(backends[0].port),
  });
  await gateway.edit({ 'neighbour.yaml': toYaml(neighbour), 'broken.yaml': 'kind: [' });
  await eventually(
    async () => expect((await sendHttp1(gateway.httpPort, { method: 'GET', target: '/neighbour/x' })).status).toBe(200),
    { withinMs: 5000 },
  );
  await gateway.edit({ 'neighbour.yaml': null, 'broken.yaml': null });
  await eventually(
    async () => expect((await sendHttp1(gateway.httpPort, { method: 'GET', target: '/neighbour/x' })).status).toBe(404),
    { withinMs: 5000 },
  );
  // And back to the first backend.
  await gateway.edit({ 'orders.yaml': toYaml(orders(backends[0], ['stable'])) });
  await seen(backends[0]);
  running = false;
  await load;
  http2.close();

  expect([...answers.keys()].sort()).toEqual(['HTTP/1.1 200', 'HTTP/2 200']);
  for (const count of answers.values()) expect(count).toBeGreaterThan(50);
}, 60_000);
