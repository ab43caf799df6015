/** Exact numbers from several processes at once. The long version is in the suite `limits`. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { LimiterJob, LimiterResult } from '../support/processes/limiter.js';
import { startProcess, type TestProcess } from '../support/processes/spawn.js';
import { type RedisServer, startRedis } from '../support/redis/redis.js';
import { quota, rate, unique } from './store-suite.js';

let redis: RedisServer;
let processes: readonly TestProcess[] = [];
beforeAll(async () => {
  redis = await startRedis();
  processes = [1, 2].map(() => startProcess('limiter', { place: { url: redis.url } }));
  await Promise.all(processes.map((each) => each.line((line) => line === 'ready')));
}, 30_000);
afterAll(async () => {
  await Promise.all(processes.map((each) => each.kill()));
  await redis?.stop();
});

const runAll = (job: LimiterJob): Promise<LimiterResult[]> =>
  Promise.all(processes.map((each) => each.ask<LimiterResult>(job)));

describe('two processes', () => {
  test.each([false, true])('admit exactly 1,000 of 6,000 requests (refusals from memory: %s)', async (preDeny) => {
    const flushing = setInterval(() => void redis.command('SCRIPT', 'FLUSH'), 50);
    try {
      const limits = { subject: unique(), rates: [], quotas: [quota({ limit: 1000 })] };
      const results = await runAll({ limits, inFlight: 64, requests: 3000, preDeny });
      expect(results.reduce((sum, { admitted }) => sum + admitted, 0)).toBe(1000);
      expect(results.map(({ failed }) => failed)).toEqual([0, 0]);
    } finally {
      clearInterval(flushing);
    }
  });

  test('admit 50 + 100 per second, give or take one, at a rate of 100/s with a burst of 50', async () => {
    const limits = { subject: unique(), rates: [rate({ requests: 100, intervalMs: 1000, burst: 50 })], quotas: [] };
    const results = await runAll({ limits, inFlight: 4, durationMs: 1500 });
    const admitted = results.reduce((sum, result) => sum + result.admitted, 0);
    const first = (of: (result: LimiterResult) => number): number => Math.min(...results.map(of));
    const last = (of: (result: LimiterResult) => number): number => Math.max(...results.map(of));
    // The first and the last decision fell somewhere between question and answer.
    const most = 50 + (last(({ lastReplyMs }) => lastReplyMs) - first(({ firstSentMs }) => firstSentMs)) / 10;
    const least = 50 + (last(({ lastSentMs }) => lastSentMs) - first(({ firstReplyMs }) => firstReplyMs)) / 10;
    expect(admitted).toBeLessThanOrEqual(most + 1);
    expect(admitted).toBeGreaterThanOrEqual(least - 1);
  });
});
