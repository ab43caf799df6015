/** Joins events that come close together into one run. */
export interface Debounce {
  /** Something happened: run after `quietMs` without another event, at the latest `maxMs` after the first. */
  trigger(): void;
  /** Run at this time even if nothing happens before; replaces an earlier alarm. `undefined` = no alarm. */
  setAlarm(atMs: number | undefined): void;
  /** Runs at once what waits for quiet; resolves when nothing runs any more. */
  flush(): Promise<void>;
  /** Runs no more; resolves when a run in progress is over. */
  close(): Promise<void>;
}

export interface DebounceOptions {
  readonly quietMs: number;
  readonly maxMs: number;
  /** Never overlaps with itself. Rejections go to `onError`. */
  readonly run: () => Promise<void>;
  readonly onError: (error: unknown) => void;
  readonly clock: () => number;
}

/** The longest delay that a timer of the runtime takes, ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export function createDebounce({ quietMs, maxMs, run, onError, clock }: DebounceOptions): Debounce {
  let quiet: NodeJS.Timeout | undefined;
  let alarm: NodeJS.Timeout | undefined;
  let firstMs: number | undefined;
  let running: Promise<void> | undefined;
  let again = false;
  let closed = false;

  function start(): void {
    clearTimeout(quiet);
    firstMs = undefined;
    if (closed) return;
    if (running) {
      again = true;
      return;
    }
    running = run()
      .catch(onError)
      .finally(() => {
        running = undefined;
        if (again) {
          again = false;
          start();
        }
      });
  }

  return {
    trigger() {
      if (closed) return;
      const nowMs = performance.now();
      firstMs ??= nowMs;
      clearTimeout(quiet);
      quiet = setTimeout(start, Math.max(0, Math.min(quietMs, firstMs + maxMs - nowMs)));
    },
    setAlarm(atMs) {
      clearTimeout(alarm);
      if (atMs === undefined || closed) return;
      // A timer may fire up to a millisecond early, and the run must find the time passed.
      const waitMs = Math.max(0, atMs - clock()) + 1;
      alarm = setTimeout(waitMs > MAX_TIMER_MS ? () => this.setAlarm(atMs) : start, Math.min(waitMs, MAX_TIMER_MS));
      alarm.unref();
    },
    async flush() {
      if (firstMs !== undefined) start();
      while (running) await running;
    },
    async close() {
      closed = true;
      clearTimeout(quiet);
      clearTimeout(alarm);
      await running;
    },
  };
}
