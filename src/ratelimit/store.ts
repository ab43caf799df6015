/**
 * The counter store: one atomic decision per request over the replay marker, all rates and all quotas.
 * All or nothing: a refusal charges nothing and burns no nonce. Memory and Redis implement it; one
 * contract suite runs over both.
 */
export interface RateCharge {
  /** Counter name without user text (hash of plan, limit, scope subject). */
  readonly counter: string;
  /** Replaces the admission's `subject` for a counter that several keys share (Plan scope); not on Cluster. */
  readonly subject?: string;
  readonly requests: number;
  readonly intervalMs: number;
  /** Tokens spendable at once; 0 requests admits nothing. */
  readonly burst: number;
  /** Counted and reported, never refused. */
  readonly shadow: boolean;
}

export type QuotaPeriod = 'Day' | 'Week' | 'Month' | 'Total';

export interface QuotaCharge {
  readonly counter: string;
  /** As in `RateCharge`. */
  readonly subject?: string;
  readonly limit: number;
  readonly period: QuotaPeriod;
  /** IANA zone; ignored for Total. */
  readonly timeZone: string;
  readonly shadow: boolean;
}

export interface Admission {
  /** Hex hash of the key id (or of the plan, for Plan scope alone): the `{tag}` of every Redis key of the decision. */
  readonly subject: string;
  /** Same for a Check that Envoy retries (hash of node id and stream id): passes its own marker once more. */
  readonly token: string;
  /** The marker that must not exist yet; kept until `ttlMs` from now. */
  readonly replay?: { readonly marker: string; readonly ttlMs: number };
  readonly rates: readonly RateCharge[];
  readonly quotas: readonly QuotaCharge[];
}

export interface RateState {
  /** Tokens left after this decision. */
  readonly remaining: number;
  readonly burst: number;
  /** Until one more token is there; 0 when there is one. */
  readonly retryAfterMs: number;
  /** Until the bucket is full again. */
  readonly resetMs: number;
  readonly exceeded: boolean;
}

export interface QuotaState {
  readonly used: number;
  readonly limit: number;
  /** Until the window ends; `undefined` for Total. */
  readonly resetMs: number | undefined;
  readonly exceeded: boolean;
}

export type AdmissionResult = {
  readonly outcome: 'admitted' | 'replayed' | 'rate_limited' | 'quota_exceeded';
  /** In the order of the charges; after the decision. Empty when replayed. */
  readonly rates: readonly RateState[];
  readonly quotas: readonly QuotaState[];
};

export type StoreMode = 'Memory' | 'Single' | 'Sentinel' | 'Cluster';

/** What makes a store that answers unfit for its limits. */
export interface StoreFlaw {
  readonly check: 'eviction' | 'persistence' | 'version';
  readonly message: string;
}

export interface StoreHealth {
  /** Decisions are made by the store, for every caller. */
  readonly healthy: boolean;
  readonly message: string;
  /** As last seen; absent or empty = none. */
  readonly flaws?: readonly StoreFlaw[] | undefined;
}

export interface CounterStore {
  readonly mode: StoreMode;
  /** @throws StoreUnavailableError when the store does not answer in time; the outcome is then unknown and must not be retried. */
  admit(admission: Admission): Promise<AdmissionResult>;
  /** Current health, for readiness and conditions. */
  health(): StoreHealth;
  close(): Promise<void>;
}
