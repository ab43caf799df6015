/**
 * Remembers refusals for a moment, so that a caller who hammers a used-up limit costs the store one decision
 * every two seconds. Only what stays true without asking is answered from memory: a refusal by the very same
 * limits, until the store's own word on when one more request fits. Admissions are never remembered.
 */
import { performance } from 'node:perf_hooks';
import type { Admission, AdmissionResult, CounterStore } from './store.js';

export interface PreDenyOptions {
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
  readonly onPreDenied?: () => void;
}

/** Longest time for which a counter that somebody else gave back (`usage reset`) is still refused here. */
const MAX_AGE_MS = 2000;
/** Callers that are being refused at one time, and APIs with counters of their own that each of them uses: some 16 MB. */
const MAX_SUBJECTS = 2000;
const MAX_PER_SUBJECT = 16;

interface Refusal {
  readonly result: AdmissionResult;
  readonly sentMs: number;
  readonly untilMs: number;
}

/**
 * `store` with refusals remembered per subject and limits; a limit that was edited is another limit. Requests
 * with a replay marker always reach the store: only it knows whether the marker is used, and by whom.
 */
export function withPreDeny(
  store: CounterStore,
  { now = () => performance.now(), onPreDenied }: PreDenyOptions = {},
): CounterStore {
  const subjects = new Map<string, Map<string, Refusal>>();

  function remembered(admission: Admission): AdmissionResult | undefined {
    const refusals = subjects.get(admission.subject);
    if (!refusals) return undefined;
    const name = limitsOf(admission);
    const refusal = refusals.get(name);
    if (!refusal) return undefined;
    const nowMs = now();
    if (nowMs < refusal.untilMs) return aged(refusal.result, nowMs - refusal.sentMs);
    refusals.delete(name);
    if (refusals.size === 0) subjects.delete(admission.subject);
    return undefined;
  }

  function remember(admission: Admission, result: AdmissionResult, sentMs: number): void {
    // From before the question was sent: a late answer must not refuse past the moment that the store named.
    const untilMs = sentMs + Math.min(MAX_AGE_MS, refusedForMs(admission, result));
    if (!(untilMs > now())) return;
    let refusals = subjects.get(admission.subject);
    if (!refusals || refusals.size >= MAX_PER_SUBJECT) refusals = new Map<string, Refusal>();
    refusals.set(limitsOf(admission), { result, sentMs, untilMs });
    // Newest last, so that the first is the one that can be missed best.
    subjects.delete(admission.subject);
    subjects.set(admission.subject, refusals);
    if (subjects.size > MAX_SUBJECTS) subjects.delete(subjects.keys().next().value ?? '');
  }

  return {
    get mode() {
      return store.mode;
    },
    async admit(admission) {
      if (admission.replay) return store.admit(admission);
      const known = remembered(admission);
      if (known) {
        onPreDenied?.();
        return known;
      }
      const sentMs = now();
      const result = await store.admit(admission);
      if (result.outcome === 'rate_limited' || result.outcome === 'quota_exceeded') remember(admission, result, sentMs);
      return result;
    },
    health: () => store.health(),
    async close() {
      subjects.clear();
      await store.close();
    },
  };
}

/** Everything that the decision depends on besides the counters. */
const limitsOf = ({ rates, quotas }: Admission): string => JSON.stringify([rates, quotas]);

/** Until the outcome would be another: the limits of its kind that refuse, down to the last of them. */
function refusedForMs({ rates, quotas }: Admission, result: AdmissionResult): number {
  const waits =
    result.outcome === 'rate_limited'
      ? result.rates.map(({ exceeded, retryAfterMs }, i) => (exceeded && !rates[i]?.shadow ? retryAfterMs : 0))
      : result.quotas.map(({ exceeded, resetMs = Infinity }, i) => (exceeded && !quotas[i]?.shadow ? resetMs : 0));
  // The store rounds up to whole milliseconds.
  return Math.max(0, ...waits) - 1;
}

/** Times are left over, not counted again from the start. */
const aged = (result: AdmissionResult, elapsedMs: number): AdmissionResult => {
  const left = (ms: number): number => Math.max(0, Math.ceil(ms - elapsedMs));
  return {
    outcome: result.outcome,
    rates: result.rates.map((rate) => ({
      ...rate,
      retryAfterMs: left(rate.retryAfterMs),
      resetMs: left(rate.resetMs),
    })),
    quotas: result.quotas.map((quota) => ({
      ...quota,
      resetMs: quota.resetMs === undefined ? undefined : left(quota.resetMs),
    })),
  };
};
