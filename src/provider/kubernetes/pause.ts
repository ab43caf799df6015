import { setTimeout as delay } from 'node:timers/promises';

/** Waits that long, or not at all when it is not positive; rejects when `signal` aborts. */
export type Pause = (ms: number, signal: AbortSignal) => Promise<void>;

export const pause: Pause = async (ms, signal) => {
  if (ms > 0) await delay(ms, undefined, { signal });
};
