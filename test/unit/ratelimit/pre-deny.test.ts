import { describe, expect, test } from '@jest/globals';
import { createMemoryStore } from '../../../src/ratelimit/memory.js';
import { withPreDeny } from '../../../src/ratelimit/pre-deny.js';
import type { Admission, CounterStore, QuotaCharge, RateCharge } from '../../../src/ratelimit/store.js';

const START_MS = Date.parse('2026-03-01T12:00:00Z');
const RATE: RateCharge = { counter: 'rate', requests: 1, intervalMs: 10_000, burst: 2, shadow: false };
const QUOTA: QuotaCharge = { counter: 'quota', limit: 2, period: 'Day', timeZone: 'UTC', shadow: false };

const asking = (limits: Partial<Admission>): Admission => ({
  subject: 'caller',
  token: 'token',
  rates: [],
  quotas: [],
  ...limits,
});

/** A memory store behind the cache; both see the same clock. */
function gate() {
  let nowMs = START_MS;
  const store = createMemoryStore({ clock: () => nowMs });
  const asked: Admission[] = [];
  const counting: CounterStore = { ...store, admit: (admission) => (asked.push(admission), store.admit(admission)) };
  const preDenied: number[] = [];
  const cached = withPreDeny(counting, { now: () => nowMs - START_MS, onPreDenied: () => preDenied.push(nowMs) });
  return {
    asked,
    preDenied,
    admit: (admission: Admission) => cached.admit(admission),
    outcomes: async (count: number, admission: Admission) => {
      const outcomes: string[] = [];
      for (let i = 0; i < count; i++) outcomes.push((await cached.admit(admission)).outcome);
      return outcomes;
    },
    pass: (ms: number) => (nowMs += ms),
  };
}

describe('a refused caller', () => {
  test('is refused from memory for two seconds, then the store is asked again', async () => {
    const { admit, asked, outcomes, pass, preDenied } = gate();
    const admission = asking({ quotas: [QUOTA] });
    await outcomes(3, admission);
    expect(asked).toHaveLength(3);
    pass(1999);
    expect(await outcomes(100, admission)).toEqual(Array(100).fill('quota_exceeded'));
    expect([asked.length, preDenied.length]).toEqual([3, 100]);
    pass(1);
    expect((await admit(admission)).outcome).toBe('quota_exceeded');
    expect(asked).toHaveLength(4);
  });

  test('is admitted at the moment that the store named, not later', async () => {
    const { admit, asked, outcomes, pass } = gate();
    const admission = asking({ rates: [{ ...RATE, requests: 2, intervalMs: 1000, burst: 1 }] });
    expect(await outcomes(3, admission)).toEqual(['admitted', 'rate_limited', 'rate_limited']);
    expect(asked).toHaveLength(2);
    pass(498);
    expect((await admit(admission)).outcome).toBe('rate_limited');
    expect(asked).toHaveLength(2);
    pass(2);
    expect((await admit(admission)).outcome).toBe('admitted');
  });

  test('is admitted when a new window begins', async () => {
    const { admit, outcomes, pass } = gate();
    const admission = asking({ quotas: [QUOTA] });
    pass(12 * 3_600_000 - 500);
    expect(await outcomes(3, admission)).toEqual(['admitted', 'admitted', 'quota_exceeded']);
    pass(499);
    expect((await admit(admission)).outcome).toBe('quota_exceeded');
    pass(1);
    expect((await admit(admission)).outcome).toBe('admitted');
  });

  test('reads times that run on', async () => {
    const { admit, outcomes, pass } = gate();
    const admission = asking({ rates: [RATE], quotas: [{ ...QUOTA, limit: 9 }] });
    await outcomes(3, admission);
    pass(1500);
    const result = await admit(admission);
    expect(result.rates[0]).toMatchObject({ exceeded: true, retryAfterMs: 8500, resetMs: 18_500 });
    expect(result.quotas[0]?.resetMs).toBe(12 * 3_600_000 - 1500);
  });

  test('whose rate refused is asked about again as soon as the rate has a token, though a quota is used up too', async () => {
    const { admit, asked, pass } = gate();
    const admission = asking({ rates: [{ ...RATE, intervalMs: 1000, burst: 1 }], quotas: [{ ...QUOTA, limit: 1 }] });
    await admit(admission);
    expect((await admit(admission)).outcome).toBe('rate_limited');
    pass(1000);
    expect((await admit(admission)).outcome).toBe('quota_exceeded');
    expect(asked).toHaveLength(3);
  });
});

describe('what is never answered from memory', () => {
  test('a limit that was raised, and one that became Shadow', async () => {
    const { admit, outcomes } = gate();
    await outcomes(3, asking({ quotas: [QUOTA] }));
    expect((await admit(asking({ quotas: [{ ...QUOTA, shadow: true }] }))).outcome).toBe('admitted');
    expect((await admit(asking({ quotas: [{ ...QUOTA, limit: 4 }] }))).outcome).toBe('admitted');
    await outcomes(3, asking({ rates: [RATE] }));
    expect((await admit(asking({ rates: [{ ...RATE, burst: 3 }] }))).outcome).toBe('admitted');
  });

  test('another caller, and another API of the same caller', async () => {
    const { admit, outcomes } = gate();
    await outcomes(3, asking({ quotas: [QUOTA] }));
    expect((await admit(asking({ subject: 'other', quotas: [QUOTA] }))).outcome).toBe('admitted');
    expect((await admit(asking({ quotas: [{ ...QUOTA, counter: 'elsewhere' }] }))).outcome).toBe('admitted');
  });

  test('a replay, and the same Check asked again', async () => {
    const { admit } = gate();
    const first = asking({ quotas: [QUOTA], replay: { marker: 'one', ttlMs: 60_000 } });
    await admit(first);
    await admit(asking({ quotas: [QUOTA] }));
    expect((await admit(asking({ quotas: [QUOTA] }))).outcome).toBe('quota_exceeded');
    expect((await admit(first)).outcome).toBe('admitted');
    expect((await admit({ ...first, token: 'somebody else' })).outcome).toBe('replayed');
    expect((await admit({ ...first, replay: { marker: 'two', ttlMs: 60_000 } })).outcome).toBe('quota_exceeded');
  });

  test('an admission', async () => {
    const { asked, outcomes } = gate();
    await outcomes(2, asking({ quotas: [QUOTA] }));
    expect(asked).toHaveLength(2);
  });
});

test('many refused callers are not all remembered, and none is refused wrongly for it', async () => {
  const { admit, asked } = gate();
  const none = asking({ quotas: [{ ...QUOTA, limit: 0 }] });
  for (let i = 0; i < 5000; i++) await admit({ ...none, subject: `caller ${i}` });
  for (let i = 0; i < 5000; i++)
    expect((await admit({ ...none, subject: `caller ${i}` })).outcome).toBe('quota_exceeded');
  expect(asked.length).toBeGreaterThan(5000);
});
