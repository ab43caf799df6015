import { systemClock } from '../../src/lib/clock.js';
import { createMemoryStore } from '../../src/ratelimit/memory.js';
import { createRedisStore } from '../../src/ratelimit/redis/store.js';
import { eventually } from '../support/eventually.js';
import { startRedis } from '../support/redis.js';
import { describeCounterStore } from './store-suite.js';

describeCounterStore('memory', async (options) => {
  const store = createMemoryStore({ clock: systemClock, ...options });
  return { clients: [store, store], close: () => store.close() };
});

describeCounterStore('Redis', async (options) => {
  const redis = await startRedis();
  // The subject here is the counting; a busy machine must not look like an outage.
  const open = () => createRedisStore({ url: redis.url, commandTimeoutMs: 5000, connectTimeoutMs: 5000, ...options });
  const clients = [open(), open()] as const;
  await eventually(() => {
    for (const client of clients) if (!client.health().healthy) throw new Error(client.health().message);
  });
  return {
    clients,
    disturb: () => redis.command('SCRIPT', 'FLUSH'),
    async close() {
      await Promise.all(clients.map((client) => client.close()));
      await redis.stop();
    },
  };
});
