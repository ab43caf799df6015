/**
 * Why a request was refused: one word from this closed list, the same in the access log, the metric label,
 * Envoy's dynamic metadata and docs/reference/reasons.md. Status and code are those of `errors: Uniform`;
 * a dialect may answer otherwise under `errors: Vendor`.
 */
export type UniformCode =
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'MethodNotAllowed'
  | 'BadRequest'
  | 'PayloadTooLarge'
  | 'RateLimited'
  | 'QuotaExceeded'
  | 'Unavailable';

interface ReasonRow {
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 429 | 503;
  readonly code: UniformCode;
  /** What the caller reads under `errors: Uniform`. Never says which part of a credential was wrong. */
  readonly message: string;
  /** For docs/reference/reasons.md: cause and remedy, one sentence each. */
  readonly cause: string;
  readonly remedy: string;
}

const CREDENTIAL = 'The request signature is missing or not valid.';
const unauthorized = (cause: string, remedy: string): ReasonRow => ({
  status: 401,
  code: 'Unauthorized',
  message: CREDENTIAL,
  cause,
  remedy,
});
const unavailable = (cause: string, remedy: string): ReasonRow => ({
  status: 503,
  code: 'Unavailable',
  message: 'The gateway cannot serve this request at the moment.',
  cause,
  remedy,
});

export const REASONS = {
  // match
  not_found: {
    status: 404,
    code: 'NotFound',
    message: 'No API matches this host and path.',
    cause: 'No API of the group matches the path.',
    remedy: 'Compare the path byte for byte with spec.apis[].match; a trailing slash counts.',
  },
  method_not_allowed: {
    status: 405,
    code: 'MethodNotAllowed',
    message: 'The API does not offer this method.',
    cause: 'The path is known, the method is not listed.',
    remedy: 'Add the method to spec.apis[].match.methods; HEAD is not implied by GET.',
  },
  unknown_environment: {
    status: 404,
    code: 'NotFound',
    message: 'No such environment.',
    cause: 'X-Stage names no environment, or the group has no default environment.',
    remedy: 'Send a stage that spec.environments lists, or mark one environment default.',
  },
  environment_offline: {
    status: 404,
    code: 'NotFound',
    message: 'This environment is offline.',
    cause: 'The environment, or the API in it, has state Offline.',
    remedy: 'Set its state to Released.',
  },
  non_canonical_path: {
    status: 400,
    code: 'BadRequest',
    message: 'The path is not in canonical form.',
    cause: 'The path has a dot segment, an empty segment, a backslash, %2F, %5C, %00 or a malformed escape.',
    remedy: 'Send the path in canonical form.',
  },
  ambiguous_path: {
    status: 400,
    code: 'BadRequest',
    message: 'The path can be read as another API.',
    cause:
      'Decoded, or without its ;parameters, the path would match another API, environment or group of the host, as some backends read it; or two clients of the vendor sign this path and another one alike.',
    remedy: 'Send the path without needless or nested escapes (%2520) or ;parameters.',
  },
  reserved_header: {
    status: 400,
    code: 'BadRequest',
    message: 'A header name is reserved for the gateway.',
    cause: 'A header equals one of ours after _ is read as -.',
    remedy: 'Do not send X_Countersign_… headers.',
  },
  duplicate_header: unauthorized(
    'A date, nonce, host or content-hash header, or (Strict) any signed header, is repeated.',
    'Send each of these headers once.',
  ),
  multiple_credentials: unauthorized(
    'More than one credential was sent.',
    'Send exactly one Authorization header and no Proxy-Authorization.',
  ),
  body_too_large: {
    status: 413,
    code: 'PayloadTooLarge',
    message: 'The request body is too large.',
    cause: 'The body is larger than verification.maxBodySize.',
    remedy: 'Raise maxBodySize (up to 16Mi) or use body: Streamed.',
  },
  source_address_denied: {
    status: 403,
    code: 'Forbidden',
    message: 'Your address is not allowed.',
    cause: 'access.sourceRanges does not admit the client address.',
    remedy: 'Add the address range to access.sourceRanges.allow.',
  },
  route_mismatch: unavailable(
    'Envoy sent the request over a route that the API does not use (a change is on its way).',
    'Retry; if it lasts, look for a NACK in the condition Programmed.',
  ),
  api_invalid: unavailable(
    'The API that the request belongs to, or its whole ApiGroup, has an error; its requests are not left to a broader API.',
    'See the condition Accepted of the ApiGroup, or run `countersign lint`.',
  ),
  unsafe_gateway: unavailable(
    'Envoy is configured in a way that lets requests through unchecked; the log of the authorizer names the setting.',
    'Configure Envoy as `countersign render --for envoy` prints it.',
  ),
  // verify
  missing_credential: unauthorized('No Authorization header.', 'Sign the request.'),
  unsupported_scheme: unauthorized(
    'The scheme word belongs to none of the group\u2019s dialects.',
    'Use a dialect listed in verification.dialects.',
  ),
  malformed_credential: unauthorized(
    'The Authorization header does not follow the grammar of its dialect.',
    'Compare it with docs/clients.',
  ),
  algorithm_not_allowed: unauthorized(
    'The algorithm is unknown, or verification.algorithms does not list it.',
    'Sign with a listed algorithm.',
  ),
  missing_signed_header: unauthorized(
    'A header named in the signed list did not arrive.',
    'Check for proxies that drop headers, and for headers named in Connection.',
  ),
  missing_date: unauthorized('No signed date.', 'Sign the date header of the dialect.'),
  malformed_date: unauthorized(
    'The date is not in the exact format of the dialect, or no real date.',
    'Send the date in the documented format, UTC.',
  ),
  date_only_forbidden: unauthorized('The request signs Date only and dateOnly is Deny.', 'Sign X-Date.'),
  clock_skew: unauthorized(
    'The signed date differs from the gateway clock by more than maxClockSkew.',
    'Set the caller\u2019s clock; captured requests expire this way too.',
  ),
  invalid_scope: unauthorized(
    'The credential scope is malformed or its date differs from the date header.',
    'Sign date, scope and header with the same time.',
  ),
  unsigned_security_token: unauthorized('A security token was sent but not signed.', 'Sign x-jdcloud-security-token.'),
  required_header_not_signed: unauthorized(
    'A header of requiredSignedHeaders, or one that the dialect or Strict demands, is not signed.',
    'Sign it.',
  ),
  unknown_key: unauthorized(
    'No key has this id.',
    'Check the key id: on the wire travels status.keyID, not the pair id.',
  ),
  key_disabled: unauthorized('The key has state Disabled.', 'Enable the key.'),
  key_not_ready: unauthorized('The key has no usable secret.', 'See the condition ResolvedRefs of the SignatureKey.'),
  key_not_yet_valid: unauthorized('notBeforeTime lies ahead.', 'Wait, or change notBeforeTime.'),
  key_expired: unauthorized('expirationTime has passed.', 'Use another key.'),
  key_not_permitted: unauthorized(
    'The key does not admit the namespace of this ApiGroup.',
    'The key\u2019s owner widens allowedAuthorizers.',
  ),
  bad_signature: unauthorized(
    'The signature does not match under any profile that is on.',
    'Run `countersign verify` on the request.',
  ),
  body_mismatch: unauthorized(
    'The signed body hash or digest is not that of the body received.',
    'Check for proxies that rewrite the body.',
  ),
  unsigned_body: unauthorized(
    'The body is not covered by the signature and body is Signed.',
    'Sign the body, or set body: Declared.',
  ),
  body_unavailable: unauthorized(
    'The signature covers the body, which a Streamed route does not buffer.',
    'Sign UNSIGNED-PAYLOAD, or set body: Declared.',
  ),
  uncovered_query: unauthorized(
    'The profile leaves part of this query out of the signature.',
    'Send name=value pairs only, or use another SDK.',
  ),
  ambiguous_signature: unauthorized(
    'Two clients of the vendor sign this query or header and another one alike.',
    'Send no nested escapes (%2520), + as %20 or %2B and ASCII header values, or set compatibility: Strict.',
  ),
  replayed_nonce: unauthorized('The nonce was used before.', 'Use a fresh nonce for each request.'),
  replayed_signature: unauthorized(
    'The same signature was used before and replayProtection is Signature.',
    'Sign each request anew.',
  ),
  // authorize
  not_authorized: {
    status: 403,
    code: 'Forbidden',
    message: 'The key is not authorized for this API.',
    cause: 'No enabled Authorization covers (key, API, environment).',
    remedy: 'Create an Authorization in the ApiGroup\u2019s namespace.',
  },
  authorization_expired: {
    status: 403,
    code: 'Forbidden',
    message: 'The key is not authorized for this API.',
    cause: 'The Authorization that covers the request has expired.',
    remedy: 'Extend its expirationTime.',
  },
  no_usage_plan: {
    status: 403,
    code: 'Forbidden',
    message: 'The key has no usage plan for this API.',
    cause: 'access.usagePlan is Required and no enabled plan binds the key to the API.',
    remedy: 'Bind the key in a UsagePlan.',
  },
  usage_plan_invalid: unavailable(
    'The plan that applies has an error; it refuses rather than run unlimited.',
    'See the condition Accepted of the UsagePlan.',
  ),
  // limit
  rate_limited: {
    status: 429,
    code: 'RateLimited',
    message: 'The rate limit is exceeded.',
    cause: 'A rate limit of the plan is used up.',
    remedy: 'Wait Retry-After seconds.',
  },
  quota_exceeded: {
    status: 429,
    code: 'QuotaExceeded',
    message: 'The quota is exceeded.',
    cause: 'A quota of the plan is used up.',
    remedy: 'Wait until the window resets (Retry-After).',
  },
  store_unavailable: unavailable(
    'The counter store does not answer and the policy is Deny.',
    'Restore Redis, or choose another onStoreFailure.',
  ),
  // sign
  backend_key_unavailable: unavailable(
    'The backend key bound to the API cannot sign (missing, disabled, expired or no Secret).',
    'See the conditions of the backend SignatureKey.',
  ),
  // anywhere
  internal_error: unavailable(
    'An exception in the authorizer; the request was refused.',
    'Report it with the request id.',
  ),
} as const satisfies Record<string, ReasonRow>;

export type DenyReason = keyof typeof REASONS;

export const reasonRow = (reason: DenyReason): ReasonRow => REASONS[reason];
