/** The promise of a plan in full: four processes, 64 in flight each, scripts flushed every 100 ms, over and over. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { quota, unique } from '../contract/store-suite.js';
import type { RedisPlace } from '../../src/ratelimit/redis/store.js';
import type { LimiterResult } from '../support/processes/limiter.js';
import { startProcess, type TestProcess } from '../support/processes/spawn.js';
import { type RedisServer, startCluster, startRedis } from '../support/redis/redis.js';

const PROCESSES = 4;
const IN_FLIGHT = 64;
const LIMIT = 5000;
const REQUESTS = 20_000;
const REPETITIONS = 20;

interface Servers {
  readonly place: RedisPlace;
  readonly servers: readonly RedisServer[];
  stop(): Promise<void>;
}

const openSingle = async (): Promise<Servers> => {
  const redis = await startRedis();
  return { place: { url: redis.url }, servers: [redis], stop: () => redis.stop() };
};
const openCluster = async (): Promise<Servers> => {
  const cluster = await startCluster();
  return { place: { clusterNodes: cluster.nodes }, servers: cluster.masters, stop: () => cluster.stop() };
};

describe.each([
  ['a single server', openSingle],
  ['a cluster', openCluster],
])('on %s', (_, open) => {
  let servers: Servers;
  let processes: readonly TestProcess[] = [];
  let flushing: NodeJS.Timeout | undefined;
  beforeAll(async () => {
    servers = await open();
    processes = Array.from({ length: PROCESSES }, () => startProcess('limiter', { place: servers.place }));
    await Promise.all(processes.map((each) => each.line((line) => line === 'ready')));
    flushing = setInterval(() => {
      for (const server of servers.servers) void server.command('SCRIPT', 'FLUSH');
    }, 100);
  }, 60_000);
  afterAll(async () => {
    clearInterval(flushing);
    await Promise.all(processes.map((each) => each.kill()));
    await servers?.stop();
  });

  test(`exactly ${LIMIT} of ${REQUESTS} requests are admitted, ${REPETITIONS} times in a row`, async () => {
    const admitted: number[] = [];
    for (let i = 0; i < REPETITIONS; i++) {
      const limits = { subject: unique(), rates: [], quotas: [quota({ limit: LIMIT, period: 'Day' })] };
      // Every other time as in the product, where most refusals are answered from memory.
      const job = { limits, inFlight: IN_FLIGHT, requests: REQUESTS / PROCESSES, preDeny: i % 2 === 1 };
      const results = await Promise.all(processes.map((each) => each.ask<LimiterResult>(job)));
      expect(results.map(({ failed }) => failed)).toEqual(Array(PROCESSES).fill(0));
      admitted.push(results.reduce((sum, result) => sum + result.admitted, 0));
    }
    expect(admitted).toEqual(Array(REPETITIONS).fill(LIMIT));
  }, 200_000);
});
