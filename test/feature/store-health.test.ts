import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { eventually } from '../support/eventually.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { sendHttp1 } from '../support/http.js';
import { startRedis, type RedisServer } from '../support/redis/redis.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend, usagePlan } from '../support/resources/resources.js';
import { tencentHeaders } from '../support/signing/tencent-sample.js';

const KEY = { keyId: 'AKIDstorehealth00001', secret: 'store-health-secret-1' };

let redis: RedisServer;
let backend: RecordingBackend;
let gateway: TestGateway;

beforeAll(async () => {
  redis = await startRedis({ settings: ['--appendonly', 'yes', '--maxmemory-policy', 'allkeys-lru'] });
  backend = await startBackend();
  const quota = { name: 'daily', requests: 2, period: 'Day', scope: 'Key' };
  gateway = await startGateway({
    flags: { redisUrl: redis.url },
    files: {
      'all.yaml': toYaml(
        ...importedKey('app', KEY.keyId, KEY.secret),
        apiGroup('orders', { verification: { dialects: ['Tencent'] }, backend: urlBackend(backend.port) }),
        grant('orders', ['app'], 'orders'),
        usagePlan('trial', ['app'], 'orders', { quotas: [quota], enforcement: 'Shadow', responseHeaders: ['Tencent'] }),
      ),
    },
  });
}, 120_000);
afterAll(async () => {
  await gateway?.close();
  await backend?.close();
  await redis?.stop();
});

async function limiter() {
  const { resources } = await gateway.status();
  const status = resources.find(({ kind }) => kind === 'UsagePlan')?.status;
  const conditions = status?.conditions ?? [];
  const condition = (type: string) => conditions.find((each) => each.type === type);
  return { fields: status?.['limiter'], healthy: condition('LimiterHealthy'), ready: condition('Ready') };
}
const metrics = async (): Promise<string> => (await fetch(`${gateway.adminUrl}/metrics`)).text();
const logged = (pattern: RegExp): boolean => gateway.logs.some(({ msg }) => pattern.test(msg));

describe('the health of the counter store', () => {
  test('a store that may evict counters serves, and says so on plans, in the log and as a metric', async () => {
    await eventually(async () =>
      expect(await limiter()).toMatchObject({
        fields: { mode: 'Single', healthy: true },
        healthy: { status: 'False', reason: 'StoreMisconfigured', message: expect.stringContaining('allkeys-lru') },
        ready: { status: 'True' },
      }),
    );
    expect(logged(/may not keep its counters: .*allkeys-lru/)).toBe(true);
    expect(await metrics()).toMatch(/countersign_limiter_misconfigured\{check="eviction"\} 1/);
    expect(await metrics()).toMatch(/countersign_limiter_misconfigured\{check="persistence"\} 0/);
    expect(await metrics()).toMatch(/^countersign_limiter_healthy 1$/m);
  });

  test('an outage is another reason, and a restart with the right settings mends both', async () => {
    await redis.kill();
    await eventually(async () =>
      expect(await limiter()).toMatchObject({
        fields: { mode: 'Single', healthy: false },
        healthy: { status: 'False', reason: 'StoreUnavailable' },
        ready: { status: 'True' },
      }),
    );
    expect(await metrics()).toMatch(/^countersign_limiter_healthy 0$/m);
    await redis.start();
    await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    // Looked at again with the next connection.
    await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await eventually(async () =>
      expect(await limiter()).toMatchObject({
        healthy: { status: 'True', reason: 'Healthy', message: 'connected' },
        fields: { healthy: true },
      }),
    );
  });

  test('a plan in Shadow counts and reports what it would refuse', async () => {
    const used: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      const answer = await sendHttp1(gateway.httpPort, {
        method: 'GET',
        target: '/orders/x',
        headers: tencentHeaders(KEY),
      });
      expect(answer.status).toBe(200);
      used.push(answer.headers['x-ratelimit-used']);
    }
    expect(used).toEqual(['1/2', '2/2', '3/2', '4/2']);
    expect(await metrics()).toMatch(
      /countersign_shadow_exceeded_total\{plan="shop\/trial",reason="quota_exceeded"\} 2/,
    );
  });
});
