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
import { type RedisLink, withDeadline } from './endpoint.js';

export interface ConnectionOptions {
  /** Opens a link or fails within its own time limit. */
  readonly open: (onLost: (error: Error) => void) => Promise<RedisLink>;
  /** Proves that commands of the kind we send work on this link. */
  readonly probe: (link: RedisLink) => Promise<void>;
  readonly commandTimeoutMs: number;
  readonly onHealthChange?: ((health: Health) => void) | undefined;
}

export interface Health {
  readonly healthy: boolean;
  readonly message: string;
}

export interface RedisConnection {
  /** Runs `use` on the proven link. @throws StoreUnavailableError when there is none, when it fails and when time is up. */
  run<T>(use: (link: RedisLink) => Promise<T>): Promise<T>;
  health(): Health;
  close(): Promise<void>;
}

/** One lost reply is an accident, three in a row without an answer in between are an outage. */
const FAILURES_TO_OPEN = 3;
const STABLE_AFTER_MS = 5000;

export function createConnection({
  open,
  probe,
  commandTimeoutMs,
  onHealthChange,
}: ConnectionOptions): RedisConnection {
  const stopped = new AbortController();
  const backoff = createBackoff({ initialMs: 50, maxMs: 1000 });
  let link: RedisLink | undefined;
  let failures = 0;
  let health: Health = { healthy: false, message: 'connecting' };
  let wake = (): void => undefined;

  function report(next: Health): void {
    if (next.healthy === health.healthy && next.message === health.message) return;
    health = next;
    onHealthChange?.(next);
  }

  function drop(lost: RedisLink | undefined, reason: string): void {
    if (lost === undefined || link !== lost) return;
    link = undefined;
    lost.destroy();
    report({ healthy: false, message: reason });
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

  async function keepConnected(): Promise<void> {
    while (!stopped.signal.aborted) {
      try {
        const proven = await openProven();
        if (stopped.signal.aborted) return proven.destroy();
        const dropped = new Promise<void>((resolve) => (wake = resolve));
        failures = 0;
        link = proven;
        report({ healthy: true, message: 'connected' });
        const stable = setTimeout(() => backoff.reset(), STABLE_AFTER_MS);
        await dropped;
        clearTimeout(stable);
      } catch (error) {
        report({ healthy: false, message: errorMessage(error) });
      }
      await delay(backoff.next(), undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  }
  const keeping = keepConnected();

  return {
    async run(use) {
      const current = link;
      if (current === undefined) throw new StoreUnavailableError(`Redis is unavailable: ${health.message}`);
      try {
        const result = await withDeadline(use(current), commandTimeoutMs, 'Redis');
        failures = 0;
        return result;
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error; // a bug of ours says nothing about Redis
        if (link === current && ++failures >= FAILURES_TO_OPEN) drop(current, error.message);
        throw error;
      }
    },
    health: () => health,
    async close() {
      stopped.abort();
      drop(link, 'closed');
      await keeping;
    },
  };
}
