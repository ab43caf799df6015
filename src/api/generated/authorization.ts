// Generated from crds/countersign.dev_authorizations.yaml by scripts/generate-types.mjs. Do not edit.

/**
 * What is granted to whom.
 */
export interface AuthorizationSpec {
  /**
   * GatewaySignature: for keys with identity SignatureKeyPair. UserSignature: for keys with identity UserAccessKey. A key of the other identity is not authorized.
   */
  readonly type: 'GatewaySignature' | 'UserSignature';
  readonly keys: AuthorizationKeys;
  /**
   * What the keys may call.
   */
  readonly targets: readonly AuthorizationTarget[];
  /**
   * Disabled: grants nothing. Default: Enabled.
   */
  readonly state: 'Enabled' | 'Disabled';
  /**
   * The Authorization grants nothing from this time on. RFC 3339, for example 2027-01-01T00:00:00Z.
   */
  readonly expirationTime?: string;
}
/**
 * Keys that are authorized. At least one.
 */
export interface AuthorizationKeys {
  /**
   * SignatureKeys with usage Caller, by reference. A key of another namespace must admit this one (allowedAuthorizers).
   */
  readonly refs?: readonly AuthorizationKeysRef[];
  /**
   * Keys of other tenants by id. The answer is the same for an unknown key and for one that does not admit this namespace.
   */
  readonly ids?: readonly AuthorizationKeysId[];
}
/**
 * Reference to a SignatureKey.
 */
export interface AuthorizationKeysRef {
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
export interface AuthorizationKeysId {
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
 * APIs of one group in one environment.
 */
export interface AuthorizationTarget {
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
export interface AuthorizationStatus {
  /**
   * Generation of the object that this status describes.
   */
  readonly observedGeneration?: number;
  /**
   * Conditions of the object: Accepted, ResolvedRefs, Programmed and, as their summary, Ready. Each reason is explained in docs/reference/conditions.md.
   */
  readonly conditions?: readonly AuthorizationStatusCondition[];
  /**
   * The targets, in the order of spec; at most 64.
   */
  readonly targets?: readonly AuthorizationStatusTarget[];
  readonly effective?: AuthorizationStatusEffective;
}
/**
 * One aspect of the object's current state.
 */
export interface AuthorizationStatusCondition {
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
 * One target.
 */
export interface AuthorizationStatusTarget {
  /**
   * Name of the ApiGroup.
   */
  readonly apiGroup: string;
  /**
   * Name of the environment.
   */
  readonly environment: string;
  /**
   * Conditions of the object: Accepted, ResolvedRefs, Programmed and, as their summary, Ready. Each reason is explained in docs/reference/conditions.md.
   */
  readonly conditions?: readonly AuthorizationStatusTargetCondition[];
}
/**
 * One aspect of the object's current state.
 */
export interface AuthorizationStatusTargetCondition {
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
 * What the object grants in effect.
 */
export interface AuthorizationStatusEffective {
  /**
   * Number of keys that are authorized now.
   */
  readonly keys?: number;
  /**
   * Number of (API, environment) pairs that they may call.
   */
  readonly apis?: number;
}
