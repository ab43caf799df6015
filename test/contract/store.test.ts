import { systemClock } from '../../src/lib/clock.js';
import { createMemoryStore } from '../../src/ratelimit/memory.js';
import { redis70, startRedis, startSentinel, valkey9 } from '../support/redis/redis.js';
import { describeCounterStore, redisClients } from './store-suite.js';

describeCounterStore('memory', async (options) => {
  const store = createMemoryStore({ clock: systemClock, ...options });
  return { clients: [store, store], close: () => store.close() };
});

const describeSingle = (name: string, findExecutable: () => Promise<string>): void =>
  describeCounterStore(name, async (options) => {
    const redis = await startRedis({ executable: await findExecutable() });
    const clients = await redisClients({ url: redis.url }, options);
    return {
      clients,
      disturb: () => redis.command('SCRIPT', 'FLUSH'),
      async close() {
        await Promise.all(clients.map((client) => client.close()));
        await redis.stop();
      },
    };
  });

describeSingle('Valkey 9', valkey9);

const oldest = await redis70();
if (oldest !== undefined) describeSingle('Redis 7.0', () => Promise.resolve(oldest));
else
  process.stderr.write(
    'NOT RUN: the contract of the counter store on Redis 7.0: no redis-server 7.0 on PATH, in /usr/bin or named by REDIS_SERVER\n',
  );

describeCounterStore('Sentinel', async (options) => {
  const sentinel = await startSentinel();
  const clients = await redisClients(sentinel, options);
  const master = await sentinel.master();
  return {
    clients,
    disturb: () => master.command('SCRIPT', 'FLUSH'),
    async close() {
      await Promise.all(clients.map((client) => client.close()));
      await sentinel.stop();
    },
  };
});
