// Generated from crds/countersign.dev_usageplans.yaml by scripts/generate-types.mjs. Do not edit.

/**
 * Limits, and what they apply to.
 */
export interface UsagePlanSpec {
  /**
   * Rate limits; all apply.
   */
  readonly rateLimits?: readonly UsagePlanRateLimit[];
  /**
   * Quotas; all apply.
   */
  readonly quotas?: readonly UsagePlanQuota[];
  /**
   * Enforce: requests over a limit are refused with 429. Shadow: they are counted and reported, never refused. Default: Enforce.
   */
  readonly enforcement: 'Enforce' | 'Shadow';
  readonly onStoreFailure: UsagePlanOnStoreFailure;
  /**
   * Headers that tell the caller its limits. Tencent: X-RateLimit-Limit and X-RateLimit-Used as Tencent writes them. XRateLimit: X-RateLimit-Limit, -Remaining and -Reset. IETF: RateLimit and RateLimit-Policy. Default: none.
   */
  readonly responseHeaders?: readonly ('Tencent' | 'XRateLimit' | 'IETF')[];
  readonly keys: UsagePlanKeys;
  /**
   * APIs whose requests the plan counts. A target that names APIs goes before one that covers the group.
   */
  readonly targets: readonly UsagePlanTarget[];
  /**
   * Disabled: the plan binds nothing. Default: Enabled.
   */
  readonly state: 'Enabled' | 'Disabled';
}
/**
 * One rate limit.
 */
export interface UsagePlanRateLimit {
  /**
   * Name of the limit, unique among rates and quotas; counters are kept under it.
   */
  readonly name: string;
  /**
   * Requests per interval. 0 admits nothing.
   */
  readonly requests: number;
  /**
   * Length of the interval. From 1ms to 24h.
   */
  readonly interval: string;
  /**
   * Requests that can be spent at once; in any time t at most burst + t * requests / interval are admitted. Default: requests for intervals up to 1s, else requests / 60, at least 1.
   */
  readonly burst?: number;
  /**
   * What is counted together. Key: all requests of a key under the plan. KeyAndApi: of a key to one API. Plan: of all keys of the plan. Default: Key.
   */
  readonly scope: 'Key' | 'KeyAndApi' | 'Plan';
}
/**
 * One quota.
 */
export interface UsagePlanQuota {
  /**
   * Name of the quota, unique among rates and quotas; counters are kept under it.
   */
  readonly name: string;
  /**
   * Requests per period. 0 admits nothing.
   */
  readonly requests: number;
  /**
   * Calendar window: Day, Week (from Monday) or Month; or Total, which never resets.
   */
  readonly period: 'Day' | 'Week' | 'Month' | 'Total';
  /**
   * IANA time zone whose calendar is used, for example Asia/Shanghai. Not allowed for Total. Default: UTC.
   */
  readonly timeZone?: string;
  /**
   * What is counted together. Key: all requests of a key under the plan. KeyAndApi: of a key to one API. Plan: of all keys of the plan. Default: Key.
   */
  readonly scope: 'Key' | 'KeyAndApi' | 'Plan';
}
/**
 * What happens when the counter store does not answer.
 */
export interface UsagePlanOnStoreFailure {
  /**
   * Rate limits when the counter store does not answer. Deny: refuse with 503. Allow: let pass uncounted. LocalFallback: each authorizer counts its share on its own. Default: LocalFallback.
   */
  readonly rate: 'Deny' | 'Allow' | 'LocalFallback';
  /**
   * Quotas when the counter store does not answer. Deny: refuse with 503. Allow: let pass uncounted. LocalFallback: each authorizer counts its share on its own. Default: Deny.
   */
  readonly quota: 'Deny' | 'Allow' | 'LocalFallback';
}
/**
 * Keys that are bound to the plan. At least one.
 */
export interface UsagePlanKeys {
  /**
   * SignatureKeys with usage Caller, by reference. A key of another namespace must admit this one (allowedAuthorizers).
   */
  readonly refs?: readonly UsagePlanKeysRef[];
  /**
   * Keys of other tenants by id. The answer is the same for an unknown key and for one that does not admit this namespace.
   */
  readonly ids?: readonly UsagePlanKeysId[];
  readonly selector?: UsagePlanKeysSelector;
}
/**
 * Reference to a SignatureKey.
 */
export interface UsagePlanKeysRef {
  /**
   * Name of the SignatureKey.
   */
  readonly name: string;
  /**
   * Its namespace. Default: the namespace of this object.
   */
  readonly namespace?: string;
}
/**
 * One key by its id.
 */
export interface UsagePlanKeysId {
  /**
   * Id that travels on the wire (status.keyID of the key).
   */
  readonly keyID?: string;
  /**
   * Id of the pair (status.pairID of the key).
   */
  readonly pairID?: string;
  /**
   * Namespace of the key. Required unless the id was generated: generated ids are never given twice, imported ones could be.
   */
  readonly namespace?: string;
}
/**
 * SignatureKeys of the plan's own namespace, by their labels.
 */
export interface UsagePlanKeysSelector {
  /**
   * Labels that must all be present with these values. At least one.
   */
  readonly matchLabels: {
    readonly [k: string]: string;
  };
}
/**
 * APIs of one group in one environment.
 */
export interface UsagePlanTarget {
  /**
   * Name of an ApiGroup in the same namespace.
   */
  readonly apiGroup: string;
  /**
   * Name of an environment of the group.
   */
  readonly environment: string;
  /**
   * Names of APIs of the group, or "*" alone for all of them. An unknown name covers nothing.
   */
  readonly apis: readonly string[];
}

/**
 * What the controller found. Written by the controller only; in file mode it is ignored as input. It holds no live counters.
 */
export interface UsagePlanStatus {
  /**
   * Generation of the object that this status describes.
   */
  readonly observedGeneration?: number;
  /**
   * Conditions of the object: Accepted, ResolvedRefs, Programmed and, as their summary, Ready. Each reason is explained in docs/reference/conditions.md.
   */
  readonly conditions?: readonly UsagePlanStatusCondition[];
  /**
   * Id of the plan, sent to backends and callers as X-UsagePlan-ID.
   */
  readonly planID?: string;
  readonly bindings?: UsagePlanStatusBindings;
  readonly limiter?: UsagePlanStatusLimiter;
}
/**
 * One aspect of the object's current state.
 */
export interface UsagePlanStatusCondition {
  /**
   * Name of the condition.
   */
  readonly type: string;
  /**
   * Whether the condition holds.
   */
  readonly status: 'True' | 'False' | 'Unknown';
  /**
   * Why, as one word of a closed list.
   */
  readonly reason: string;
  /**
   * The same for people; never holds a secret.
   */
  readonly message: string;
  /**
   * When status last changed.
   */
  readonly lastTransitionTime: string;
  /**
   * Generation of the object that the condition speaks of.
   */
  readonly observedGeneration?: number;
}
/**
 * What the plan binds in effect.
 */
export interface UsagePlanStatusBindings {
  /**
   * Number of keys that are bound now.
   */
  readonly keys?: number;
  /**
   * Number of targets that are bound now.
   */
  readonly targets?: number;
  /**
   * Number of targets where another plan applies for some key.
   */
  readonly conflicts?: number;
}
/**
 * The counter store.
 */
export interface UsagePlanStatusLimiter {
  /**
   * Kind of counter store.
   */
  readonly mode?: 'Memory' | 'Single' | 'Sentinel' | 'Cluster';
  /**
   * Whether the store answers.
   */
  readonly healthy?: boolean;
}
