/** Where the counters are kept and how to get in, as the configuration says. */
import type { Config } from '../config/settings.js';
import { createAccess, type WatchedAccess } from '../ratelimit/redis/access-files.js';
import type { RedisPlace } from '../ratelimit/redis/store.js';
import type { StoreMode } from '../ratelimit/store.js';

export const storeModeOf = (config: Config): StoreMode => {
  if (config.redisUrl) return 'Single';
  if (config.redisSentinels.length > 0) return 'Sentinel';
  return config.redisCluster.length > 0 ? 'Cluster' : 'Memory';
};

/** `undefined` = in memory. */
export function redisPlaceOf(config: Config): RedisPlace | undefined {
  if (config.redisUrl) return { url: config.redisUrl.reveal() };
  if (config.redisMasterName !== undefined)
    return { sentinels: config.redisSentinels, masterName: config.redisMasterName };
  return config.redisCluster.length > 0 ? { clusterNodes: config.redisCluster } : undefined;
}

export interface StoreAccess {
  readonly servers: WatchedAccess;
  readonly sentinels: WatchedAccess;
}

export function storeAccessOf(config: Config): StoreAccess {
  const tls = {
    tls: config.redisTls === 'auto' ? undefined : config.redisTls === 'on',
    caFile: config.redisTlsCa,
    certFile: config.redisTlsCert,
    keyFile: config.redisTlsKey,
    serverName: config.redisTlsServerName,
  };
  return {
    servers: createAccess({ ...tls, usernameFile: config.redisUsernameFile, passwordFile: config.redisPasswordFile }),
    sentinels: createAccess({
      ...tls,
      usernameFile: config.redisSentinelUsernameFile,
      passwordFile: config.redisSentinelPasswordFile,
    }),
  };
}
