export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Share of the delay that is random, 0..1, so that many clients do not return at once. */
  readonly jitter?: number;
  readonly random?: () => number;
}

/** Exponential back-off: each `next()` doubles the delay up to `maxMs`; `reset()` after success. */
export function createBackoff({ initialMs, maxMs, jitter = 0.2, random = Math.random }: BackoffOptions) {
  let attempt = 0;
  return {
    next(): number {
      const base = Math.min(maxMs, initialMs * 2 ** Math.min(attempt++, 30));
      return Math.round(base * (1 - jitter + jitter * 2 * random()));
    },
    reset(): void {
      attempt = 0;
    },
  };
}
