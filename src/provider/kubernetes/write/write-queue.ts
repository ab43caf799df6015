/**
 * Writes to the API server, one at a time for each key, with a bound on their rate: a first sync of thousands of
 * objects must not starve other clients. A failed write comes again after a growing delay.
 */
import { createBackoff } from '../../../lib/backoff.js';
import { KubeApiError } from '../kube-api.js';

export interface WriteQueueOptions {
  /** Does what is due for the key now, perhaps nothing. A rejection is tried again. */
  readonly write: (key: string) => Promise<void>;
  readonly onError: (key: string, error: unknown) => void;
  readonly perSecond?: number;
  readonly concurrency?: number;
  readonly initialRetryMs?: number;
  readonly maxRetryMs?: number;
}

export interface WriteQueue {
  /** An urgent key goes before all that wait. Adding a key that waits changes nothing else; one that failed is tried now. */
  add(key: string, urgent?: boolean): void;
  /** Forgets everything that waits. */
  clear(): void;
  /** Waits, is being written, or has failed and comes again. */
  has(key: string): boolean;
  /** How many `has` answers for. */
  readonly size: number;
  /** Takes no more; resolves when the writes in progress are over. */
  close(): Promise<void>;
}

const DEFAULTS = { perSecond: 200, concurrency: 16, initialRetryMs: 250, maxRetryMs: 30_000 };

export function createWriteQueue(options: WriteQueueOptions): WriteQueue {
  const { write, onError } = options;
  const { perSecond, concurrency, initialRetryMs, maxRetryMs } = { ...DEFAULTS, ...options };
  let urgent = new Set<string>();
  let waiting = new Set<string>();
  /** Keys that changed while they were being written. */
  const again = new Set<string>();
  const running = new Map<string, Promise<void>>();
  const retries = new Map<string, { readonly backoff: ReturnType<typeof createBackoff>; timer?: NodeJS.Timeout }>();
  let timer: NodeJS.Timeout | undefined;
  let nextStartMs = 0;
  let closed = false;

  function pump(): void {
    if (closed || timer) return;
    while (running.size < concurrency && urgent.size + waiting.size > 0) {
      const nowMs = performance.now();
      // A burst of as many as may run at once, then evenly.
      nextStartMs = Math.max(nextStartMs, nowMs - (concurrency * 1000) / perSecond);
      if (nextStartMs > nowMs) {
        timer = setTimeout(() => {
          timer = undefined;
          pump();
        }, nextStartMs - nowMs);
        return;
      }
      nextStartMs += 1000 / perSecond;
      start(take());
    }
  }

  function take(): string {
    const from = urgent.size > 0 ? urgent : waiting;
    const [key = ''] = from;
    from.delete(key);
    return key;
  }

  function start(key: string): void {
    const work = write(key)
      .then(
        () => forgetRetry(key),
        (error: unknown) => failed(key, error),
      )
      .finally(() => {
        running.delete(key);
        if (again.delete(key)) queue(key, true);
        pump();
      });
    running.set(key, work);
  }

  function failed(key: string, error: unknown): void {
    onError(key, error);
    if (closed) return;
    const retry = retries.get(key) ?? { backoff: createBackoff({ initialMs: initialRetryMs, maxMs: maxRetryMs }) };
    retries.set(key, retry);
    const afterMs = (error instanceof KubeApiError ? error.retryAfterMs : undefined) ?? 0;
    // The server asked all of us to wait, not only this key.
    if (afterMs > 0) nextStartMs = Math.max(nextStartMs, performance.now() + afterMs);
    clearTimeout(retry.timer);
    retry.timer = setTimeout(() => queue(key, false), Math.max(afterMs, retry.backoff.next()));
    retry.timer.unref();
  }

  function forgetRetry(key: string): void {
    clearTimeout(retries.get(key)?.timer);
    retries.delete(key);
  }

  function queue(key: string, isUrgent: boolean): void {
    if (closed) return;
    if (running.has(key)) {
      again.add(key);
      return;
    }
    if (isUrgent) {
      waiting.delete(key);
      urgent.add(key);
    } else if (!urgent.has(key)) waiting.add(key);
    pump();
  }

  function clear(): void {
    for (const { timer: retryTimer } of retries.values()) clearTimeout(retryTimer);
    retries.clear();
    again.clear();
    urgent = new Set();
    waiting = new Set();
  }

  return {
    add(key, isUrgent = false) {
      clearTimeout(retries.get(key)?.timer);
      queue(key, isUrgent);
    },
    clear,
    has: (key) => urgent.has(key) || waiting.has(key) || running.has(key) || retries.has(key),
    get size() {
      return new Set([...urgent, ...waiting, ...running.keys(), ...retries.keys()]).size;
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      clear();
      await Promise.all(running.values());
    },
  };
}
