/** What every counter store must do. Called once per implementation. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { QuotaWindow, WindowAt } from '../../src/ratelimit/calendar.js';
import { StoreUnavailableError } from '../../src/ratelimit/errors.js';
import { createRedisStore, type RedisPlace, type RedisStore } from '../../src/ratelimit/redis/store.js';
import { eventually } from '../support/eventually.js';
import type { Admission, CounterStore, QuotaCharge, RateCharge } from '../../src/ratelimit/store.js';

export interface StoreUnderTest {
  /** Two clients of one store, as two authorizers are. */
  readonly clients: readonly [CounterStore, CounterStore];
  /** Anything that a real installation may suffer while it counts. */
  disturb?(): Promise<unknown>;
  close(): Promise<void>;
}

export interface StoreOptions {
  readonly windowAt: WindowAt;
}

/** Time limits of a quiet machine are asserted where they are the subject; elsewhere they are out of the way. */
export const PATIENT = { commandTimeoutMs: 5000, connectTimeoutMs: 5000 };

/** Two clients of a Redis, connected. */
export async function redisClients(
  place: RedisPlace,
  { windowAt }: Partial<StoreOptions> = {},
): Promise<readonly [RedisStore, RedisStore]> {
  const open = () => createRedisStore({ ...place, ...PATIENT, ...(windowAt ? { windowAt } : {}) });
  const clients = [open(), open()] as const;
  await eventually(
    () => {
      for (const client of clients) if (!client.health().healthy) throw new Error(client.health().message);
    },
    { withinMs: 10_000 },
  );
  return clients;
}

/** Calendar periods shrunk to what a test can wait for; `Day` is one second. */
export const shortWindows: WindowAt = (_period, _zone, atMs): QuotaWindow => {
  const startMs = Math.floor(atMs / 1000) * 1000;
  return { windowId: `Short-${startMs}`, startMs, endMs: startMs + 1000 };
};

export const unique = (): string => randomBytes(16).toString('hex');

export function admission(parts: Partial<Admission> = {}): Admission {
  return { subject: unique(), token: unique(), rates: [], quotas: [], ...parts };
}

export function rate(parts: Partial<RateCharge> = {}): RateCharge {
  return { counter: unique(), requests: 100, intervalMs: 1000, burst: 50, shadow: false, ...parts };
}

/** A rate that gives nothing back while a test runs. */
export const slowRate = (burst: number, parts: Partial<RateCharge> = {}): RateCharge =>
  rate({ requests: 1, intervalMs: 86_400_000, burst, ...parts });

export function quota(parts: Partial<QuotaCharge> = {}): QuotaCharge {
  return { counter: unique(), limit: 10, period: 'Month', timeZone: 'Asia/Shanghai', shadow: false, ...parts };
}

/** Sends `total` admissions with `inFlight` at a time on each client and counts the admitted ones. */
export async function hammer(
  clients: readonly CounterStore[],
  total: number,
  inFlight: number,
  next: () => Admission,
): Promise<number> {
  let left = total;
  let admitted = 0;
  const worker = async (client: CounterStore): Promise<void> => {
    while (left-- > 0) if ((await client.admit(next())).outcome === 'admitted') admitted++;
  };
  await Promise.all(clients.flatMap((client) => Array.from({ length: inFlight }, () => worker(client))));
  return admitted;
}

export function describeCounterStore(
  name: string,
  open: (options: Partial<StoreOptions>) => Promise<StoreUnderTest>,
  { sharedCounters = true }: { readonly sharedCounters?: boolean } = {},
): void {
  describe(`${name} counter store`, () => {
    let under: StoreUnderTest;
    let store: CounterStore;
    beforeAll(async () => {
      under = await open({});
      store = under.clients[0];
    });
    afterAll(() => under.close());

    const outcomes = async (count: number, of: Admission): Promise<string[]> => {
      const seen: string[] = [];
      for (let i = 0; i < count; i++) seen.push((await store.admit({ ...of, token: unique() })).outcome);
      return seen;
    };

    describe('rates', () => {
      test('admit the burst, refuse the next, and say when a token is back', async () => {
        const request = admission({ rates: [rate({ requests: 1, intervalMs: 10_000, burst: 3 })] });
        const remaining = [];
        for (let i = 0; i < 3; i++) remaining.push((await store.admit(request)).rates[0]?.remaining);
        expect(remaining).toEqual([2, 1, 0]);
        const refused = await store.admit(request);
        expect(refused.outcome).toBe('rate_limited');
        expect(refused.rates[0]).toMatchObject({ remaining: 0, burst: 3, exceeded: true });
        expect(refused.rates[0]?.retryAfterMs).toBeGreaterThan(9000);
        expect(refused.rates[0]?.retryAfterMs).toBeLessThanOrEqual(10_000);
        expect(refused.rates[0]?.resetMs).toBeGreaterThan(29_000);
      });

      test('100/s with burst 50 from two clients admit 50 + 100 per second', async () => {
        const measure = async () => {
          const request = admission({ rates: [rate()] });
          const startMs = performance.now();
          let [admitted, endMs, longestPauseMs] = [0, startMs, 0];
          const worker = async (client: CounterStore): Promise<void> => {
            while (performance.now() - startMs < 1500) {
              if ((await client.admit(request)).outcome === 'admitted') admitted++;
              const nowMs = performance.now();
              longestPauseMs = Math.max(longestPauseMs, nowMs - endMs);
              endMs = nowMs;
            }
          };
          await Promise.all(under.clients.flatMap((client) => [1, 2, 3, 4].map(() => worker(client))));
          const expected = 50 + (endMs - startMs) / 10;
          // Holds whatever the machine does.
          expect(admitted).toBeLessThanOrEqual(expected + 1);
          return { admitted, expected, longestPauseMs };
        };
        // A machine that stands still for longer than the burst lasts leaves tokens that nobody asks for.
        let measured = await measure();
        for (let i = 0; i < 5 && measured.longestPauseMs > 300; i++) measured = await measure();
        expect(measured.admitted).toBeGreaterThanOrEqual(measured.expected - 3);
      });

      test('an edited limit keeps what was used and never gives more than the new burst', async () => {
        const before = admission({ rates: [slowRate(10)] });
        await outcomes(4, before);
        const [charge] = before.rates as [RateCharge];
        const smaller = { ...before, rates: [{ ...charge, requests: 7, intervalMs: 86_400_000 * 7, burst: 5 }] };
        expect(await outcomes(2, smaller)).toEqual(['admitted', 'rate_limited']);
      });

      test('counts up to 2^53 stay exact', async () => {
        const request = admission({ rates: [rate({ requests: 3, intervalMs: 86_400_000, burst: 2 ** 53 })] });
        expect((await store.admit(request)).rates[0]?.remaining).toBe(2 ** 53 - 1);
        expect((await store.admit(request)).rates[0]?.remaining).toBe(2 ** 53 - 2);
        const fast = admission({ rates: [rate({ requests: 2 ** 53, burst: 1 })] });
        expect(await outcomes(1, fast)).toEqual(['admitted']);
        await eventually(async () => expect(await outcomes(1, fast)).toEqual(['admitted']), { withinMs: 100 });
      });
    });

    describe('quotas', () => {
      test('exactly 500 of 2,000 requests from two clients with 64 in flight are admitted, whatever happens meanwhile', async () => {
        const request = admission({ quotas: [quota({ limit: 500 })] });
        let busy = true;
        const disturbing = (async () => {
          while (busy) {
            await under.disturb?.();
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        })();
        const admitted = await hammer(under.clients, 2000, 64, () => ({ ...request, token: unique() }));
        busy = false;
        await disturbing;
        expect(admitted).toBe(500);
        expect((await store.admit(request)).quotas[0]).toMatchObject({ used: 500, limit: 500, exceeded: true });
      });

      test('report what is used and when the window ends', async () => {
        const request = admission({ quotas: [quota({ limit: 2 })] });
        const first = await store.admit(request);
        expect(first.quotas[0]).toMatchObject({ used: 1, limit: 2, exceeded: false });
        expect(first.quotas[0]?.resetMs).toBeGreaterThan(0);
        expect(first.quotas[0]?.resetMs).toBeLessThanOrEqual(31 * 86_400_000);
        expect((await store.admit(request)).quotas[0]?.used).toBe(2);
        const refused = await store.admit(request);
        expect(refused.outcome).toBe('quota_exceeded');
        expect(refused.quotas[0]).toMatchObject({ used: 2, exceeded: true });
      });

      test('Total has no window and no reset', async () => {
        const request = admission({ quotas: [quota({ period: 'Total', limit: 1 })] });
        expect((await store.admit(request)).quotas[0]).toEqual({
          used: 1,
          limit: 1,
          resetMs: undefined,
          exceeded: false,
        });
        expect((await store.admit(request)).outcome).toBe('quota_exceeded');
      });

      test('a limit lowered below what was used refuses, a raised one admits', async () => {
        const charge = quota({ limit: 5 });
        const request = admission({ quotas: [charge] });
        await outcomes(5, request);
        expect(await outcomes(1, { ...request, quotas: [{ ...charge, limit: 3 }] })).toEqual(['quota_exceeded']);
        expect(await outcomes(1, { ...request, quotas: [{ ...charge, limit: 2 ** 53 }] })).toEqual(['admitted']);
      });

      test('a time zone that is edited goes on with what was used on the same date', async () => {
        const charge = quota({ period: 'Day', timeZone: 'UTC', limit: 3 });
        const request = admission({ quotas: [charge] });
        await outcomes(2, request);
        // An hour to the side on which it is the same day.
        const timeZone = new Date().getUTCHours() === 23 ? 'Etc/GMT+1' : 'Etc/GMT-1';
        expect(await outcomes(2, { ...request, quotas: [{ ...charge, timeZone }] })).toEqual([
          'admitted',
          'quota_exceeded',
        ]);
      });

      test('each window admits its own limit, no more and no less, across its boundaries', async () => {
        const shortened = await open({ windowAt: shortWindows });
        try {
          const request = admission({ quotas: [quota({ period: 'Day', limit: 20 })] });
          const untilNext = 1000 - (Date.now() % 1000);
          await new Promise((resolve) => setTimeout(resolve, untilNext + 50));
          const startMs = Date.now();
          let admitted = 0;
          const worker = async (client: CounterStore): Promise<void> => {
            while (Date.now() - startMs < 2400) {
              if ((await client.admit({ ...request, token: unique() })).outcome === 'admitted') admitted++;
            }
          };
          await Promise.all(shortened.clients.flatMap((client) => [worker(client), worker(client)]));
          expect(admitted).toBe(60);
        } finally {
          await shortened.close();
        }
      });
    });

    describe('a limit of 0', () => {
      test('admits nothing, not once', async () => {
        expect(await outcomes(2, admission({ rates: [rate({ requests: 0, burst: 0 })] }))).toEqual([
          'rate_limited',
          'rate_limited',
        ]);
        expect(await outcomes(2, admission({ rates: [rate({ burst: 0 })] }))).toEqual(['rate_limited', 'rate_limited']);
        expect(await outcomes(2, admission({ rates: [rate({ requests: 0 })] }))).toEqual([
          'rate_limited',
          'rate_limited',
        ]);
        expect(await outcomes(2, admission({ quotas: [quota({ limit: 0 })] }))).toEqual([
          'quota_exceeded',
          'quota_exceeded',
        ]);
      });

      test('and one that is no number admits nothing either', async () => {
        expect(await outcomes(1, admission({ rates: [rate({ requests: NaN })] }))).toEqual(['rate_limited']);
        expect(await outcomes(1, admission({ rates: [rate({ burst: -1 })] }))).toEqual(['rate_limited']);
        expect(await outcomes(1, admission({ quotas: [quota({ limit: NaN })] }))).toEqual(['quota_exceeded']);
      });
    });

    describe('all or nothing', () => {
      test('a refusal by the last limit charges none of the others and burns no nonce', async () => {
        const rates = [slowRate(5), slowRate(9)];
        const open_ = quota({ limit: 7 });
        const full = quota({ limit: 1 });
        const request = admission({ rates, quotas: [open_, full] });
        expect((await store.admit(request)).outcome).toBe('admitted');
        const replay = { marker: unique(), ttlMs: 60_000 };
        for (let i = 0; i < 3; i++)
          expect((await store.admit({ ...request, token: unique(), replay })).outcome).toBe('quota_exceeded');
        const after = await store.admit({ ...request, token: unique(), replay, quotas: [open_] });
        expect(after.outcome).toBe('admitted');
        expect(after.rates.map(({ remaining }) => remaining)).toEqual([3, 7]);
        expect(after.quotas[0]?.used).toBe(2);
      });

      test('a refusal by a rate charges no quota', async () => {
        const charge = quota();
        const request = admission({ rates: [slowRate(1)], quotas: [charge] });
        expect(await outcomes(4, request)).toEqual(['admitted', 'rate_limited', 'rate_limited', 'rate_limited']);
        expect((await store.admit({ ...request, rates: [] })).quotas[0]?.used).toBe(2);
      });
    });

    describe('replay markers', () => {
      test('a second request with the same marker is refused, and charges nothing', async () => {
        const charge = quota();
        const request = admission({ replay: { marker: unique(), ttlMs: 60_000 }, quotas: [charge] });
        expect((await store.admit(request)).outcome).toBe('admitted');
        expect(await store.admit({ ...request, token: unique() })).toEqual({
          outcome: 'replayed',
          rates: [],
          quotas: [],
        });
        expect((await store.admit({ ...request, replay: { marker: unique(), ttlMs: 60_000 } })).quotas[0]?.used).toBe(
          2,
        );
      });

      test('the same Check, asked again of another authorizer, passes and is charged once', async () => {
        const request = admission({
          replay: { marker: unique(), ttlMs: 60_000 },
          rates: [slowRate(5)],
          quotas: [quota({ limit: 1 })],
        });
        const first = await under.clients[0].admit(request);
        const again = await under.clients[1].admit(request);
        expect(again.outcome).toBe('admitted');
        expect(again.quotas[0]).toMatchObject({ used: 1, exceeded: false });
        expect(again.rates[0]?.remaining).toBe(first.rates[0]?.remaining);
      });

      test('of many requests with one marker at once, one is admitted', async () => {
        const request = admission({ replay: { marker: unique(), ttlMs: 60_000 } });
        expect(await hammer(under.clients, 200, 32, () => ({ ...request, token: unique() }))).toBe(1);
      });

      test('markers of two keys do not meet', async () => {
        const replay = { marker: unique(), ttlMs: 60_000 };
        expect((await store.admit(admission({ replay }))).outcome).toBe('admitted');
        expect((await store.admit(admission({ replay }))).outcome).toBe('admitted');
      });

      test('a marker is forgotten when its time is over, not before', async () => {
        const request = admission({ replay: { marker: unique(), ttlMs: 300 } });
        const startMs = performance.now();
        await store.admit(request);
        let tries = 0;
        while ((await store.admit({ ...request, token: unique() })).outcome === 'replayed') {
          tries++;
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        expect(tries).toBeGreaterThan(0);
        expect(performance.now() - startMs).toBeGreaterThanOrEqual(298);
      });
    });

    describe('shadow limits', () => {
      test('are counted and reported, never refused', async () => {
        const request = admission({
          rates: [slowRate(1, { shadow: true })],
          quotas: [quota({ limit: 1, shadow: true })],
        });
        const first = await store.admit(request);
        expect([first.rates[0]?.exceeded, first.quotas[0]?.exceeded]).toEqual([false, false]);
        const second = await store.admit(request);
        expect(second.outcome).toBe('admitted');
        expect(second.rates[0]).toMatchObject({ remaining: 0, exceeded: true });
        expect(second.quotas[0]).toMatchObject({ used: 2, limit: 1, exceeded: true });
      });

      test('are not charged when an enforced limit refuses', async () => {
        const shadow = quota({ shadow: true });
        const request = admission({ quotas: [quota({ limit: 1 }), shadow] });
        await outcomes(3, request);
        expect((await store.admit({ ...request, quotas: [shadow] })).quotas[0]?.used).toBe(2);
      });
    });

    const shared = (): QuotaCharge => quota({ limit: 2, subject: unique() });
    if (sharedCounters) {
      test('a counter with a subject of its own is shared by all keys', async () => {
        const charge = shared();
        const seen = [];
        for (let i = 0; i < 3; i++) seen.push((await store.admit(admission({ quotas: [charge] }))).outcome);
        expect(seen).toEqual(['admitted', 'admitted', 'quota_exceeded']);
      });
    } else {
      test('a counter that several keys share is refused, and not as an outage that a policy could let pass', async () => {
        const refused = await store.admit(admission({ quotas: [shared()] })).catch((error: unknown) => error);
        expect(refused).toMatchObject({ code: 'ERR_UNSUPPORTED_BY_STORE' });
        expect(refused).not.toBeInstanceOf(StoreUnavailableError);
      });
    }
  });
}
