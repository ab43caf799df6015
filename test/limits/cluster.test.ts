import { startCluster } from '../support/redis.js';
import { describeCounterStore, redisClients } from '../contract/store-suite.js';

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
