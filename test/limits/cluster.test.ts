/** Redis Cluster of three masters: the contract, and what moving slots and a dead master do. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { StoreUnavailableError } from '../../src/ratelimit/errors.js';
import { slotOf } from '../../src/ratelimit/redis/slot.js';
import { createRedisStore, type RedisStore } from '../../src/ratelimit/redis/store.js';
import { admission, describeCounterStore, hammer, quota, redisClients, unique } from '../contract/store-suite.js';
import { eventually } from '../support/eventually.js';
import { type RedisClusterServers, type RedisServer, startCluster } from '../support/redis/redis.js';

describeCounterStore(
  'Cluster',
  async (options) => {
    const cluster = await startCluster();
    const clients = await redisClients({ clusterNodes: cluster.nodes }, options);
    return {
      clients,
      disturb: () => Promise.all(cluster.masters.map((master) => master.command('SCRIPT', 'FLUSH'))),
      async close() {
        await Promise.all(clients.map((client) => client.close()));
        await cluster.stop();
      },
    };
  },
  { sharedCounters: false },
);

describe('a cluster', () => {
  let cluster: RedisClusterServers;
  let stores: RedisStore[] = [];
  beforeAll(async () => {
    cluster = await startCluster({ settings: ['--cluster-require-full-coverage', 'no'] });
  }, 40_000);
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.close()));
    stores = [];
  });
  afterAll(() => cluster?.stop());

  async function connect(commandTimeoutMs = 5000): Promise<RedisStore> {
    const store = createRedisStore({ clusterNodes: cluster.nodes.slice(0, 1), commandTimeoutMs });
    stores.push(store);
    await eventually(() => expect(store.health()).toMatchObject({ healthy: true }));
    return store;
  }

  /** A subject whose keys `master` keeps now. */
  async function subjectOn(master: RedisServer): Promise<string> {
    const ranges = (await master.command('CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
    for (;;) {
      const subject = createHash('md5').update(unique()).digest('hex');
      const slot = slotOf(subject);
      if (ranges.some(([first, last, [, port]]) => first <= slot && slot <= last && port === master.port))
        return subject;
    }
  }

  test('spreads callers over its masters, from the address of one', async () => {
    const store = await connect();
    expect(store.mode).toBe('Cluster');
    for (const master of cluster.masters) await master.command('CONFIG', 'RESETSTAT');
    for (const master of cluster.masters)
      expect((await store.admit(admission({ subject: await subjectOn(master), quotas: [quota()] }))).outcome).toBe(
        'admitted',
      );
    for (const master of cluster.masters)
      expect(String(await master.command('INFO', 'commandstats'))).toMatch(/cmdstat_evalsha:calls=1,/);
  });

  test('counts exactly while the slot of the counter moves to another master and back', async () => {
    const [source, target] = cluster.masters as [RedisServer, RedisServer];
    const idOf = async (server: RedisServer): Promise<string> => String(await server.command('CLUSTER', 'MYID'));
    const clients = [await connect(), await connect()];
    const subject = await subjectOn(source);
    const slot = String(slotOf(subject));
    const request = admission({ subject, quotas: [quota({ limit: 3000 })] });
    const move = async (from: RedisServer, to: RedisServer): Promise<void> => {
      await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await idOf(from));
      await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', await idOf(to));
      for (;;) {
        const keys = (await from.command('CLUSTER', 'GETKEYSINSLOT', slot, '100')) as string[];
        if (keys.length === 0) break;
        await from.command('MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...keys);
      }
      const owner = await idOf(to);
      for (const server of [to, from, ...cluster.masters])
        await server.command('CLUSTER', 'SETSLOT', slot, 'NODE', owner);
    };
    let busy = true;
    let moves = 0;
    const moving = (async () => {
      for (; busy; moves++) await (moves % 2 === 0 ? move(source, target) : move(target, source));
      if (moves % 2 === 1) await move(target, source);
    })();
    const admitted = await hammer(clients, 6000, 32, () => ({ ...request, token: unique() }));
    busy = false;
    await moving;
    expect(moves).toBeGreaterThan(2);
    expect(admitted).toBe(3000);
  });

  test('with a dead master refuses the callers of that one only, at once, and serves them again by itself', async () => {
    const store = await connect(50);
    const [first, , dead] = cluster.masters as [RedisServer, RedisServer, RedisServer];
    const [served, refused] = [await subjectOn(first), await subjectOn(dead)];
    const ask = (subject: string) => store.admit(admission({ subject, quotas: [quota()] }));
    await ask(refused);
    dead.stall();
    try {
      await eventually(async () => {
        await expect(ask(refused)).rejects.toThrow(StoreUnavailableError);
        expect(store.health()).toMatchObject({ healthy: false });
      });
      const waits: number[] = [];
      for (let i = 0; i < 100; i++) {
        const startMs = performance.now();
        await expect(ask(refused)).rejects.toThrow(StoreUnavailableError);
        waits.push(performance.now() - startMs);
        expect((await ask(served)).outcome).toBe('admitted');
      }
      expect(waits.sort((a, b) => a - b)[98]).toBeLessThan(60);
      expect(store.health().message).toContain(`127.0.0.1:${dead.port}`);
    } finally {
      dead.resume();
    }
    await eventually(() => ask(refused), { withinMs: 4000 });
    await eventually(() => expect(store.health().healthy).toBe(true));
  });
});
