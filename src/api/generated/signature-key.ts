// Generated from crds/countersign.dev_signaturekeys.yaml by scripts/generate-types.mjs. Do not edit.

/**
 * What is wanted of the key.
 */
export interface SignatureKeySpec {
  /**
   * Name for people, at most 64 characters.
   */
  readonly displayName?: string;
  /**
   * Free text for people, at most 255 characters.
   */
  readonly description?: string;
  /**
   * What the key is for. Caller: clients sign requests with it. Backend: the gateway signs its requests to a backend with it. Immutable and exclusive, so that a backend can never pose as its caller.
   */
  readonly usage: 'Caller' | 'Backend';
  /**
   * Which of the two caller identities the key is. SignatureKeyPair: a pair whose id (status.pairID) is handed to API providers. UserAccessKey: the access key of a user. Required on Caller keys, not allowed on Backend keys. Immutable.
   */
  readonly identity?: 'SignatureKeyPair' | 'UserAccessKey';
  /**
   * How the key signs. HMAC: a vendor's HMAC scheme. Basic: user name and password. AES: the key name encrypted by AES in CFB mode, a legacy scheme without integrity. Caller keys are HMAC. Immutable.
   */
  readonly type: 'HMAC' | 'Basic' | 'AES';
  readonly aes?: SignatureKeyAes;
  /**
   * Enabled or Disabled. A disabled Caller key is refused at once; an API bound to a disabled Backend key answers 503. Default: Enabled.
   */
  readonly state: 'Enabled' | 'Disabled';
  /**
   * The key is not valid before this time. RFC 3339, for example 2027-01-01T00:00:00Z.
   */
  readonly notBeforeTime?: string;
  /**
   * The key is not valid from this time on. RFC 3339, for example 2027-01-01T00:00:00Z.
   */
  readonly expirationTime?: string;
  /**
   * Id that travels on the wire, of a key that is imported by secretRef. Required there on Caller keys and must equal datum keyId of the Secret, so that imported ids keep working and nobody can take one over later. Not allowed on generated keys, whose ids are random (see status.keyID), nor on AES keys, whose ids are secret. Immutable.
   */
  readonly keyID?: string;
  /**
   * Id that is handed to API providers, of an imported signature key pair. When it is absent a random one is given (see status.pairID). Immutable.
   */
  readonly pairID?: string;
  readonly secretRef?: SignatureKeySecretRef;
  readonly rotation?: SignatureKeyRotation;
  readonly allowedAuthorizers?: SignatureKeyAllowedAuthorizers;
}
/**
 * Settings of an AES key. Required when type is AES, else not allowed. Both data of an AES key are secret: outside its Secret it is called namespace/name.
 */
export interface SignatureKeyAes {
  /**
   * Cipher. AES128CFB takes a cipher key of 16 characters, AES256CFB one of 32; both an initialisation vector of 16.
   */
  readonly algorithm: 'AES128CFB' | 'AES256CFB';
}
/**
 * Secret in the same namespace, of type countersign.dev/signature-key, with data keyId and secret. When it is absent the controller generates ids and secret, random and never reused, into a Secret of its own.
 */
export interface SignatureKeySecretRef {
  /**
   * Name of the Secret.
   */
  readonly name: string;
}
/**
 * Rotation of a generated key. Keys with secretRef are rotated in their Secret: datum previousSecret verifies until previousNotAfter.
 */
export interface SignatureKeyRotation {
  /**
   * Raise by one to rotate the key. A key begins at 1, so that 2 is its first rotation. Must not be lowered.
   */
  readonly generation: number;
  /**
   * How long the previous secret still verifies after a rotation. Default: 72h. From 0s to 8760h.
   */
  readonly gracePeriod: string;
}
/**
 * Whose Authorizations and UsagePlans may use this Caller key. Withdrawing revokes at once. Default: the key's own namespace.
 */
export interface SignatureKeyAllowedAuthorizers {
  readonly namespaces: SignatureKeyAllowedAuthorizersNamespaces;
}
/**
 * Namespaces that may use the key.
 */
export interface SignatureKeyAllowedAuthorizersNamespaces {
  /**
   * Same: only the key's own namespace. All: every namespace. Selector: namespaces whose labels match. Default: Same.
   */
  readonly from: 'Same' | 'All' | 'Selector';
  readonly selector?: SignatureKeyAllowedAuthorizersNamespacesSelector;
}
/**
 * Selects namespaces by their labels. Required when from is Selector, else not allowed.
 */
export interface SignatureKeyAllowedAuthorizersNamespacesSelector {
  /**
   * Labels that must all be present with these values. At least one.
   */
  readonly matchLabels: {
    readonly [k: string]: string;
  };
}

/**
 * What the controller found. Written by the controller only; in file mode it is ignored as input. It holds no live counters.
 */
export interface SignatureKeyStatus {
  /**
   * Generation of the object that this status describes.
   */
  readonly observedGeneration?: number;
  /**
   * Conditions of the object: Accepted, ResolvedRefs, Programmed and, as their summary, Ready. Each reason is explained in docs/reference/conditions.md.
   */
  readonly conditions?: readonly SignatureKeyStatusCondition[];
  /**
   * Id that travels on the wire. Absent on AES keys.
   */
  readonly keyID?: string;
  /**
   * Id of the pair, to be handed to API providers.
   */
  readonly pairID?: string;
  /**
   * Secret that holds the key.
   */
  readonly secretName?: string;
  /**
   * Versions of the secret that are still good, newest first.
   */
  readonly versions?: readonly SignatureKeyStatusVersion[];
  readonly references?: SignatureKeyStatusReferences;
}
/**
 * One aspect of the object's current state.
 */
export interface SignatureKeyStatusCondition {
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
 * One version of the secret.
 */
export interface SignatureKeyStatusVersion {
  /**
   * Rotation generation of this secret.
   */
  readonly version: number;
  /**
   * Active: the current secret. Grace: a previous one that still verifies.
   */
  readonly state: 'Active' | 'Grace';
  /**
   * When a previous secret stops verifying.
   */
  readonly graceEndTime?: string;
}
/**
 * Who uses the key.
 */
export interface SignatureKeyStatusReferences {
  /**
   * Number of Authorizations that use the key.
   */
  readonly authorizations?: number;
  /**
   * Number of UsagePlans that bind the key.
   */
  readonly usagePlans?: number;
  /**
   * Number of APIs whose backend requests the key signs.
   */
  readonly apis?: number;
  /**
   * Objects that asked for the key and that allowedAuthorizers does not admit; at most 16 are listed.
   */
  readonly refused?: readonly SignatureKeyStatusReferencesRefused[];
}
/**
 * One refused asker.
 */
export interface SignatureKeyStatusReferencesRefused {
  /**
   * Kind of the asker.
   */
  readonly kind: 'Authorization' | 'UsagePlan';
  /**
   * Its namespace.
   */
  readonly namespace: string;
  /**
   * Its name.
   */
  readonly name: string;
}
