/** What the Redis store promises beyond the contract: round trips, key names, time, and behaviour while Redis is away. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:net';
import { StoreUnavailableError } from '../../src/ratelimit/errors.js';
import { rateTerms } from '../../src/ratelimit/gcra.js';
import { ADMIT_SCRIPT } from '../../src/ratelimit/redis/script.js';
import { createRedisStore, type RedisStoreOptions } from '../../src/ratelimit/redis/store.js';
import type { CounterStore } from '../../src/ratelimit/store.js';
import { eventually } from '../support/eventually.js';
import { type OracleRate, randomCase, rateOracle, seededRandom } from '../support/redis/rate-oracle.js';
import { memoryFolder, type RedisServer, startRedis } from '../support/redis/redis.js';
import { admission, quota, rate, unique } from './store-suite.js';

let redis: RedisServer;
let stores: CounterStore[] = [];
beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  stores = [];
});
afterAll(() => redis.stop());

/** Time limits of a quiet machine are asserted where they are the subject; elsewhere they are out of the way. */
const PATIENT = { commandTimeoutMs: 5000, connectTimeoutMs: 5000 };

async function connect(options: Partial<RedisStoreOptions> = {}): Promise<CounterStore> {
  const store = createRedisStore({ url: redis.url, ...PATIENT, ...options });
  stores.push(store);
  await healthy(store);
  return store;
}

const healthy = (store: CounterStore, withinMs = 5000): Promise<void> =>
  eventually(() => expect(store.health()).toMatchObject({ healthy: true, message: 'connected' }), { withinMs });

const full = () =>
  admission({
    replay: { marker: unique(), ttlMs: 60_000 },
    rates: [rate(), rate()],
    quotas: [quota(), quota({ period: 'Total' })],
  });

async function scriptCalls(): Promise<Record<string, number>> {
  const text = String(await redis.command('INFO', 'commandstats'));
  const calls: Record<string, number> = {};
  for (const [, name = '', count] of text.matchAll(/cmdstat_(\w+):calls=(\d+)/g)) calls[name] = Number(count);
  return calls;
}

describe('round trips', () => {
  test('one EVALSHA and nothing else per decision, whatever it charges', async () => {
    const store = await connect();
    await store.admit(full());
    await redis.command('CONFIG', 'RESETSTAT');
    for (let i = 0; i < 25; i++) await store.admit(full());
    const { evalsha, eval: evals = 0, get, set, time, ...others } = await scriptCalls();
    expect({ evalsha, evals, get, set, time }).toEqual({ evalsha: 25, evals: 0, get: 125, set: 125, time: 25 });
    expect(Object.keys(others).filter((name) => !/^(config|info)/.test(name))).toEqual([]);
  });

  test('a server without the script gets its text once', async () => {
    const store = await connect();
    await redis.command('SCRIPT', 'FLUSH');
    await redis.command('CONFIG', 'RESETSTAT');
    for (let i = 0; i < 5; i++) expect((await store.admit(full())).outcome).toBe('admitted');
    expect(await scriptCalls()).toMatchObject({ evalsha: 5, eval: 1 });
  });
});

describe('keys', () => {
  test('are hashed, share the tag of the decision, and expire, Total alone excepted', async () => {
    const store = await connect();
    await redis.command('FLUSHALL');
    const named = {
      subject: 'AKID-of-alice',
      token: unique(),
      replay: { marker: 'nonce from a header', ttlMs: 60_000 },
      rates: [rate({ counter: 'team-a/gold/rps' })],
      quotas: [
        quota({ counter: 'team-a/gold/monthly', timeZone: 'Europe/Berlin' }),
        quota({ counter: 'lifetime', period: 'Total' }),
      ],
    };
    expect((await store.admit(named)).outcome).toBe('admitted');
    const keys = (await redis.command('KEYS', '*')) as string[];
    expect(keys).toHaveLength(4);
    expect(new Set(keys.map((key) => /^countersign:(\{[0-9a-f]{32}\}):(n|r|q):[0-9a-f]{32}/.exec(key)?.[1])).size).toBe(
      1,
    );
    for (const key of keys) {
      expect(key).not.toMatch(/alice|nonce|gold|lifetime|Berlin/);
      const ttlMs = Number(await redis.command('PTTL', key));
      if (key.endsWith(':Total')) expect(ttlMs).toBe(-1);
      else expect(ttlMs).toBeGreaterThan(0);
    }
  });

  test('of a rate go when the bucket is full, of a quota 27 hours after its window', async () => {
    const store = await connect();
    await redis.command('FLUSHALL');
    const result = await store.admit(
      admission({ rates: [rate({ requests: 1, intervalMs: 3000, burst: 9 })], quotas: [quota({ period: 'Day' })] }),
    );
    const keys = (await redis.command('KEYS', '*')) as string[];
    const ttlMs = async (kind: string) =>
      Number(await redis.command('PTTL', keys.find((key) => key.includes(kind)) ?? ''));
    expect(Math.abs((await ttlMs(':r:')) - 4000)).toBeLessThan(500);
    expect(Math.abs((await ttlMs(':q:')) - (result.quotas[0]?.resetMs ?? 0) - 27 * 3_600_000)).toBeLessThan(500);
  });
});

describe('time', () => {
  test('is the server\u2019s: a store whose clock is 40 days off finds the window after one refusal', async () => {
    let offMs = 0;
    const store = await connect({ clock: () => Date.now() + offMs });
    const request = admission({ quotas: [quota({ period: 'Day' })] });
    const before = await store.admit(request);
    offMs = 40 * 86_400_000;
    await redis.command('CONFIG', 'RESETSTAT');
    const after = await store.admit(request);
    expect(after.quotas[0]?.used).toBe(2);
    expect(after.quotas[0]?.resetMs).toBeLessThanOrEqual(before.quotas[0]?.resetMs ?? 0);
    expect((await store.admit(request)).quotas[0]?.used).toBe(3);
    expect((await scriptCalls())['evalsha']).toBe(3);
  });

  test('a window that never holds the server\u2019s time is refused, not counted', async () => {
    const store = await connect({ windowAt: () => ({ windowId: 'Past-0-1', startMs: 0, endMs: 1 }) });
    await redis.command('FLUSHALL');
    await expect(store.admit(admission({ quotas: [quota()] }))).rejects.toThrow(StoreUnavailableError);
    expect(await redis.command('DBSIZE')).toBe(0);
  });
});

describe('the script', () => {
  // The same text with the clock passed in, so that time can be chosen.
  const timed = ADMIT_SCRIPT.replace("redis.call('TIME')", '{ARGV[#ARGV - 1], ARGV[#ARGV]}');
  const run = async (key: string, terms: ReturnType<typeof rateTerms>, atMicros: number): Promise<number[]> => {
    const { burst, ticksPerToken, tokensPerMicrosecond, restTicks } = terms;
    const args = [1, 0, 0, 't', burst, ticksPerToken, tokensPerMicrosecond, restTicks, 0];
    args.push(Math.floor(atMicros / 1_000_000), atMicros % 1_000_000);
    return (await redis.command('EVAL', timed, '1', key, ...args.map(String))) as number[];
  };

  /** A debt in the parts that the oracle counts. */
  const inParts = (chosen: OracleRate, tokens: number, ticks: number): bigint => {
    const { ticksPerToken } = rateTerms(chosen);
    return (
      (BigInt(tokens) * BigInt(ticksPerToken) + BigInt(ticks)) * BigInt((chosen.intervalMs * 1000) / ticksPerToken)
    );
  };

  test('agrees with exact fractions on rates of every size', async () => {
    expect(timed).not.toBe(ADMIT_SCRIPT);
    const random = seededRandom(7);
    for (let round = 0; round < 300; round++) {
      const { rate: chosen, arrivalsMicros } = randomCase(random);
      const oracle = rateOracle(chosen);
      const key = unique();
      for (const at of arrivalsMicros) {
        const [outcome, , tokens = NaN, ticks = NaN] = await run(key, rateTerms(chosen), at);
        const admitted = oracle.admit(at);
        const debt = inParts(chosen, tokens, ticks);
        expect({ chosen, at, admitted: outcome === 0, debt }).toEqual({ chosen, at, admitted, debt: oracle.debt() });
        await redis.command('PERSIST', key); // chosen time runs ahead of the server's
      }
    }
  });

  test('pays back large debts exactly where time times rate passes 2^53', async () => {
    const random = seededRandom(11);
    let beyond = 0;
    for (let round = 0; round < 300; round++) {
      const requests = Math.ceil(2 ** (20 + 30 * random()));
      const chosen = { requests, intervalMs: Math.ceil(2 ** (20 + 8 * random())), burst: 2 ** 53 };
      const owed = { tokens: Math.ceil(requests * random()), atMicros: 1_700_000_000_000_000 };
      const at = owed.atMicros + Math.floor(((owed.tokens * chosen.intervalMs * 1000) / requests) * random());
      const { ticksPerToken, restTicks } = rateTerms(chosen);
      if (((at - owed.atMicros) % ticksPerToken) * restTicks > 2 ** 53) beyond++;
      const oracle = rateOracle(chosen, owed);
      const key = unique();
      await redis.command('SET', key, `${owed.tokens} 0 ${ticksPerToken} ${owed.atMicros}`);
      const [outcome, , tokens = NaN, ticks = NaN] = await run(key, rateTerms(chosen), at);
      const expected = { outcome: 0, admitted: oracle.admit(at), debt: oracle.debt() };
      expect({ outcome, admitted: true, debt: inParts(chosen, tokens, ticks) }).toEqual(expected);
    }
    expect(beyond).toBeGreaterThan(150);
  });

  test('drains again at once after the clock was set back', async () => {
    const terms = rateTerms({ requests: 1, intervalMs: 1000, burst: 1 });
    const key = unique();
    const at = 1_800_000_000_000_000;
    const outcomes = [];
    for (const delta of [0, -3_600_000_000, -3_600_000_000 + 999_999, -3_600_000_000 + 1_000_000]) {
      outcomes.push((await run(key, terms, at + delta))[0]);
      await redis.command('PERSIST', key);
    }
    expect(outcomes).toEqual([0, 2, 2, 0]);
  });

  test('changes nothing when a key holds something else', async () => {
    const store = await connect();
    const request = full();
    await redis.command('FLUSHALL');
    await store.admit(request);
    const quotaKey = ((await redis.command('KEYS', '*:Total')) as string[])[0] ?? '';
    await redis.command('DEL', quotaKey);
    await redis.command('LPUSH', quotaKey, 'x');
    const rateKeys = (await redis.command('KEYS', '*:r:*')) as string[];
    const before = await redis.command('MGET', ...rateKeys);
    const next = { ...request, token: unique(), replay: { marker: unique(), ttlMs: 1000 } };
    await expect(store.admit(next)).rejects.toThrow(/WRONGTYPE/);
    expect(await redis.command('MGET', ...rateKeys)).toEqual(before);
    expect(await redis.command('KEYS', '*:n:*')).toHaveLength(1);
  });
});

describe('while Redis is away', () => {
  const quick = { commandTimeoutMs: 50, connectTimeoutMs: 100 };

  /** How long a refused decision took. */
  async function refusal(store: CounterStore): Promise<number> {
    const startMs = performance.now();
    await expect(store.admit(full())).rejects.toThrow(StoreUnavailableError);
    return performance.now() - startMs;
  }

  test('stalled: each request waits at most its timeout, later ones not at all, and service is back within 2 s', async () => {
    const store = await connect(quick);
    redis.stall();
    try {
      const first = await Promise.all(Array.from({ length: 64 }, () => refusal(store)));
      expect(Math.max(...first)).toBeLessThan(150);
      expect(store.health().healthy).toBe(false);
      const later = [];
      for (let i = 0; i < 200; i++) later.push(await refusal(store));
      expect(later.sort((a, b) => a - b)[197]).toBeLessThan(25);
    } finally {
      redis.resume();
    }
    const startMs = performance.now();
    await eventually(() => store.admit(full()), { withinMs: 2000 });
    expect(performance.now() - startMs).toBeLessThan(2000);
  });

  test('killed: refused at once, and counted on where it was after a restart', async () => {
    const settings = ['--appendonly', 'yes', '--appendfsync', 'everysec'];
    const durable = await startRedis({ settings, parentFolder: memoryFolder() });
    try {
      const store = createRedisStore({ url: durable.url, ...quick });
      stores.push(store);
      await healthy(store);
      const request = admission({ quotas: [quota({ period: 'Total', limit: 1000 })] });
      for (let i = 0; i < 100; i++) await store.admit(request);
      await durable.kill();
      await eventually(() => expect(store.health().healthy).toBe(false), { withinMs: 1000 });
      expect(await refusal(store)).toBeLessThan(45); // waiting would have taken 50
      await durable.start();
      const startMs = performance.now();
      const result = await eventually(() => store.admit(request), { withinMs: 2000 });
      expect(performance.now() - startMs).toBeLessThan(2000);
      expect(result.quotas[0]?.used).toBe(101);
    } finally {
      await durable.stop();
    }
  });

  test('read-only: refused, and back when it can be written again', async () => {
    const store = await connect(quick);
    await redis.command('REPLICAOF', '127.0.0.1', '1');
    try {
      for (let i = 0; i < 5; i++) await refusal(store);
      expect(store.health().healthy).toBe(false);
    } finally {
      await redis.command('REPLICAOF', 'NO', 'ONE');
    }
    await healthy(store, 2500);
  });

  test('a server that accepts and never speaks is not mistaken for one that works', async () => {
    const mute = createServer((socket) => void socket.resume().on('error', () => undefined));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const address = mute.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const store = createRedisStore({ url: `redis://127.0.0.1:${address.port}`, ...quick });
    await eventually(() => expect(store.health().message).toMatch(/took longer than 100 ms/));
    expect(await refusal(store)).toBeLessThan(45); // waiting would have taken 50
    await store.close();
    await new Promise((resolve) => mute.close(resolve)); // waits for every connection: none may be left open
  });

  test('a refused decision is not sent again: what a stalled server gets is counted once', async () => {
    const store = await connect({ commandTimeoutMs: 50, connectTimeoutMs: 5000 });
    const request = admission({ quotas: [quota({ period: 'Total', limit: 100 })] });
    await store.admit(request);
    redis.stall();
    await expect(store.admit(request)).rejects.toThrow(StoreUnavailableError);
    redis.resume();
    const result = await eventually(() => store.admit(request), { withinMs: 2000 });
    expect(result.quotas[0]?.used).toBe(3);
  });

  test('a change of health is reported once', async () => {
    const changes: boolean[] = [];
    const other = await startRedis({ settings: ['--appendonly', 'yes'] });
    const store = createRedisStore({
      url: other.url,
      ...PATIENT,
      onHealthChange: ({ healthy: now }) => changes.push(now),
    });
    await healthy(store);
    await other.stop();
    await eventually(() => expect(store.health().healthy).toBe(false));
    await store.close();
    expect(changes.slice(0, 2)).toEqual([true, false]);
    await expect(store.admit(full())).rejects.toThrow(StoreUnavailableError);
  });
});

describe('access', () => {
  test('an ACL user with our keys and commands only is enough', async () => {
    const rules = [
      'on',
      '>pa:ss@word',
      '~countersign:*',
      '-@all',
      '+eval',
      '+evalsha',
      '+get',
      '+set',
      '+incr',
      '+time',
      '+hello',
      '+select',
    ];
    await redis.command('ACL', 'SETUSER', 'limiter', 'reset', ...rules);
    const store = await connect({ credentials: async () => ({ username: 'limiter', password: 'pa:ss@word' }) });
    expect((await store.admit(full())).outcome).toBe('admitted');
    const byUrl = await connect({ url: `redis://limiter:pa%3Ass%40word@127.0.0.1:${redis.port}/0` });
    expect((await byUrl.admit(full())).outcome).toBe('admitted');
  });

  test('a wrong password is an outage with a cause and without the password', async () => {
    const store = createRedisStore({ url: `redis://limiter:guess-me@127.0.0.1:${redis.port}`, ...PATIENT });
    stores.push(store);
    await eventually(() => expect(store.health().message).toMatch(/WRONGPASS/));
    await expect(store.admit(full())).rejects.toThrow(StoreUnavailableError);
    expect(JSON.stringify(store.health())).not.toContain('guess-me');
  });

  test.each(['http://host', 'redis://', 'not a url', 'redis://:s3cret@host:99999'])(
    'refuses the URL %j without repeating it',
    (url) => {
      expect(() => createRedisStore({ url })).toThrow(/^the Redis URL is not of the form/);
    },
  );
});
