/** The counter store that the configuration names, with its health in the log and in metrics. */
import type { Config } from '../config/settings.js';
import type { Clock } from '../lib/clock.js';
import { createMemoryStore } from '../ratelimit/memory.js';
import { withPreDeny } from '../ratelimit/pre-deny.js';
import { createRedisStore } from '../ratelimit/redis/store.js';
import type { CounterStore, StoreFlaw, StoreHealth } from '../ratelimit/store.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import { redisPlaceOf, storeAccessOf } from './store-place.js';

export interface CounterStoreOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** After the store became healthy or not, and when flaws were found or mended. */
  readonly onHealthChange?: () => void;
}

const CHECKS: readonly StoreFlaw['check'][] = ['eviction', 'persistence', 'version'];

/** Connects in the background. */
export function createCounterStore({ config, clock, log, metrics, onHealthChange }: CounterStoreOptions): CounterStore {
  const place = redisPlaceOf(config);
  metrics.limiterHealthy.set(place ? 0 : 1);
  if (!place) return createMemoryStore({ clock });

  let closing = false;
  let told: StoreHealth | undefined;
  const flaws = new Set<string>();
  function tell(health: StoreHealth): void {
    const found = health.flaws ?? [];
    metrics.limiterHealthy.set(health.healthy ? 1 : 0);
    for (const check of CHECKS)
      metrics.limiterMisconfigured.set({ check }, found.some((flaw) => flaw.check === check) ? 1 : 0);
    if (closing) return;
    if (health.healthy !== told?.healthy || health.message !== told.message)
      log[health.healthy ? 'info' : 'warn'](
        health.healthy ? `Redis: ${health.message}` : `Redis is away: ${health.message}`,
      );
    for (const { message } of found) if (!flaws.has(message)) log.warn(`Redis may not keep its counters: ${message}`);
    flaws.clear();
    for (const { message } of found) flaws.add(message);
    told = health;
    onHealthChange?.();
  }

  const access = storeAccessOf(config);
  const redis = createRedisStore({
    ...place,
    ...access.servers,
    sentinelAccess: access.sentinels,
    commandTimeoutMs: config.redisCommandTimeoutMs,
    connectTimeoutMs: config.redisConnectTimeoutMs,
    clock,
    onHealthChange: tell,
  });
  const renew = (): void => {
    log.info('credentials or certificates of Redis have changed: connecting anew');
    void redis.renew();
  };
  const unwatch = [access.servers.watch(renew), access.sentinels.watch(renew)];
  const store = withPreDeny(redis, { onPreDenied: () => metrics.limiterPreDenied.inc() });
  return {
    ...store,
    mode: redis.mode,
    async close() {
      closing = true;
      for (const stop of unwatch) stop();
      await store.close();
    },
  };
}
