import { describe, expect, test } from '@jest/globals';
import { createMemoryStore } from '../../../src/ratelimit/memory.js';
import { StoreUnavailableError } from '../../../src/ratelimit/errors.js';
import { randomCase, rateOracle, seededRandom } from '../../support/redis/rate-oracle.js';

const quota = { counter: 'c', limit: 2, timeZone: 'Asia/Shanghai', shadow: false } as const;
const bare = { subject: 's', token: 't', rates: [], quotas: [] };

function storeAt(text: string, maxEntries?: number) {
  let nowMs = Date.parse(text);
  const store = createMemoryStore({ clock: () => nowMs, ...(maxEntries === undefined ? {} : { maxEntries }) });
  return { store, setTime: (next: string) => (nowMs = Date.parse(next)), advance: (ms: number) => (nowMs += ms) };
}

describe('memory store', () => {
  test('a monthly quota in Shanghai starts anew at 16:00 UTC of the last day, to the millisecond', async () => {
    const { store, setTime } = storeAt('2026-11-30T15:59:59.000Z');
    const request = { ...bare, quotas: [{ ...quota, period: 'Month' as const }] };
    await store.admit(request);
    expect((await store.admit(request)).quotas[0]).toMatchObject({ used: 2, resetMs: 1000 });
    setTime('2026-11-30T15:59:59.999Z');
    expect((await store.admit(request)).outcome).toBe('quota_exceeded');
    setTime('2026-11-30T16:00:00.000Z');
    expect((await store.admit(request)).quotas[0]).toMatchObject({ used: 1, exceeded: false });
  });

  test('a clock that goes back gives nothing away and locks nobody out', async () => {
    const { store, advance } = storeAt('2026-11-22T12:00:00Z');
    const request = { ...bare, rates: [{ counter: 'r', requests: 1, intervalMs: 1000, burst: 1, shadow: false }] };
    expect((await store.admit(request)).outcome).toBe('admitted');
    advance(-3_600_000);
    expect((await store.admit(request)).outcome).toBe('rate_limited');
    advance(999);
    expect((await store.admit(request)).outcome).toBe('rate_limited');
    advance(1);
    expect((await store.admit(request)).outcome).toBe('admitted');
  });

  test('agrees with exact fractions on rates of every size', async () => {
    const random = seededRandom(20261122);
    for (let round = 0; round < 500; round++) {
      const { rate, arrivalsMicros } = randomCase(random);
      let nowMs = 0;
      const store = createMemoryStore({ clock: () => nowMs });
      const oracle = rateOracle(rate);
      for (const at of arrivalsMicros) {
        nowMs = at / 1000;
        const result = await store.admit({ ...bare, rates: [{ counter: 'r', shadow: false, ...rate }] });
        const admitted = oracle.admit(at);
        expect({ rate, at, admitted: result.outcome === 'admitted', remaining: result.rates[0]?.remaining }).toEqual({
          rate,
          at,
          admitted,
          remaining: oracle.remaining(),
        });
      }
    }
  });

  test('forgets markers, full buckets and ended windows while it is used', async () => {
    const { store, advance } = storeAt('2026-11-22T12:00:00Z');
    for (let i = 0; i < 5000; i++) {
      advance(10);
      await store.admit({
        subject: `s${i}`,
        token: `t${i}`,
        replay: { marker: 'm', ttlMs: 1000 },
        rates: [{ counter: 'r', requests: 10, intervalMs: 1000, burst: 1, shadow: false }],
        quotas: [],
      });
    }
    expect(store.size).toBeLessThan(400);
  });

  test('full of markers that still count, it refuses instead of forgetting one', async () => {
    const { store, advance } = storeAt('2026-11-22T12:00:00Z', 3);
    const marked = (marker: string) => ({ ...bare, token: marker, replay: { marker, ttlMs: 1000 } });
    for (const marker of ['a', 'b', 'c']) await store.admit(marked(marker));
    await expect(store.admit(marked('d'))).rejects.toThrow(StoreUnavailableError);
    expect((await store.admit({ ...marked('a'), token: 'other' })).outcome).toBe('replayed');
    advance(1001);
    expect((await store.admit(marked('d'))).outcome).toBe('admitted');
  });
});
