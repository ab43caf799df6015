// Generated from crds/countersign.dev_apigroups.yaml by scripts/generate-types.mjs. Do not edit.

/**
 * What is wanted of the group.
 */
export interface ApiGroupSpec {
  /**
   * Name for people, at most 64 characters.
   */
  readonly displayName?: string;
  /**
   * Host names of the group, in lower case: exact, or with one leading wildcard label (*.example.com). The flag --hostnames limits which namespace may claim which.
   */
  readonly hostnames: readonly string[];
  /**
   * First part of the path of every API of the group, without trailing slash. Default: /.
   */
  readonly basePath: string;
  readonly access?: ApiGroupAccess;
  readonly verification?: ApiGroupVerification;
  /**
   * Shape of refusals. Vendor: status, shape and text of the caller's dialect. Uniform: one JSON shape for all. Default: Vendor.
   */
  readonly errors: 'Vendor' | 'Uniform';
  readonly cors?: ApiGroupCors;
  readonly backend?: ApiGroupBackend;
  /**
   * Environments (stages) of the group, at most 8.
   */
  readonly environments: readonly ApiGroupEnvironment[];
  /**
   * APIs of the group, at most 1000.
   */
  readonly apis?: readonly ApiGroupApi[];
}
/**
 * Who may call the APIs of the group.
 */
export interface ApiGroupAccess {
  /**
   * Signature: a request must be signed by a Caller key. None: anybody may call; the authorizer still guards, limits and signs for the backend. Default: Signature.
   */
  readonly authentication?: 'Signature' | 'None';
  /**
   * Enabled: the key needs an Authorization for the API and environment. Disabled: it needs none. Default: Enabled, and Disabled where authentication is None.
   */
  readonly authorization?: 'Enabled' | 'Disabled';
  /**
   * Required: the key must be bound by a UsagePlan; with authorization Disabled the plan is the permission. Optional: a plan limits but is not needed. Default: Optional.
   */
  readonly usagePlan?: 'Optional' | 'Required';
  readonly sourceRanges?: ApiGroupAccessSourceRanges;
}
/**
 * Client addresses that may call.
 */
export interface ApiGroupAccessSourceRanges {
  /**
   * Only clients in these CIDR ranges may call; absent or empty: all.
   */
  readonly allow?: readonly string[];
  /**
   * Clients in these CIDR ranges may not call; decides over allow.
   */
  readonly deny?: readonly string[];
}
/**
 * How signatures are verified. Required unless access.authentication is None.
 */
export interface ApiGroupVerification {
  /**
   * Signature schemes that are accepted. Tencent and TencentApplication share the scheme word hmac, so only one of them can be listed. The first one shapes the answer to a request without a credential.
   */
  readonly dialects: readonly ('JDCloud' | 'Huawei' | 'Tencent' | 'TencentApplication')[];
  /**
   * Vendor: what the vendor's published clients send. Strict: only the documented scheme, with host, date and nonce signed. Lenient: also client profiles that leave forwarded bytes unsigned. Default: Vendor.
   */
  readonly compatibility?: 'Vendor' | 'Strict' | 'Lenient';
  /**
   * Hash algorithms that the Tencent dialects accept. Uses of SHA-1 are counted. Default: all four.
   */
  readonly algorithms?: readonly ('HMACSHA1' | 'HMACSHA256' | 'HMACSHA384' | 'HMACSHA512')[];
  /**
   * How far the signed date may be from the gateway's clock, both ways. Default: 15m. From 1m to 15m.
   */
  readonly maxClockSkew?: string;
  /**
   * Tencent requests that sign Date and no X-Date. Checked: the date must lie within maxClockSkew. Allow: it is never checked, as the vendor documents; such requests can be replayed for ever. Deny: they are refused. Default: Checked.
   */
  readonly dateOnly?: 'Checked' | 'Allow' | 'Deny';
  /**
   * Declared: what the scheme covers must match; a signed UNSIGNED-PAYLOAD is honoured. Signed: a body must be covered by the signature, else 401. Streamed: the body is not buffered (gRPC, WebSocket, uploads) and only signatures that need no body pass. Default: Declared.
   */
  readonly body?: 'Declared' | 'Signed' | 'Streamed';
  /**
   * Headers that the signature must cover besides those of the scheme, for example host. Case does not matter. Default: none.
   */
  readonly requiredSignedHeaders?: readonly string[];
  /**
   * Nonce: a signed nonce is good once; schemes without one are not deduplicated. Signature: also each signature is good once per key, which refuses identical honest requests of one second. Disabled: no check. Default: Nonce.
   */
  readonly replayProtection?: 'Nonce' | 'Signature' | 'Disabled';
  /**
   * When the replay store does not answer. LocalFallback: each authorizer remembers on its own. Deny: requests that need the check are refused with 503. Default: LocalFallback.
   */
  readonly replayStoreFailure?: 'LocalFallback' | 'Deny';
  /**
   * Largest body that is buffered and verified, from 1Ki to 16Mi; a larger one is refused with 413. Default: 4Mi.
   */
  readonly maxBodySize?: string;
}
/**
 * Cross-origin requests; preflights are answered by Envoy. Absent: no CORS headers, and OPTIONS only where an API lists it.
 */
export interface ApiGroupCors {
  /**
   * Origins that may call from a browser: exact (https://app.example.com), with one leading wildcard label (https://*.example.com), or "*" alone for all.
   */
  readonly allowOrigins: readonly string[];
  /**
   * Methods named in the answer to a preflight.
   */
  readonly allowMethods?: readonly ('GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS')[];
  /**
   * Request headers named in the answer to a preflight; include those of the signature scheme.
   */
  readonly allowHeaders?: readonly string[];
  /**
   * Response headers that scripts may read.
   */
  readonly exposeHeaders?: readonly string[];
  /**
   * How long a browser may keep the answer to a preflight. Default: the browser's own. From 0s to 24h.
   */
  readonly maxAge?: string;
  /**
   * Whether browsers may send cookies and the like. Default: false.
   */
  readonly allowCredentials: boolean;
}
/**
 * Where requests go.
 */
export interface ApiGroupBackend {
  /**
   * Service: a Service in the same namespace, named by service. URL: an address outside, named by url.
   */
  readonly type: 'Service' | 'URL';
  readonly service?: ApiGroupBackendService;
  /**
   * Scheme, host and optional port, without a path, for example https://orders.example.com:8443. The host must be admitted by the flag --backend-hosts, which admits none by default and never a loopback, link-local or unspecified address; a folder that is served without the flag may name any. Required when type is URL, else not allowed.
   */
  readonly url?: string;
  /**
   * Host header that is sent and signed. Backend: the backend's own name. Preserve: the client's. Any other value, in lower case, is sent as it stands. Default: Backend for type URL, Preserve for type Service.
   */
  readonly host?: string;
  /**
   * How long the whole response may take. Default: 15s. From 1ms to 1h.
   */
  readonly timeout?: string;
  readonly tls?: ApiGroupBackendTls;
  /**
   * Vendor request headers to add. Tencent: the request headers that Tencent's gateway documents (X-Client-Proto, X-Real-IP and others).
   */
  readonly headers?: readonly 'Tencent'[];
}
/**
 * A Service in the same namespace. Required when type is Service, else not allowed.
 */
export interface ApiGroupBackendService {
  /**
   * Name of the Service.
   */
  readonly name: string;
  /**
   * Port of the Service.
   */
  readonly port: number;
}
/**
 * TLS to the backend. Its presence turns TLS on for a Service; a URL uses TLS by its scheme.
 */
export interface ApiGroupBackendTls {
  readonly caSecretRef?: ApiGroupBackendTlsCaSecretRef;
  /**
   * Name that is sent as SNI and that the certificate must carry. Default: the host of the backend.
   */
  readonly serverName?: string;
}
/**
 * Secret in the same namespace whose datum ca.crt holds the CA certificates in PEM. Default: the CAs of the system.
 */
export interface ApiGroupBackendTlsCaSecretRef {
  /**
   * Name of the Secret.
   */
  readonly name: string;
}
/**
 * One environment (stage) of the group.
 */
export interface ApiGroupEnvironment {
  /**
   * Name of the environment; Authorizations and UsagePlans name it.
   */
  readonly name: string;
  /**
   * Released: requests are served. Offline: they are answered 404. Default: Released.
   */
  readonly state: 'Released' | 'Offline';
  /**
   * True on at most one environment: it serves requests that carry no stage header or segment. Without match it also serves X-Stage: RELEASE (in upper case, whatever its name is), unless another environment matches that. Choosing an environment never grants it. Default: false.
   */
  readonly default?: boolean;
  readonly match?: ApiGroupEnvironmentMatch;
  readonly backend?: ApiGroupEnvironmentBackend;
  readonly backendSignature?: ApiGroupEnvironmentBackendSignature;
}
/**
 * How a request chooses the environment. Required unless default is true.
 */
export interface ApiGroupEnvironmentMatch {
  /**
   * PathPrefix: the segment after basePath. Header: the value of the header X-Stage. Hostname: the host name.
   */
  readonly type: 'PathPrefix' | 'Header' | 'Hostname';
  /**
   * One path segment, the exact value of X-Stage, or a host name in lower case. Letters, digits and . _ ~ - only.
   */
  readonly value: string;
}
/**
 * Overrides the group's backend in this environment, field by field. A type replaces the target as a whole.
 */
export interface ApiGroupEnvironmentBackend {
  /**
   * Service: a Service in the same namespace, named by service. URL: an address outside, named by url.
   */
  readonly type?: 'Service' | 'URL';
  readonly service?: ApiGroupEnvironmentBackendService;
  /**
   * Scheme, host and optional port, without a path, for example https://orders.example.com:8443. The host must be admitted by the flag --backend-hosts, which admits none by default and never a loopback, link-local or unspecified address; a folder that is served without the flag may name any. Required when type is URL, else not allowed.
   */
  readonly url?: string;
  /**
   * Host header that is sent and signed. Backend: the backend's own name. Preserve: the client's. Any other value, in lower case, is sent as it stands.
   */
  readonly host?: string;
  /**
   * How long the whole response may take. From 1ms to 1h.
   */
  readonly timeout?: string;
  readonly tls?: ApiGroupEnvironmentBackendTls;
  /**
   * Vendor request headers to add. Tencent: the request headers that Tencent's gateway documents (X-Client-Proto, X-Real-IP and others).
   */
  readonly headers?: readonly 'Tencent'[];
}
/**
 * A Service in the same namespace. Required when type is Service, else not allowed.
 */
export interface ApiGroupEnvironmentBackendService {
  /**
   * Name of the Service.
   */
  readonly name: string;
  /**
   * Port of the Service.
   */
  readonly port: number;
}
/**
 * TLS to the backend. Its presence turns TLS on for a Service; a URL uses TLS by its scheme.
 */
export interface ApiGroupEnvironmentBackendTls {
  readonly caSecretRef?: ApiGroupEnvironmentBackendTlsCaSecretRef;
  /**
   * Name that is sent as SNI and that the certificate must carry. Default: the host of the backend.
   */
  readonly serverName?: string;
}
/**
 * Secret in the same namespace whose datum ca.crt holds the CA certificates in PEM. Default: the CAs of the system.
 */
export interface ApiGroupEnvironmentBackendTlsCaSecretRef {
  /**
   * Name of the Secret.
   */
  readonly name: string;
}
/**
 * Signature of the requests to the backend in this environment. Absent: not signed.
 */
export interface ApiGroupEnvironmentBackendSignature {
  /**
   * Key: the gateway signs requests to the backend with the key of signatureKeyRef. None: it does not sign.
   */
  readonly type: 'Key' | 'None';
  readonly signatureKeyRef?: ApiGroupEnvironmentBackendSignatureSignatureKeyRef;
  /**
   * Scheme that an HMAC key signs in; required for keys of type HMAC, not used by the others.
   */
  readonly dialect?: 'JDCloud' | 'Huawei' | 'Tencent' | 'TencentApplication';
}
/**
 * SignatureKey in the same namespace with usage Backend. Required when type is Key, else not allowed.
 */
export interface ApiGroupEnvironmentBackendSignatureSignatureKeyRef {
  /**
   * Name of the SignatureKey.
   */
  readonly name: string;
}
/**
 * One API: a path and its methods.
 */
export interface ApiGroupApi {
  /**
   * Name of the API; Authorizations and UsagePlans name it.
   */
  readonly name: string;
  readonly match: ApiGroupApiMatch;
  readonly rewrite?: ApiGroupApiRewrite;
  readonly backend?: ApiGroupApiBackend;
  readonly access?: ApiGroupApiAccess;
  readonly verification?: ApiGroupApiVerification;
  /**
   * Settings of this API in single environments.
   */
  readonly environments?: readonly ApiGroupApiEnvironment[];
}
/**
 * Requests that the API serves.
 */
export interface ApiGroupApiMatch {
  readonly path: ApiGroupApiMatchPath;
  /**
   * Methods of the API. HEAD is not implied by GET. Absent: any but TRACE, CONNECT and OPTIONS, ranking below APIs that list the method.
   */
  readonly methods?: readonly ('GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS')[];
}
/**
 * Paths of the API.
 */
export interface ApiGroupApiMatchPath {
  /**
   * Exact: the whole path. Template: segments in braces match any one segment. Prefix: whole segments. Exact goes before Template (more literal segments first), Template before the longest Prefix.
   */
  readonly type: 'Exact' | 'Template' | 'Prefix';
  /**
   * Path after basePath and environment segment, compared byte for byte; /a differs from /a/. Example: /v1/orders/{id}.
   */
  readonly value: string;
}
/**
 * Changes to the request on its way to the backend. They are made before the gateway signs.
 */
export interface ApiGroupApiRewrite {
  /**
   * Path that is sent to the backend; variables in braces are filled from the Template. The query is kept byte for byte. Default: the path without basePath and environment segment.
   */
  readonly path?: string;
  /**
   * Method that is sent to the backend. Default: the request's.
   */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
  /**
   * Headers that are set on the request to the backend, replacing the client's.
   */
  readonly setHeaders?: readonly ApiGroupApiRewriteSetHeader[];
}
/**
 * One header.
 */
export interface ApiGroupApiRewriteSetHeader {
  /**
   * Header name.
   */
  readonly name: string;
  /**
   * Header value, printable ASCII.
   */
  readonly value: string;
}
/**
 * Overrides the backend of group and environment for this API, field by field. A type replaces the target as a whole.
 */
export interface ApiGroupApiBackend {
  /**
   * Service: a Service in the same namespace, named by service. URL: an address outside, named by url.
   */
  readonly type?: 'Service' | 'URL';
  readonly service?: ApiGroupApiBackendService;
  /**
   * Scheme, host and optional port, without a path, for example https://orders.example.com:8443. The host must be admitted by the flag --backend-hosts, which admits none by default and never a loopback, link-local or unspecified address; a folder that is served without the flag may name any. Required when type is URL, else not allowed.
   */
  readonly url?: string;
  /**
   * Host header that is sent and signed. Backend: the backend's own name. Preserve: the client's. Any other value, in lower case, is sent as it stands.
   */
  readonly host?: string;
  /**
   * How long the whole response may take. From 1ms to 1h.
   */
  readonly timeout?: string;
  readonly tls?: ApiGroupApiBackendTls;
  /**
   * Vendor request headers to add. Tencent: the request headers that Tencent's gateway documents (X-Client-Proto, X-Real-IP and others).
   */
  readonly headers?: readonly 'Tencent'[];
}
/**
 * A Service in the same namespace. Required when type is Service, else not allowed.
 */
export interface ApiGroupApiBackendService {
  /**
   * Name of the Service.
   */
  readonly name: string;
  /**
   * Port of the Service.
   */
  readonly port: number;
}
/**
 * TLS to the backend. Its presence turns TLS on for a Service; a URL uses TLS by its scheme.
 */
export interface ApiGroupApiBackendTls {
  readonly caSecretRef?: ApiGroupApiBackendTlsCaSecretRef;
  /**
   * Name that is sent as SNI and that the certificate must carry. Default: the host of the backend.
   */
  readonly serverName?: string;
}
/**
 * Secret in the same namespace whose datum ca.crt holds the CA certificates in PEM. Default: the CAs of the system.
 */
export interface ApiGroupApiBackendTlsCaSecretRef {
  /**
   * Name of the Secret.
   */
  readonly name: string;
}
/**
 * Overrides the group's access, field by field.
 */
export interface ApiGroupApiAccess {
  /**
   * Signature: a request must be signed by a Caller key. None: anybody may call; the authorizer still guards, limits and signs for the backend.
   */
  readonly authentication?: 'Signature' | 'None';
  /**
   * Enabled: the key needs an Authorization for the API and environment. Disabled: it needs none.
   */
  readonly authorization?: 'Enabled' | 'Disabled';
  /**
   * Required: the key must be bound by a UsagePlan; with authorization Disabled the plan is the permission. Optional: a plan limits but is not needed.
   */
  readonly usagePlan?: 'Optional' | 'Required';
  readonly sourceRanges?: ApiGroupApiAccessSourceRanges;
}
/**
 * Client addresses that may call.
 */
export interface ApiGroupApiAccessSourceRanges {
  /**
   * Only clients in these CIDR ranges may call; absent or empty: all.
   */
  readonly allow?: readonly string[];
  /**
   * Clients in these CIDR ranges may not call; decides over allow.
   */
  readonly deny?: readonly string[];
}
/**
 * Overrides the group's verification, field by field.
 */
export interface ApiGroupApiVerification {
  /**
   * Signature schemes that are accepted. Tencent and TencentApplication share the scheme word hmac, so only one of them can be listed. The first one shapes the answer to a request without a credential.
   */
  readonly dialects?: readonly ('JDCloud' | 'Huawei' | 'Tencent' | 'TencentApplication')[];
  /**
   * Vendor: what the vendor's published clients send. Strict: only the documented scheme, with host, date and nonce signed. Lenient: also client profiles that leave forwarded bytes unsigned.
   */
  readonly compatibility?: 'Vendor' | 'Strict' | 'Lenient';
  /**
   * Hash algorithms that the Tencent dialects accept. Uses of SHA-1 are counted.
   */
  readonly algorithms?: readonly ('HMACSHA1' | 'HMACSHA256' | 'HMACSHA384' | 'HMACSHA512')[];
  /**
   * How far the signed date may be from the gateway's clock, both ways. From 1m to 15m.
   */
  readonly maxClockSkew?: string;
  /**
   * Tencent requests that sign Date and no X-Date. Checked: the date must lie within maxClockSkew. Allow: it is never checked, as the vendor documents; such requests can be replayed for ever. Deny: they are refused.
   */
  readonly dateOnly?: 'Checked' | 'Allow' | 'Deny';
  /**
   * Declared: what the scheme covers must match; a signed UNSIGNED-PAYLOAD is honoured. Signed: a body must be covered by the signature, else 401. Streamed: the body is not buffered (gRPC, WebSocket, uploads) and only signatures that need no body pass.
   */
  readonly body?: 'Declared' | 'Signed' | 'Streamed';
  /**
   * Headers that the signature must cover besides those of the scheme, for example host. Case does not matter.
   */
  readonly requiredSignedHeaders?: readonly string[];
  /**
   * Nonce: a signed nonce is good once; schemes without one are not deduplicated. Signature: also each signature is good once per key, which refuses identical honest requests of one second. Disabled: no check.
   */
  readonly replayProtection?: 'Nonce' | 'Signature' | 'Disabled';
  /**
   * When the replay store does not answer. LocalFallback: each authorizer remembers on its own. Deny: requests that need the check are refused with 503.
   */
  readonly replayStoreFailure?: 'LocalFallback' | 'Deny';
  /**
   * Largest body that is buffered and verified, from 1Ki to 16Mi; a larger one is refused with 413.
   */
  readonly maxBodySize?: string;
}
/**
 * One environment of this API.
 */
export interface ApiGroupApiEnvironment {
  /**
   * Name of an environment of the group.
   */
  readonly name: string;
  /**
   * Offline takes this API out of the environment. Absent: as the environment.
   */
  readonly state?: 'Released' | 'Offline';
  readonly backendSignature?: ApiGroupApiEnvironmentBackendSignature;
}
/**
 * Overrides the environment's backendSignature as a whole. Type None unbinds.
 */
export interface ApiGroupApiEnvironmentBackendSignature {
  /**
   * Key: the gateway signs requests to the backend with the key of signatureKeyRef. None: it does not sign.
   */
  readonly type: 'Key' | 'None';
  readonly signatureKeyRef?: ApiGroupApiEnvironmentBackendSignatureSignatureKeyRef;
  /**
   * Scheme that an HMAC key signs in; required for keys of type HMAC, not used by the others.
   */
  readonly dialect?: 'JDCloud' | 'Huawei' | 'Tencent' | 'TencentApplication';
}
/**
 * SignatureKey in the same namespace with usage Backend. Required when type is Key, else not allowed.
 */
export interface ApiGroupApiEnvironmentBackendSignatureSignatureKeyRef {
  /**
   * Name of the SignatureKey.
   */
  readonly name: string;
}

/**
 * What the controller found. Written by the controller only; in file mode it is ignored as input. It holds no live counters.
 */
export interface ApiGroupStatus {
  /**
   * Generation of the object that this status describes.
   */
  readonly observedGeneration?: number;
  /**
   * Conditions of the object: Accepted, ResolvedRefs, Programmed and, as their summary, Ready. Each reason is explained in docs/reference/conditions.md.
   */
  readonly conditions?: readonly ApiGroupStatusCondition[];
  /**
   * Environments as they are served.
   */
  readonly environments?: readonly ApiGroupStatusEnvironment[];
}
/**
 * One aspect of the object's current state.
 */
export interface ApiGroupStatusCondition {
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
 * One environment.
 */
export interface ApiGroupStatusEnvironment {
  /**
   * Name of the environment.
   */
  readonly name: string;
  /**
   * State of the environment.
   */
  readonly state: 'Released' | 'Offline';
  /**
   * Address of the environment.
   */
  readonly url?: string;
  /**
   * Number of APIs served there.
   */
  readonly apis?: number;
}
