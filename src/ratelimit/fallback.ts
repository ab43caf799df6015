/**
 * What happens to a request while the counter store is away: each kind of limit has its policy. Deny refuses,
 * Allow counts here without refusing, LocalFallback enforces this authorizer's share of the limit here.
 * The failed call may have been counted and is not sent again.
 */
import { StoreUnavailableError } from './errors.js';
import type { MemoryStore } from './memory.js';
import type { Admission, AdmissionResult, CounterStore, QuotaCharge, RateCharge } from './store.js';

export interface FailurePolicies {
  /** `onStoreFailure.rate` and `.quota` of the plan; without a plan they do not matter. */
  readonly rate: 'Deny' | 'Allow' | 'LocalFallback';
  readonly quota: 'Deny' | 'Allow' | 'LocalFallback';
  /** `verification.replayStoreFailure` of the API. Local markers stop replays to this authorizer only. */
  readonly replay: 'LocalFallback' | 'Deny';
  /** Authorizers that share the limits, this one included. */
  readonly authorizers: number;
}

export type FallbackResult =
  | (AdmissionResult & {
      /** Decided here, without the store. `limit` and `burst` are then this authorizer's share. */
      readonly degraded: boolean;
    })
  | { readonly outcome: 'store_unavailable'; readonly degraded: true; readonly message: string };

/**
 * Asks `store`; when it is unavailable the policies decide, with `local` as the counter. Shadow limits never
 * refuse, whatever the policy. Markers set here while the store was away stay in force until they expire.
 * Errors other than unavailability are passed on: they are bugs, and a bug refuses.
 */
export async function admitWithFallback(
  store: CounterStore,
  local: MemoryStore,
  admission: Admission,
  policies: FailurePolicies,
): Promise<FallbackResult> {
  if (local.replayed(admission)) return { outcome: 'replayed', rates: [], quotas: [], degraded: false };
  try {
    return { ...(await store.admit(admission)), degraded: false };
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    const denied =
      (admission.replay !== undefined && policies.replay === 'Deny') ||
      (policies.rate === 'Deny' && admission.rates.some(({ shadow }) => !shadow)) ||
      (policies.quota === 'Deny' && admission.quotas.some(({ shadow }) => !shadow));
    if (denied) return { outcome: 'store_unavailable', degraded: true, message: error.message };
    return admitLocally(local, admission, policies);
  }
}

async function admitLocally(
  local: MemoryStore,
  admission: Admission,
  policies: FailurePolicies,
): Promise<FallbackResult> {
  const authorizers = Math.max(1, Math.floor(policies.authorizers));
  try {
    const result = await local.admit({
      ...admission,
      rates: admission.rates.map((charge) => shareOfRate(charge, authorizers, policies.rate)),
      quotas: admission.quotas.map((charge) => shareOfQuota(charge, authorizers, policies.quota)),
    });
    return { ...result, degraded: true };
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    return { outcome: 'store_unavailable', degraded: true, message: error.message };
  }
}

/** The interval grows instead of the count shrinking: the rate is divided exactly. */
function shareOfRate(charge: RateCharge, authorizers: number, policy: FailurePolicies['rate']): RateCharge {
  return {
    ...charge,
    intervalMs: charge.intervalMs * authorizers,
    burst: share(charge.burst, authorizers),
    shadow: charge.shadow || policy === 'Allow',
  };
}

function shareOfQuota(charge: QuotaCharge, authorizers: number, policy: FailurePolicies['quota']): QuotaCharge {
  return { ...charge, limit: share(charge.limit, authorizers), shadow: charge.shadow || policy === 'Allow' };
}

/** At least one, or small limits would admit nothing at all; 0 stays 0. */
function share(count: number, authorizers: number): number {
  return count > 0 ? Math.max(1, Math.floor(count / authorizers)) : count;
}
