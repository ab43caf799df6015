import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createAdminServer, type AdminServer } from '../../../src/telemetry/admin-server.js';
import { createHealth, type Health } from '../../../src/telemetry/health.js';
import { createMetrics, METRICS, type Metrics } from '../../../src/telemetry/metrics.js';
import { eventually } from '../../support/eventually.js';

let server: AdminServer;
let url: string;
let health: Health;
let metrics: Metrics;

beforeEach(async () => {
  health = createHealth(['configuration', 'envoy']);
  metrics = createMetrics();
  server = createAdminServer({
    address: '127.0.0.1',
    port: 0,
    health,
    metrics,
    status: () => ({ resources: [] }),
    version: { countersign: '0.1.0' },
  });
  url = await server.start();
});
afterEach(() => server.close());

const get = async (path: string, method = 'GET'): Promise<{ status: number; text: string }> => {
  const response = await fetch(url + path, { method });
  return { status: response.status, text: await response.text() };
};

describe('/readyz', () => {
  test('names every part that is missing, and why', async () => {
    health.set('configuration', true);
    health.set('envoy', false, 'has not acknowledged its first configuration');
    expect(await get('/readyz')).toEqual({
      status: 503,
      text: 'envoy: has not acknowledged its first configuration\n',
    });
  });

  test('answers 200 once every part is ready, and 503 again when one is lost', async () => {
    health.set('configuration', true);
    health.set('envoy', true);
    expect((await get('/readyz')).status).toBe(200);
    health.set('envoy', false, 'restarting');
    expect((await get('/readyz')).status).toBe(503);
  });
});

describe('the admin address', () => {
  test('is alive before it is ready', async () => {
    expect(await get('/livez')).toEqual({ status: 200, text: 'ok\n' });
  });

  test('serves metrics in the Prometheus text format', async () => {
    metrics.requests.inc({ decision: 'deny', reason: 'bad_signature', dialect: 'Huawei' });
    const { status, text } = await get('/metrics');
    expect(status).toBe(200);
    expect(text).toContain('countersign_requests_total{decision="deny",reason="bad_signature",dialect="Huawei"} 1');
    for (const { name } of Object.values(METRICS)) expect(text).toContain(`# TYPE ${name} `);
  });

  test('makes a large status page at most once a second, and a small one each time', async () => {
    let made = 0;
    let padding = '';
    const large = createAdminServer({
      ...{ address: '127.0.0.1', port: 0, version: {}, health: createHealth([]), metrics: createMetrics() },
      status: () => ({ made: (made += 1), padding }),
    });
    const url = await large.start();
    const ask = async (): Promise<number> => ((await (await fetch(`${url}/status`)).json()) as { made: number }).made;
    try {
      expect([await ask(), await ask()]).toEqual([1, 2]);
      padding = 'x'.repeat(300_000);
      expect([await ask(), await ask()]).toEqual([3, 3]);
      await eventually(async () => expect(await ask()).toBe(4));
    } finally {
      await large.close();
    }
  });

  test('serves status and version as JSON, and lists its pages', async () => {
    expect(JSON.parse((await get('/status')).text)).toEqual({ resources: [] });
    expect(JSON.parse((await get('/version')).text)).toEqual({ countersign: '0.1.0' });
    expect((await get('/')).text).toContain('/readyz');
  });

  test('knows no other path, no other method, and no prototype member', async () => {
    expect((await get('/quitquitquit')).status).toBe(404);
    expect((await get('/constructor')).status).toBe(404);
    expect((await get('/status', 'POST')).status).toBe(405);
    expect(await get('/status', 'HEAD')).toEqual({ status: 200, text: '' });
  });

  test('says which port is taken', async () => {
    const port = Number(new URL(url).port);
    const second = createAdminServer({ address: '127.0.0.1', port, health, metrics, status: () => ({}), version: {} });
    await expect(second.start()).rejects.toMatchObject({
      code: 'ERR_ADDRESS_IN_USE',
      message: expect.stringContaining(`port ${String(port)} on 127.0.0.1 is in use`),
    });
  });
});
