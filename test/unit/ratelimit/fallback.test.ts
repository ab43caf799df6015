import { describe, expect, test } from '@jest/globals';
import { StoreUnavailableError } from '../../../src/ratelimit/errors.js';
import { admitWithFallback, type FailurePolicies } from '../../../src/ratelimit/fallback.js';
import { createMemoryStore } from '../../../src/ratelimit/memory.js';
import type { Admission, CounterStore } from '../../../src/ratelimit/store.js';

const clock = (): number => Date.UTC(2026, 10, 22, 12);
const away: CounterStore = {
  mode: 'Single',
  admit: async () => Promise.reject(new StoreUnavailableError('away')),
  health: () => ({ healthy: false, message: 'away' }),
  close: async () => undefined,
};
const policies: FailurePolicies = { rate: 'LocalFallback', quota: 'Deny', replay: 'LocalFallback', authorizers: 4 };
const rate = { counter: 'r', requests: 8, intervalMs: 1000, burst: 8, shadow: false };
const quota = { counter: 'q', limit: 8, period: 'Day', timeZone: 'UTC', shadow: false } as const;
const request = (parts: Partial<Admission>): Admission => ({
  subject: 's',
  token: 't',
  rates: [],
  quotas: [],
  ...parts,
});

async function admittedOf(
  count: number,
  admission: Admission,
  chosen: Partial<FailurePolicies>,
  nowMs = clock,
): Promise<string[]> {
  const local = createMemoryStore({ clock: nowMs });
  const outcomes = [];
  for (let i = 0; i < count; i++)
    outcomes.push((await admitWithFallback(away, local, admission, { ...policies, ...chosen })).outcome);
  return outcomes;
}

describe('while the store answers', () => {
  test('its answer stands and is not degraded', async () => {
    const store = createMemoryStore({ clock });
    const result = await admitWithFallback(store, createMemoryStore({ clock }), request({ rates: [rate] }), policies);
    expect(result).toMatchObject({ outcome: 'admitted', degraded: false, rates: [{ remaining: 7, burst: 8 }] });
  });

  test('an error that is no outage is passed on', async () => {
    const broken = { ...away, admit: async () => Promise.reject(new TypeError('bug')) };
    await expect(admitWithFallback(broken, createMemoryStore({ clock }), request({}), policies)).rejects.toThrow('bug');
  });
});

describe('while the store is away', () => {
  test('Deny refuses, whichever limit has it', async () => {
    expect(await admittedOf(1, request({ rates: [rate] }), { rate: 'Deny' })).toEqual(['store_unavailable']);
    expect(await admittedOf(1, request({ rates: [rate], quotas: [quota] }), {})).toEqual(['store_unavailable']);
    expect(await admittedOf(1, request({ replay: { marker: 'm', ttlMs: 1000 } }), { replay: 'Deny' })).toEqual([
      'store_unavailable',
    ]);
  });

  test('Deny does not touch requests without that kind of limit', async () => {
    expect(await admittedOf(1, request({ rates: [rate] }), { quota: 'Deny', replay: 'Deny' })).toEqual(['admitted']);
  });

  test('Allow admits and keeps counting', async () => {
    const local = createMemoryStore({ clock });
    const allow = { ...policies, quota: 'Allow' } as const;
    for (let i = 0; i < 10; i++) await admitWithFallback(away, local, request({ quotas: [quota] }), allow);
    const result = await admitWithFallback(away, local, request({ quotas: [quota] }), allow);
    expect(result).toMatchObject({ outcome: 'admitted', degraded: true, quotas: [{ used: 11, exceeded: true }] });
  });

  test('LocalFallback gives each authorizer its share of burst, rate and quota', async () => {
    expect(await admittedOf(3, request({ rates: [rate] }), {})).toEqual(['admitted', 'admitted', 'rate_limited']);
    expect(await admittedOf(3, request({ quotas: [quota] }), { quota: 'LocalFallback' })).toEqual([
      'admitted',
      'admitted',
      'quota_exceeded',
    ]);
    let nowMs = clock();
    const trickle = await admittedOf(201, request({ rates: [rate] }), {}, () => (nowMs += 10));
    expect(trickle.filter((outcome) => outcome === 'admitted')).toHaveLength(2 + 2 * 2); // 2 at once, then 2 a second
  });

  test('a share is at least one request, and 0 stays 0', async () => {
    expect(await admittedOf(2, request({ rates: [{ ...rate, burst: 2 }] }), {})).toEqual(['admitted', 'rate_limited']);
    expect(await admittedOf(1, request({ rates: [{ ...rate, burst: 0 }] }), {})).toEqual(['rate_limited']);
    expect(await admittedOf(1, request({ quotas: [{ ...quota, limit: 0 }] }), { quota: 'LocalFallback' })).toEqual([
      'quota_exceeded',
    ]);
  });

  test('Shadow limits refuse nobody, whatever the policy', async () => {
    const shadow = request({ rates: [{ ...rate, shadow: true }], quotas: [{ ...quota, shadow: true }] });
    expect(await admittedOf(10, shadow, { rate: 'Deny', quota: 'Deny' })).toEqual(Array(10).fill('admitted'));
  });

  test('local markers stop replays, and still do when the store is back', async () => {
    const local = createMemoryStore({ clock });
    const replay = { marker: 'm', ttlMs: 60_000 };
    const first = await admitWithFallback(away, local, request({ replay }), policies);
    const during = await admitWithFallback(away, local, request({ replay, token: 'other' }), policies);
    const after = await admitWithFallback(
      createMemoryStore({ clock }),
      local,
      request({ replay, token: 'third' }),
      policies,
    );
    expect([first.outcome, during.outcome, after.outcome]).toEqual(['admitted', 'replayed', 'replayed']);
  });

  test('a full local store refuses', async () => {
    const local = createMemoryStore({ clock, maxEntries: 0 });
    const result = await admitWithFallback(away, local, request({ rates: [rate] }), policies);
    expect(result).toMatchObject({ outcome: 'store_unavailable', degraded: true });
  });
});
