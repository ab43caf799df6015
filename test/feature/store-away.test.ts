/** The whole gateway while its counter store is away in one way or another: outcome by policy, and nobody waits. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Redacted } from '../../src/lib/redacted.js';
import { dialectByName } from '../../src/signature/dialects.js';
import { startBackend, type RecordingBackend } from '../support/backend.js';
import { eventually } from '../support/eventually.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { sendHttp1 } from '../support/http.js';
import { type RedisServer, type SentinelSet, startSentinel } from '../support/redis.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend, usagePlan } from '../support/resources.js';
import { tencentHeaders } from '../support/tencent-sample.js';

const KEYS = {
  closed: { keyId: 'AKIDstoreaway0000001', secret: 'store-away-secret-0001' },
  open: { keyId: 'AKIDstoreaway0000002', secret: 'store-away-secret-0002' },
  local: { keyId: 'AKIDstoreaway0000003', secret: 'store-away-secret-0003' },
  free: { keyId: 'AKIDstoreaway0000004', secret: 'store-away-secret-0004' },
  nonce: { keyId: 'AKIDstoreaway0000005', secret: 'store-away-secret-0005' },
} as const;
type Key = keyof typeof KEYS;

let sentinel: SentinelSet;
let backend: RecordingBackend;
let gateway: TestGateway;

beforeAll(async () => {
  [sentinel, backend] = await Promise.all([startSentinel(), startBackend()]);
  const quota = { name: 'daily', requests: 1_000_000, period: 'Day', scope: 'Key' };
  const all = Object.keys(KEYS);
  gateway = await startGateway({
    flags: {
      redisSentinel: sentinel.sentinels.map(({ host, port }) => `${host}:${port}`),
      redisMasterName: sentinel.masterName,
    },
    files: {
      'all.yaml': toYaml(
        ...Object.entries(KEYS).flatMap(([name, { keyId, secret }]) => importedKey(name, keyId, secret)),
        apiGroup('orders', { verification: { dialects: ['Tencent'] }, backend: urlBackend(backend.port) }),
        apiGroup('once', {
          verification: { dialects: ['JDCloud'], replayStoreFailure: 'Deny' },
          backend: urlBackend(backend.port),
        }),
        grant('orders', all, 'orders'),
        grant('once', all, 'once'),
        usagePlan('closed', ['closed'], 'orders', { quotas: [quota], onStoreFailure: { quota: 'Deny' } }),
        usagePlan('open', ['open'], 'orders', { quotas: [quota], onStoreFailure: { quota: 'Allow' } }),
        usagePlan('local', ['local'], 'orders', {
          rateLimits: [{ name: 'rate', requests: 4, interval: '24h', burst: 4, scope: 'Key' }],
          onStoreFailure: { rate: 'LocalFallback' },
        }),
      ),
    },
  });
}, 120_000);
afterAll(async () => {
  await gateway?.close();
  await backend?.close();
  await sentinel?.stop();
});

interface Answer {
  readonly status: number;
  readonly reason: unknown;
  readonly requestId: string;
  readonly retryAfter: unknown;
  readonly tookMs: number;
}

async function call(key: Key): Promise<Answer> {
  const startedMs = performance.now();
  const { status, headers } = await sendHttp1(gateway.httpPort, {
    method: 'GET',
    target: key === 'nonce' ? '/once/x' : '/orders/x',
    headers: key === 'nonce' ? jdcloudHeaders() : tencentHeaders(KEYS[key]),
  });
  const tookMs = performance.now() - startedMs;
  return { status, reason: '', requestId: String(headers['x-request-id']), retryAfter: headers['retry-after'], tookMs };
}

function jdcloudHeaders(): Record<string, string> {
  const host = `127.0.0.1:${gateway.httpPort}`;
  const { keyId, secret } = KEYS.nonce;
  const signed = dialectByName('JDCloud').sign(
    { method: 'GET', target: '/once/x', host, signHeaders: [], contentType: undefined, body: Buffer.alloc(0) },
    { keyId, secret: new Redacted(secret) },
    { nowMs: Date.now(), nonce: randomUUID() },
  );
  return { Host: host, ...Object.fromEntries(signed) };
}

const reasonOf = async ({ requestId }: Answer): Promise<unknown> => (await gateway.accessLogOf(requestId))['reason'];

/** Everybody calls at once, over and over. */
async function crowd(rounds: number): Promise<Map<Key, Answer[]>> {
  const answers = new Map<Key, Answer[]>();
  for (let round = 0; round < rounds; round++)
    await Promise.all(
      (Object.keys(KEYS) as Key[]).map(async (key) => {
        answers.set(key, [...(answers.get(key) ?? []), await call(key)]);
      }),
    );
  return answers;
}

/** What Redis adds: beside a request of the same moment that does not need it, since a busy machine slows down both. */
function p99OfWaits(answers: ReadonlyMap<Key, readonly Answer[]>): number {
  const free = answers.get('free') ?? [];
  const waits = [...answers.values()]
    .flatMap((each) => each.map(({ tookMs }, round) => tookMs - (free[round]?.tookMs ?? 0)))
    .sort((a, b) => a - b);
  return waits[Math.floor(waits.length * 0.99)] ?? NaN;
}

const statuses = (answers: readonly Answer[] | undefined): number[] => [
  ...new Set((answers ?? []).map(({ status }) => status)),
];

interface Fault {
  readonly name: string;
  readonly begin: (master: RedisServer) => Promise<void>;
  readonly end: (master: RedisServer) => Promise<void>;
}

/** The Sentinels would replace a master that stalls or died, so they look away meanwhile. */
const FAULTS: readonly Fault[] = [
  {
    name: 'stalled',
    begin: async (master) => {
      await sentinel.pauseFailover();
      master.stall();
    },
    end: async (master) => {
      master.resume();
      await sentinel.resumeFailover();
    },
  },
  {
    name: 'read-only',
    begin: async (master) => {
      await sentinel.pauseFailover();
      await master.command('CONFIG', 'SET', 'min-replicas-max-lag', '1', 'min-replicas-to-write', '2');
    },
    end: async (master) => {
      await master.command('CONFIG', 'SET', 'min-replicas-to-write', '0');
      await sentinel.resumeFailover();
    },
  },
  {
    name: 'stopped',
    begin: async (master) => {
      await sentinel.pauseFailover();
      await master.kill();
    },
    end: async (master) => {
      await master.start();
      await sentinel.resumeFailover();
    },
  },
];

async function served(): Promise<void> {
  await eventually(
    async () => {
      expect((await call('closed')).status).toBe(200);
      expect((await call('nonce')).status).toBe(200);
    },
    { withinMs: 5000, everyMs: 50 },
  );
}

describe('a counter store', () => {
  test.each(FAULTS)(
    'that is $name: each policy\u2019s outcome, at once, and service again within 2 seconds',
    async (fault) => {
      await served();
      await crowd(5);
      const master = await sentinel.master();
      await fault.begin(master);
      const answers = await crowd(100);
      const endMs = performance.now();
      await fault.end(master);
      const recovered = served();

      const refused = answers.get('closed')!.slice(-1)[0]!;
      expect(statuses(answers.get('closed'))).toEqual([503]);
      expect(refused.retryAfter).toBe('2');
      expect(await reasonOf(refused)).toBe('store_unavailable');
      expect(statuses(answers.get('nonce'))).toEqual([503]);
      expect(statuses(answers.get('open'))).toEqual([200]);
      // Neither plan nor replay check: Redis does not matter.
      expect(statuses(answers.get('free'))).toEqual([200]);
      // The limit of this authorizer is kept here, whatever Redis has counted.
      expect(answers.get('local')!.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(4);
      expect(statuses(answers.get('local'))).toContain(429);

      expect(p99OfWaits(answers)).toBeLessThan(100);
      await recovered;
      expect(performance.now() - endMs).toBeLessThan(3000);
    },
    40_000,
  );

  test('that is failed over by Sentinel: nobody waits, and the new master counts on', async () => {
    await served();
    const before = await sentinel.master();
    await before.kill();
    const waits: number[] = [];
    const seen = new Set<number>();
    await eventually(
      async () => {
        const [{ status, tookMs }, free] = await Promise.all([call('closed'), call('free')]);
        waits.push(tookMs - free.tookMs);
        seen.add(status);
        expect(await sentinel.master()).not.toBe(before);
        expect(status).toBe(200);
      },
      { withinMs: 20_000, everyMs: 5 },
    );
    expect([...seen].sort()).toEqual([200, 503]);
    waits.sort((a, b) => a - b);
    expect(waits[Math.floor(waits.length * 0.99)]).toBeLessThan(100);
    const after = await sentinel.master();
    expect(await after.command('KEYS', 'countersign:*:q:*')).not.toEqual([]);
    await before.start();
  }, 60_000);
});
