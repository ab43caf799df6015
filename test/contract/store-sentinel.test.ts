/** What callers see while Sentinel replaces the master. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/lib/clock.js';
import { admitWithFallback, type FailurePolicies } from '../../src/ratelimit/fallback.js';
import { createMemoryStore } from '../../src/ratelimit/memory.js';
import { createRedisStore, type RedisStore } from '../../src/ratelimit/redis/store.js';
import type { Admission } from '../../src/ratelimit/store.js';
import { eventually } from '../support/eventually.js';
import { type SentinelSet, startSentinel } from '../support/redis/redis.js';
import { admission, quota, unique } from './store-suite.js';

let sentinel: SentinelSet;
let store: RedisStore | undefined;
beforeAll(async () => {
  sentinel = await startSentinel();
}, 40_000);
afterEach(() => store?.close());
afterAll(() => sentinel?.stop());

/** With the time limits of production. */
async function connect(): Promise<RedisStore> {
  const opened = createRedisStore(sentinel);
  store = opened;
  await eventually(() => expect(opened.health()).toMatchObject({ healthy: true, message: 'connected' }));
  return opened;
}

const POLICIES: FailurePolicies = { rate: 'Deny', quota: 'LocalFallback', replay: 'Deny', authorizers: 1 };

/** Asks over and over until `stop`, and writes down what came of it and how long it took. */
function load(of: () => Admission, policies = POLICIES) {
  const local = createMemoryStore({ clock: systemClock });
  const outcomes: { readonly outcome: string; readonly degraded: boolean; readonly tookMs: number; atMs: number }[] =
    [];
  let busy = true;
  const asking = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (busy) {
        const startMs = performance.now();
        const { outcome, degraded } = await admitWithFallback(store!, local, of(), policies);
        const endMs = performance.now();
        outcomes.push({ outcome, degraded, tookMs: endMs - startMs, atMs: endMs });
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }),
  );
  return {
    outcomes,
    async stop() {
      busy = false;
      await asking;
      const sorted = outcomes.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
      return { p99: sorted[Math.floor(sorted.length * 0.99)] ?? NaN, slowest: sorted.at(-1) ?? NaN };
    },
  };
}

describe('a failover', () => {
  test('on request: the old master is left at once, and what it had counted goes on', async () => {
    const opened = await connect();
    const total = admission({ quotas: [quota({ period: 'Total', limit: 1_000_000 })] });
    for (let i = 0; i < 50; i++) await opened.admit(total);
    const before = await sentinel.master();
    await eventually(async () => expect(await before.command('WAIT', '1', '100')).toBe(1));
    await sentinel.failover();
    await eventually(async () => expect(await sentinel.master()).not.toBe(before), { withinMs: 10_000 });
    const after = await sentinel.master();
    const startMs = performance.now();
    const used = await eventually(
      async () => {
        const result = await opened.admit({ ...total, token: unique() });
        expect(String(await after.command('INFO', 'commandstats'))).toMatch(/cmdstat_eval(sha)?:/);
        return result.quotas[0]?.used;
      },
      { withinMs: 5000 },
    );
    expect(performance.now() - startMs).toBeLessThan(3000);
    expect(used).toBeGreaterThanOrEqual(51);
  }, 40_000);

  test('after the master died: each policy\u2019s outcome, nobody waits, and service is back by itself', async () => {
    await connect();
    const before = await sentinel.master();
    const denied = load(() => admission({ replay: { marker: unique(), ttlMs: 60_000 } }));
    const charge = quota({ limit: 1_000_000 });
    const kept = load(() => admission({ quotas: [charge] }));
    await eventually(() => expect(denied.outcomes.length).toBeGreaterThan(100));
    const killedMs = performance.now();
    await before.kill();
    await eventually(async () => expect(await sentinel.master()).not.toBe(before), { withinMs: 15_000 });
    await eventually(
      () => {
        const [last] = denied.outcomes.slice(-1);
        expect(last?.outcome).toBe('admitted');
        expect(store!.health().healthy).toBe(true);
      },
      { withinMs: 5000 },
    );
    const [strict, lenient] = [await denied.stop(), await kept.stop()];
    await before.start();

    const away = denied.outcomes.filter(({ outcome }) => outcome === 'store_unavailable');
    expect(away.length).toBeGreaterThan(0);
    for (const { atMs } of away) expect(atMs).toBeGreaterThan(killedMs);
    expect(new Set(denied.outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['admitted', 'store_unavailable']));
    expect(new Set(kept.outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['admitted']));
    expect(kept.outcomes.some(({ degraded }) => degraded)).toBe(true);
    expect(Math.max(strict.p99, lenient.p99)).toBeLessThan(100);
    expect(Math.max(strict.slowest, lenient.slowest)).toBeLessThan(500);
  }, 60_000);
});

test('a Sentinel that is gone is no outage, and a name that none knows is one with a cause', async () => {
  const wrong = { host: '127.0.0.1', port: 1 };
  store = createRedisStore({ masterName: sentinel.masterName, sentinels: [wrong, ...sentinel.sentinels] });
  const opened = store;
  await eventually(() => expect(opened.health().healthy).toBe(true));
  const lost = createRedisStore({ ...sentinel, masterName: 'unheard-of' });
  try {
    await eventually(() => expect(lost.health().message).toMatch(/no master is called unheard-of/));
  } finally {
    await lost.close();
  }
});
