/**
 * The intermediate representation between resources and Envoy / the authorizer: readonly data with all
 * defaults applied and all references resolved. Knows neither Kubernetes nor Envoy. Identifiers are
 * `namespace/name`. What a user's mistake refuses is left out, but never its place: what it
 * matched is answered 503 rather than by something broader.
 */
import { compareText } from '../lib/compare-text.js';
import type { Redacted } from '../lib/redacted.js';
import type { DialectName, VerificationOptions } from '../signature/dialect.js';
import type { QuotaPeriod } from '../ratelimit/store.js';

/** `namespace/name` of a resource. */
export type ResourceKey = string;

export interface Model {
  readonly callerKeys: readonly CallerKey[];
  readonly groups: readonly Group[];
  readonly grants: readonly Grant[];
  readonly plans: readonly Plan[];
}

export const EMPTY_MODEL: Model = { callerKeys: [], groups: [], grants: [], plans: [] };

export type KeyState = 'Enabled' | 'Disabled';

/** Which namespaces may use a caller key (`allowedAuthorizers`, selectors already resolved to names). */
export type AdmittedNamespaces =
  { readonly all: true } | { readonly all: false; readonly namespaces: ReadonlySet<string> };

export interface CallerKey {
  readonly key: ResourceKey;
  readonly namespace: string;
  readonly keyId: string;
  readonly identity: 'SignatureKeyPair' | 'UserAccessKey';
  readonly state: KeyState;
  readonly notBeforeMs: number | undefined;
  readonly expirationMs: number | undefined;
  /** Empty when the Secret is missing or unusable: the id is known and refuses with `key_not_ready`. */
  readonly secrets: readonly KeySecret[];
  readonly admits: AdmittedNamespaces;
}

export interface KeySecret {
  readonly secret: Redacted<string>;
  /** Grace end of a previous secret; absent on the current one. */
  readonly notAfterMs?: number;
}

/** How a backend key signs, with its material. `undefined` material = bound but unable: 503 `backend_key_unavailable`. */
export interface BackendSignature {
  readonly key: ResourceKey;
  readonly type: 'HMAC' | 'Basic' | 'AES';
  /** HMAC only. */
  readonly dialect: DialectName | undefined;
  readonly aesAlgorithm: 'AES128CFB' | 'AES256CFB' | undefined;
  readonly material: BackendKeyMaterial | undefined;
  readonly notBeforeMs: number | undefined;
  readonly expirationMs: number | undefined;
}

export interface BackendKeyMaterial {
  /** Public for HMAC and Basic; for AES it is the cipher key and secret too. */
  readonly keyId: Redacted<string>;
  readonly secret: Redacted<string>;
  readonly previous: KeySecret | undefined;
}

export interface Group {
  readonly key: ResourceKey;
  readonly namespace: string;
  readonly name: string;
  /** Lower case; exact or `*.suffix`. Those the group won; conflicts are already taken out. */
  readonly hostnames: readonly string[];
  /** `/` or `/orders`, no trailing slash. */
  readonly basePath: string;
  readonly errors: 'Vendor' | 'Uniform';
  readonly cors: Cors | undefined;
  /** Empty when none can be served: the group then holds its base path and answers 503 `api_invalid`. */
  readonly environments: readonly Environment[];
}

export interface Environment {
  readonly name: string;
  readonly state: 'Released' | 'Offline';
  readonly isDefault: boolean;
  readonly match: EnvironmentMatch;
  readonly apis: readonly Api[];
  /** The route of paths that no API with settings of its own claims; also carries 404 and 405. */
  readonly route: Route;
  /** Settings of the group for refusals before an API is known. */
  readonly verification: VerificationOptions;
}

export type EnvironmentMatch =
  | { readonly type: 'PathPrefix'; /** one segment, no slash */ readonly value: string }
  | { readonly type: 'Header'; /** value of X-Stage */ readonly value: string }
  | { readonly type: 'Hostname'; readonly value: string };

/**
 * What Envoy must know to forward: content hash of (group, environment, backend, body mode, timeout).
 * The id travels to the authorizer in `context_extensions.route`.
 */
export interface Route {
  readonly id: string;
  readonly group: ResourceKey;
  readonly environment: string;
  readonly backend: Backend | undefined;
  /** Bytes Envoy buffers for the authorizer; `undefined` = streamed. */
  readonly maxBodyBytes: number | undefined;
  readonly timeoutMs: number;
}

export interface Backend {
  /** Stable content hash; names the Envoy cluster. */
  readonly id: string;
  /** For people: `ns/service:port` or the URL. */
  readonly description: string;
  readonly endpoints: readonly { readonly host: string; readonly port: number }[];
  readonly tls: { readonly caCertificates: string | undefined; readonly serverName: string } | undefined;
  readonly protocol: 'HTTP1' | 'HTTP2';
  /** The Host to send and to sign: the client's own, or a fixed text. */
  readonly host: { readonly type: 'Preserve' } | { readonly type: 'Fixed'; readonly value: string };
  /** Adds the Tencent gateway's documented request headers. */
  readonly headers: readonly 'Tencent'[];
}

export type PathMatch =
  | { readonly type: 'Exact'; readonly value: string }
  /** `/v1/orders/{id}`: a variable is one non-empty segment. */
  | { readonly type: 'Template'; readonly value: string }
  /** Whole segments. */
  | { readonly type: 'Prefix'; readonly value: string };

/**
 * Their order in an environment decides between templates of equal rank: the earlier one goes first. A refused API is
 * among them, for what only it matches must not fall to a broader one.
 */
export interface Api {
  readonly name: string;
  readonly match: {
    readonly path: PathMatch;
    /** Upper case; `undefined` = any but TRACE, CONNECT and OPTIONS, ranking below listed ones. */
    readonly methods: readonly string[] | undefined;
  };
  /** `Refused`: holds its match and answers 503 `api_invalid`; its other fields mean nothing. */
  readonly state: 'Released' | 'Offline' | 'Refused';
  readonly access: Access;
  readonly verification: VerificationOptions;
  readonly rewrite: Rewrite | undefined;
  readonly backendSignature: BackendSignature | undefined;
  readonly route: Route;
}

export interface Access {
  readonly authentication: 'Signature' | 'None';
  readonly authorization: 'Enabled' | 'Disabled';
  readonly usagePlan: 'Optional' | 'Required';
  readonly sourceRanges: { readonly allow: readonly string[]; readonly deny: readonly string[] } | undefined;
}

export interface Rewrite {
  /** Replaces the path; `{name}` is filled from the template's variables. The query is kept byte for byte. */
  readonly path: string | undefined;
  readonly method: string | undefined;
  readonly setHeaders: readonly (readonly [name: string, value: string])[];
}

export interface Cors {
  readonly allowOrigins: readonly string[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeSeconds: number | undefined;
  readonly allowCredentials: boolean;
}

/** One Authorization with the keys that exist, admit it and have its identity. Keys × APIs are never multiplied out. */
export interface Grant {
  readonly key: ResourceKey;
  readonly namespace: string;
  readonly callerKeys: readonly ResourceKey[];
  readonly targets: readonly Target[];
  readonly expirationMs: number | undefined;
}

export interface Target {
  readonly group: ResourceKey;
  readonly environment: string;
  /** `*` = all APIs of the group in that environment. */
  readonly apis: '*' | ReadonlySet<string>;
}

export interface Plan {
  readonly key: ResourceKey;
  readonly namespace: string;
  readonly name: string;
  readonly planId: string;
  /** False: its bindings stand and answer 503 `usage_plan_invalid`. */
  readonly valid: boolean;
  readonly enforcement: 'Enforce' | 'Shadow';
  readonly onStoreFailure: { readonly rate: StoreFailurePolicy; readonly quota: StoreFailurePolicy };
  readonly responseHeaders: readonly ('Tencent' | 'XRateLimit' | 'IETF')[];
  readonly rateLimits: readonly RateLimit[];
  readonly quotas: readonly Quota[];
  readonly callerKeys: readonly ResourceKey[];
  readonly targets: readonly Target[];
  /** Where age decides between plans (a folder): when it was first seen. */
  readonly createdMs?: number;
}

/**
 * Less than 0 when `a` applies rather than `b` where both bind a key to an API, and equally closely: the older one, then
 * by name. No time counts as the youngest.
 */
export function comparePlans(a: Pick<Plan, 'key' | 'createdMs'>, b: Pick<Plan, 'key' | 'createdMs'>): number {
  const [aMs, bMs] = [a.createdMs ?? Number.POSITIVE_INFINITY, b.createdMs ?? Number.POSITIVE_INFINITY];
  return aMs === bMs ? compareText(a.key, b.key) : aMs - bMs;
}

/** What every plan that cannot be read is: it answers 503 to whom it binds, and limits nothing. */
export const REFUSING = {
  valid: false,
  enforcement: 'Enforce',
  onStoreFailure: { rate: 'Deny', quota: 'Deny' },
  responseHeaders: [],
  rateLimits: [],
  quotas: [],
} as const satisfies Partial<Plan>;

export type StoreFailurePolicy = 'Deny' | 'Allow' | 'LocalFallback';
export type LimitScope = 'Key' | 'KeyAndApi' | 'Plan';

export interface RateLimit {
  readonly name: string;
  readonly requests: number;
  readonly intervalMs: number;
  readonly burst: number;
  readonly scope: LimitScope;
}

export interface Quota {
  readonly name: string;
  readonly requests: number;
  readonly period: QuotaPeriod;
  readonly timeZone: string;
  readonly scope: LimitScope;
}
