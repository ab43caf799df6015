/**
 * Condition types and the closed list of their reasons, which problems and events share. A reason is a promise:
 * docs/reference lists each with the meaning that stands here.
 */

export interface Condition {
  readonly type: ConditionType;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: Reason;
  readonly message: string;
  readonly observedGeneration?: number;
  /** RFC 3339; changes only when `status` does. */
  readonly lastTransitionTime: string;
}

/** A condition before the status writer adds times. */
export type ConditionState = Omit<Condition, 'lastTransitionTime' | 'observedGeneration'>;

export const CONDITION_TYPES = {
  Accepted: 'The object is valid and nothing stronger stands against it.',
  ResolvedRefs: 'Secrets, Services, keys and groups that the object names exist and may be used.',
  Programmed: 'Every Envoy and authorizer that is expected has acknowledged this generation.',
  Ready:
    'Summary of the others for kubectl wait, Flux and Argo CD. Wanted absence (Disabled, Offline) is ready, whatever became of references and times. The message may be a warning.',
  LimiterHealthy: 'The counter store of a UsagePlan answers and is fit for its limits.',
  ReplayWindowOpen:
    'Warning: some accepted schemes carry no nonce, so that a captured request can be repeated until its date expires.',
  DateUnchecked: 'Warning: dateOnly is Allow, so that a captured request can be repeated for ever.',
} as const;

export type ConditionType = keyof typeof CONDITION_TYPES;

export const REASONS = {
  // Positive and neutral
  Accepted: 'The object is valid.',
  ResolvedRefs: 'All references are resolved.',
  Programmed: 'All expected nodes have acknowledged the current generation.',
  Ready: 'The object works.',
  Pending: 'The controller has not looked at the object yet.',
  Disabled: 'state is Disabled, as wanted.',
  Offline: 'All environments are Offline, as wanted.',
  Healthy: 'The counter store answers.',

  // The object itself
  Invalid: 'The object, or a part of it, has an error; the message names the place.',
  InvalidValue: 'A value is not of the kind that the schema asks for.',
  UnknownField: 'The schema has no such field.',
  UnknownKind: 'The object is of no kind that is read here.',
  RequiredField: 'A required field is missing.',
  Duplicate: 'An entry of a list is repeated.',
  Immutable: 'A field was changed that cannot be changed.',
  NotImplemented:
    'The field is part of the API but this version does not act on it, so that it is refused rather than ignored.',
  InvalidTimeZone: 'The name is no IANA time zone.',
  Conflicted: 'Another object claims the same and goes before; the message names it.',
  DuplicateKeyID:
    'Another key has the same id; the message names it where it is of the same namespace, and always in a folder.',
  HostnameNotPermitted:
    'The flag --hostnames (value hostnames of the chart) does not let this namespace claim the host name.',
  BackendNotPermitted:
    'The flag --backend-hosts (value backendHosts of the chart) does not admit the host, or its address is loopback, link-local or unspecified.',
  BackendMissing: 'Neither API, environment nor group names a backend.',
  UnsupportedByStore: 'The mode of the counter store cannot keep this limit.',
  Expired: 'expirationTime has passed.',
  NotYetValid: 'notBeforeTime lies ahead.',

  // References
  SecretNotFound: 'The Secret does not exist.',
  SecretNotReady: 'The Secret of a generated key has not been written yet.',
  InvalidSecret: 'The Secret is not of our type, lacks a datum, or its data do not fit the key.',
  ServiceNotFound: 'The Service does not exist, lacks the port, or has no address in file mode.',
  KeyNotFound: 'No such key, or it does not admit this namespace: the answer is the same for both.',
  KeyExpired: 'The key has expired, so that the grant has no effect for it.',
  KeyIdentityMismatch: 'The identity of the key is not the one that the type of the Authorization is for.',
  KeyUsageMismatch: 'The key is a Caller key where a Backend key is needed, or the other way round.',
  ApiGroupNotFound: 'No such ApiGroup in this namespace.',
  EnvironmentNotFound: 'The group has no such environment.',
  ApiNotFound: 'The group has no such API; the name grants nothing.',
  EnvironmentNotReleased: 'The environment is Offline.',
  AccessAuthorizationDisabled: 'access.authorization is Disabled for the target, so that a grant has no effect.',

  // Programming
  Propagating: 'Some expected nodes have not acknowledged the current generation yet; the message names them.',
  NoDataPlane: 'No Envoy or authorizer is connected.',
  Rejected: 'Envoy rejected what was made of the object; the message is Envoy\u2019s. It keeps what it had.',

  // Limiter
  StoreUnavailable: 'The counter store does not answer.',
  StoreMisconfigured: 'The counter store may lose or evict counters (eviction policy, persistence) or is too old.',

  // Warnings of a plan
  AdmitsNothing: 'A limit is 0, which refuses every request.',
  DefaultBurst: 'A rate of several requests says no burst and admits one at a time; only lint tells.',
  NoLimit: 'The plan has neither rateLimits nor quotas; only lint tells.',

  // Warnings of a group
  NoAuthorization: 'access.authorization is Enabled and no Authorization names the group, so that nobody may call it.',
  LiteralPattern: 'A path holds what other gateways take for a pattern, and here stands for itself; only lint tells.',
  SchemesWithoutNonce: 'The message names the dialects that carry no nonce.',
  DateOnlyAllowed: 'Signed Date headers are not checked.',

  // Events
  DataPlaneLost: 'A node vanished without goodbye and is no longer expected.',
  RefusedAsker: 'An object asked for a key that does not admit its namespace.',
} as const;

export type Reason = keyof typeof REASONS;
