import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startBackend, type RecordingBackend } from '../support/backend.js';
import { eventually } from '../support/eventually.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { sendHttp1 } from '../support/http.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend, usagePlan } from '../support/resources.js';
import { tencentHeaders } from '../support/tencent-sample.js';

const KEYS = {
  closed: { keyId: 'AKIDstoreaway0000001', secret: 'store-away-secret-0001' },
  open: { keyId: 'AKIDstoreaway0000002', secret: 'store-away-secret-0002' },
  local: { keyId: 'AKIDstoreaway0000003', secret: 'store-away-secret-0003' },
  free: { keyId: 'AKIDstoreaway0000004', secret: 'store-away-secret-0004' },
} as const;

let redis: RedisServer;
let backend: RecordingBackend;
let gateway: TestGateway;

beforeAll(async () => {
  redis = await startRedis();
  backend = await startBackend();
  const quota = { name: 'daily', requests: 1000, period: 'Day', scope: 'Key' };
  gateway = await startGateway({
    flags: { redisUrl: redis.url },
    files: {
      'all.yaml': toYaml(
        ...Object.entries(KEYS).flatMap(([name, { keyId, secret }]) => importedKey(name, keyId, secret)),
        apiGroup('orders', { verification: { dialects: ['Tencent'] }, backend: urlBackend(backend.port) }),
        grant('orders', Object.keys(KEYS), 'orders'),
        usagePlan('closed', ['closed'], 'orders', { quotas: [quota], onStoreFailure: { quota: 'Deny' } }),
        usagePlan('open', ['open'], 'orders', { quotas: [quota], onStoreFailure: { quota: 'Allow' } }),
        usagePlan('local', ['local'], 'orders', {
          rateLimits: [{ name: 'rate', requests: 2, interval: '1h', burst: 2, scope: 'Key' }],
          onStoreFailure: { rate: 'LocalFallback' },
        }),
      ),
    },
  });
}, 120_000);
afterAll(async () => {
  await gateway?.close();
  await backend?.close();
  await redis?.stop();
});

const call = async (key: keyof typeof KEYS) => {
  const startedMs = performance.now();
  const answer = await sendHttp1(gateway.httpPort, {
    method: 'GET',
    target: '/orders/x',
    headers: tencentHeaders(KEYS[key]),
  });
  return { ...answer, tookMs: performance.now() - startedMs };
};

describe('with Redis gone', () => {
  test('does what each plan says, quickly, and recovers by itself', async () => {
    for (const key of ['closed', 'open', 'local', 'free'] as const) expect((await call(key)).status).toBe(200);
    await redis.kill();

    const refused = await call('closed');
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'Unavailable' });
    expect(await gateway.accessLogOf(String(refused.headers['x-request-id']))).toMatchObject({
      reason: 'store_unavailable',
    });
    expect((await call('open')).status).toBe(200);
    // Two a hour are granted locally, whatever Redis counted before it went.
    expect([(await call('local')).status, (await call('local')).status, (await call('local')).status]).toEqual([
      200, 200, 429,
    ]);
    // Neither plan nor replay check: Redis does not matter.
    expect((await call('free')).status).toBe(200);
    for (let i = 0; i < 20; i++) expect((await call('closed')).tookMs).toBeLessThan(200);

    await redis.start();
    await eventually(async () => expect((await call('closed')).status).toBe(200), { withinMs: 3000 });
  }, 30_000);
});
