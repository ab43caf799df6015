/**
 * Keeps one proven link to Redis and is the circuit breaker: without a link a request is refused at once, so
 * a dead Redis costs a request one command timeout at most. A link is in use only after a probe has run the
 * whole way, which is the half-open state; it is dropped after a few failures in a row. Attempts slow down to
 * one a second, so service is back within two seconds of Redis.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createBackoff } from '../../lib/backoff.js';
import { errorMessage } from '../../lib/errors.js';
import { StoreUnavailableError } from '../errors.js';
import type { StoreFlaw, StoreHealth } from '../store.js';
import { type RedisLink, withDeadline } from './endpoint.js';

export interface ConnectionOptions {
  /** Opens a link or fails within its own time limit. */
  readonly open: (onLost: (error: Error) => void) => Promise<RedisLink>;
  /** Proves that commands of the kind we send work on this link. */
  readonly probe: (link: RedisLink) => Promise<void>;
  /** What is wrong with a server that works. Asked once a link is in use and now and then; a failure counts as nothing found. */
  readonly inspect?: ((link: RedisLink) => Promise<readonly StoreFlaw[]>) | undefined;
  readonly commandTimeoutMs: number;
  readonly onHealthChange?: (() => void) | undefined;
}

export interface RedisConnection {
  /** Runs `use` on the proven link. @throws StoreUnavailableError when there is none, when it fails and when time is up. */
  run<T>(use: (link: RedisLink) => Promise<T>): Promise<T>;
  health(): StoreHealth;
  /** Opens another link with what the files of credentials and certificates hold now, and only then leaves the old one. */
  renew(): Promise<void>;
  close(): Promise<void>;
}

/** One lost reply is an accident, three in a row without an answer in between are an outage. */
const FAILURES_TO_OPEN = 3;
const STABLE_AFTER_MS = 5000;
const INSPECT_EVERY_MS = 30_000;
/** Not on any request's way, so that a busy server has time to answer. */
const INSPECT_TIMEOUT_MS = 1000;

export function createConnection({
  open,
  probe,
  inspect,
  commandTimeoutMs,
  onHealthChange,
}: ConnectionOptions): RedisConnection {
  const stopped = new AbortController();
  const backoff = createBackoff({ initialMs: 50, maxMs: 1000 });
  let link: RedisLink | undefined;
  let failures = 0;
  let health: StoreHealth = { healthy: false, message: 'connecting', flaws: [] };
  let wake = (): void => undefined;

  function report(next: StoreHealth): void {
    if (JSON.stringify(next) === JSON.stringify(health)) return;
    health = next;
    onHealthChange?.();
  }

  function drop(lost: RedisLink | undefined, reason: string): void {
    if (lost === undefined || link !== lost) return;
    link = undefined;
    lost.destroy();
    report({ healthy: false, message: reason, flaws: health.flaws });
    wake();
  }

  async function openProven(): Promise<RedisLink> {
    let lost: Error | undefined;
    const candidate: RedisLink = await open((error) => {
      lost = error;
      drop(candidate, `connection lost: ${error.message}`);
    });
    try {
      await withDeadline(probe(candidate), commandTimeoutMs, 'the probe');
      if (lost !== undefined) throw lost;
    } catch (error) {
      candidate.destroy();
      throw error;
    }
    return candidate;
  }

  function use(proven: RedisLink): void {
    failures = 0;
    link = proven;
    report({ healthy: true, message: 'connected', flaws: health.flaws });
    void look(proven);
  }

  async function look(current: RedisLink): Promise<void> {
    if (!inspect) return;
    const flaws = await withDeadline(inspect(current), INSPECT_TIMEOUT_MS, 'INFO').catch(() => undefined);
    if (flaws && link === current) report({ ...health, flaws });
  }

  async function keepConnected(): Promise<void> {
    while (!stopped.signal.aborted) {
      try {
        const proven = await openProven();
        if (stopped.signal.aborted) return proven.destroy();
        const dropped = new Promise<void>((resolve) => (wake = resolve));
        use(proven);
        const stable = setTimeout(() => backoff.reset(), STABLE_AFTER_MS);
        const looking = setInterval(() => link && void look(link), INSPECT_EVERY_MS);
        await dropped;
        clearTimeout(stable);
        clearInterval(looking);
      } catch (error) {
        report({ healthy: false, message: errorMessage(error), flaws: health.flaws });
      }
      await delay(backoff.next(), undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  }
  const keeping = keepConnected();

  return {
    async run(command) {
      const current = link;
      if (current === undefined) throw new StoreUnavailableError(`Redis is unavailable: ${health.message}`);
      try {
        const result = await withDeadline(command(current), commandTimeoutMs, 'Redis');
        failures = 0;
        return result;
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error; // a bug of ours says nothing about Redis
        if (link === current && ++failures >= FAILURES_TO_OPEN) drop(current, error.message);
        throw error;
      }
    },
    health: () => health,
    async renew() {
      const old = link;
      if (old === undefined) return; // the next attempt reads the files anyway
      try {
        const proven = await openProven();
        if (stopped.signal.aborted || link !== old) return proven.destroy();
        use(proven);
        // Commands in flight on the old link have this long at most.
        await delay(commandTimeoutMs);
        old.destroy();
      } catch (error) {
        if (link === old)
          report({ ...health, message: `connected, but not with the changed files: ${errorMessage(error)}` });
      }
    },
    async close() {
      stopped.abort();
      drop(link, 'closed');
      await keeping;
    },
  };
}
