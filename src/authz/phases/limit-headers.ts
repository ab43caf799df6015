/** What a caller reads about its plan, as `responseHeaders` lists it. On admitted requests and on 429. */
import type { Plan } from '../../model/model.js';
import type { AdmissionResult, QuotaPeriod } from '../../ratelimit/store.js';
import type { HeaderPair } from '../decision.js';

const seconds = (ms: number): number => Math.max(0, Math.ceil(ms / 1000));

const DAY_SECONDS = 86_400;
/** Windows of fixed length; a month has none, and `w` is optional. */
const PERIOD_SECONDS: { readonly [P in QuotaPeriod]: number | undefined } = {
  Day: DAY_SECONDS,
  Week: 7 * DAY_SECONDS,
  Month: undefined,
  Total: undefined,
};

/** Names are checked by translate; this only keeps a quote from ending the structured-field string. */
const quoted = (name: string): string => `"${name.replace(/[^ !#-[\]-~]/g, '')}"`;

/** The documented headers of key-pair calls: the throttle setting, and `used/limit` of the first quota, else of the first rate. */
function tencent(plan: Plan, keyId: string, result: AdmissionResult | undefined): HeaderPair[] {
  const headers: HeaderPair[] = [
    ['x-secret-id', keyId],
    ['x-usageplan-id', plan.planId],
  ];
  const [rate] = plan.rateLimits;
  if (rate) headers.push(['x-ratelimit-limit', String(rate.requests)]);
  const quotaState = result?.quotas[0];
  const rateState = result?.rates[0];
  if (quotaState) headers.push(['x-ratelimit-used', `${quotaState.used}/${quotaState.limit}`]);
  else if (rateState) headers.push(['x-ratelimit-used', `${rateState.burst - rateState.remaining}/${rateState.burst}`]);
  return headers;
}

/** Of the limit that is closest to its end, so that a client that obeys one number obeys all. */
function xRateLimit(result: AdmissionResult | undefined): HeaderPair[] {
  const states = [
    ...(result?.rates ?? []).map((state) => ({ limit: state.burst, left: state.remaining, resetMs: state.resetMs })),
    ...(result?.quotas ?? []).map((state) => ({
      limit: state.limit,
      left: state.limit - state.used,
      resetMs: state.resetMs,
    })),
  ];
  let tightest = states[0];
  for (const state of states) if (tightest && state.left < tightest.left) tightest = state;
  if (!tightest) return [];
  const headers: HeaderPair[] = [
    ['x-ratelimit-limit', String(tightest.limit)],
    ['x-ratelimit-remaining', String(Math.max(0, tightest.left))],
  ];
  if (tightest.resetMs !== undefined) headers.push(['x-ratelimit-reset', String(seconds(tightest.resetMs))]);
  return headers;
}

/** `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers. */
function ietf(plan: Plan, result: AdmissionResult | undefined): HeaderPair[] {
  const policies: string[] = [];
  const states: string[] = [];
  for (const [i, rate] of plan.rateLimits.entries()) {
    policies.push(`${quoted(rate.name)};q=${rate.requests};w=${Math.max(1, seconds(rate.intervalMs))}`);
    const state = result?.rates[i];
    if (state) states.push(`${quoted(rate.name)};r=${Math.max(0, state.remaining)};t=${seconds(state.resetMs)}`);
  }
  for (const [i, quota] of plan.quotas.entries()) {
    const window = PERIOD_SECONDS[quota.period];
    policies.push(`${quoted(quota.name)};q=${quota.requests}${window === undefined ? '' : `;w=${window}`}`);
    const state = result?.quotas[i];
    if (!state) continue;
    const reset = state.resetMs === undefined ? '' : `;t=${seconds(state.resetMs)}`;
    states.push(`${quoted(quota.name)};r=${Math.max(0, state.limit - state.used)}${reset}`);
  }
  const headers: HeaderPair[] = [];
  if (policies.length > 0) headers.push(['ratelimit-policy', policies.join(', ')]);
  if (states.length > 0) headers.push(['ratelimit', states.join(', ')]);
  return headers;
}

/** The headers the plan lists; without counters (`result` undefined) what the plan alone says. */
export function limitHeaders(plan: Plan, keyId: string, result: AdmissionResult | undefined): readonly HeaderPair[] {
  const headers: HeaderPair[] = [];
  for (const kind of plan.responseHeaders) {
    switch (kind) {
      case 'Tencent':
        headers.push(...tencent(plan, keyId, result));
        break;
      case 'XRateLimit':
        headers.push(...xRateLimit(result));
        break;
      case 'IETF':
        headers.push(...ietf(plan, result));
        break;
    }
  }
  return headers;
}

/** Until every limit that refused would admit one request. A Total quota never does: a day, so that clients stop trying. */
export function retryAfterSeconds(result: AdmissionResult): number {
  let wait = 1;
  for (const rate of result.rates) if (rate.exceeded) wait = Math.max(wait, seconds(rate.retryAfterMs));
  for (const quota of result.quotas) {
    if (quota.exceeded) wait = Math.max(wait, quota.resetMs === undefined ? DAY_SECONDS : seconds(quota.resetMs));
  }
  return wait;
}
