/**
 * Phase 4: one question to the counter store for replay marker, rates and quotas together:
 * all or nothing; a refusal charges nothing and burns no nonce. No store is asked when nothing is counted.
 */
import type { Plan, Quota, RateLimit, ResourceKey } from '../../model/model.js';
import { admitWithFallback, type FallbackResult } from '../../ratelimit/fallback.js';
import type { MemoryStore } from '../../ratelimit/memory.js';
import type { Admission, AdmissionResult, CounterStore, QuotaCharge, RateCharge } from '../../ratelimit/store.js';
import type { VerificationOptions, Verified } from '../../signature/dialect.js';
import type { HeaderPair } from '../decision.js';
import { counterName, keySubject, planSubject, replayMarker, tokenName } from '../counters.js';
import { limitHeaders, retryAfterSeconds } from './limit-headers.js';
import type { Matched } from './match.js';
import type { Passed, Refused } from './refused.js';
import type { CheckRequest } from '../request.js';
import type { Caller } from './verify.js';

export interface LimitDependencies {
  readonly store: CounterStore;
  /** Counts here while `store` is away. */
  readonly local: MemoryStore;
  /** Authorizers that share the limits, this one included. */
  readonly authorizers: () => number;
}

export interface Limited extends Passed {
  /** Towards the caller. */
  readonly headers: readonly HeaderPair[];
}

/** What became of the limits, for metrics. */
export interface LimitObservation {
  /** Decided without the store, by the failure policies. */
  readonly degraded: boolean;
  /** A plan in Shadow that would have refused the request. */
  readonly shadow: { readonly plan: ResourceKey; readonly reason: 'rate_limited' | 'quota_exceeded' } | undefined;
}

export type LimitOutcome = (Limited | Refused) & {
  /** Absent when nothing is counted. */
  readonly observed?: LimitObservation;
};

const UNLIMITED: Limited = { headers: [] };
/** An outage that ends by itself does so within seconds; clients that obey come back then. */
const RETRY_AFTER_OUTAGE_SECONDS = 2;
/**
 * How long a marker is kept: the widest date window (15 minutes to both sides), whatever `maxClockSkew` is now,
 * since it may be raised while a captured request waits; and some seconds for clocks that differ.
 */
const MARKER_TTL_MS = 2 * 15 * 60_000 + 10_000;

interface Charges {
  readonly rates: readonly RateCharge[];
  readonly quotas: readonly QuotaCharge[];
}

const NO_CHARGES: Charges = { rates: [], quotas: [] };

/** Names are hashes, a few microseconds each, and never change while the plan object lives. */
const chargesByPlan = new WeakMap<Plan, Map<string, Charges>>();
/** Callers and APIs remembered per plan. Only keys that verified get here, but a plan may have very many. */
const MAX_REMEMBERED = 10_000;

function chargesOf(plan: Plan, keyId: string, matched: Matched): Charges {
  let remembered = chargesByPlan.get(plan);
  if (!remembered) chargesByPlan.set(plan, (remembered = new Map<string, Charges>()));
  const name = `${keyId}\n${matched.environment.environment.name}\n${matched.apiId}`;
  let charges = remembered.get(name);
  if (!charges) {
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(name, (charges = buildCharges(plan, keyId, matched)));
  }
  return charges;
}

function buildCharges(plan: Plan, keyId: string, matched: Matched): Charges {
  const shadow = plan.enforcement === 'Shadow';
  const place = ({ name, scope }: RateLimit | Quota, kind: 'rate' | 'quota') => ({
    counter: counterName(kind, {
      plan: plan.key,
      limit: name,
      scope,
      keyId,
      api: matched.apiId,
      environment: matched.environment.environment.name,
    }),
    ...(scope === 'Plan' ? { subject: planSubject(plan.key) } : {}),
    shadow,
  });
  return {
    rates: plan.rateLimits.map((rate) => ({
      ...place(rate, 'rate'),
      requests: rate.requests,
      intervalMs: rate.intervalMs,
      burst: rate.burst,
    })),
    quotas: plan.quotas.map((quota) => ({
      ...place(quota, 'quota'),
      limit: quota.requests,
      period: quota.period,
      timeZone: quota.timeZone,
    })),
  };
}

interface Replay {
  readonly marker: string;
  readonly ttlMs: number;
  readonly reason: 'replayed_nonce' | 'replayed_signature';
}

function replayOf(signature: Verified | undefined, options: VerificationOptions): Replay | undefined {
  if (!signature || options.replayProtection === 'Disabled') return undefined;
  const ttlMs = MARKER_TTL_MS;
  // The signature covers the nonce, so one marker refuses the repeated nonce and the repeated signature.
  if (signature.nonce !== undefined)
    return { marker: replayMarker(signature, 'nonce'), ttlMs, reason: 'replayed_nonce' };
  if (options.replayProtection === 'Nonce') return undefined;
  return { marker: replayMarker(signature, 'signature'), ttlMs, reason: 'replayed_signature' };
}

/** Asks the store to admit the request. The only phase that waits for anything. */
export async function limit(
  request: CheckRequest,
  matched: Matched,
  caller: Caller,
  plan: Plan | undefined,
  { store, local, authorizers }: LimitDependencies,
): Promise<LimitOutcome> {
  const keyId = caller.key?.keyId;
  if (keyId === undefined) return UNLIMITED;
  const { verification } = matched.api;
  const replay = replayOf(caller.signature, verification);
  const charges: Charges = plan ? chargesOf(plan, keyId, matched) : NO_CHARGES;
  const counts = charges.rates.length + charges.quotas.length > 0;
  if (!replay && !counts) return plan ? { headers: limitHeaders(plan, keyId, undefined) } : UNLIMITED;

  const admission: Admission = {
    subject: keySubject(keyId),
    token: tokenName(request.streamToken),
    ...(replay ? { replay: { marker: replay.marker, ttlMs: replay.ttlMs } } : {}),
    ...charges,
  };
  const result = await admitWithFallback(store, local, admission, {
    rate: plan?.onStoreFailure.rate ?? 'Deny',
    quota: plan?.onStoreFailure.quota ?? 'Deny',
    replay: verification.replayStoreFailure,
    authorizers: authorizers(),
  });
  const observed = { degraded: result.degraded, shadow: exceededInShadow(plan, result) };
  if (result.outcome === 'store_unavailable')
    return { refused: 'store_unavailable', retryAfterSeconds: RETRY_AFTER_OUTAGE_SECONDS, observed };
  return { ...judge(result, replay, plan, keyId), observed };
}

function exceededInShadow(plan: Plan | undefined, result: FallbackResult): LimitObservation['shadow'] {
  if (plan?.enforcement !== 'Shadow' || result.outcome !== 'admitted') return undefined;
  const exceeded = ({ exceeded: is }: { readonly exceeded: boolean }): boolean => is;
  if (result.rates.some(exceeded)) return { plan: plan.key, reason: 'rate_limited' };
  return result.quotas.some(exceeded) ? { plan: plan.key, reason: 'quota_exceeded' } : undefined;
}

function judge(
  result: AdmissionResult,
  replay: Replay | undefined,
  plan: Plan | undefined,
  keyId: string,
): Limited | Refused {
  const headers = plan ? limitHeaders(plan, keyId, result) : [];
  switch (result.outcome) {
    case 'admitted':
      return { headers };
    case 'replayed':
      return { refused: replay?.reason ?? 'internal_error' };
    case 'rate_limited':
    case 'quota_exceeded':
      return { refused: result.outcome, headers, retryAfterSeconds: retryAfterSeconds(result) };
  }
}
