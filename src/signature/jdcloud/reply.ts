import type { VendorReply } from '../dialect.js';
import { reasonRow, type DenyReason } from '../../lib/reason.js';

interface Row {
  readonly status: number;
  readonly message: string;
}

const accessError = (message: string): Row => ({ status: 401, message });
const NO_CREDENTIAL = accessError('lack of header authorization');
const INVALID = accessError('Invalid authentication credentials');
/** Also for keys that are unknown or unusable, and for replays: the answer never tells which. */
const MISMATCH = accessError('sign result is not same');
const NO_ROUTE: Row = { status: 404, message: 'no route and no API found with those values' };

/** Specs JD Cloud §5.3. A reason without a row is answered with our status and text. */
const ROWS: { readonly [Reason in DenyReason]?: Row } = {
  missing_credential: NO_CREDENTIAL,
  unsupported_scheme: NO_CREDENTIAL,
  multiple_credentials: INVALID,
  duplicate_header: INVALID,
  malformed_credential: INVALID,
  algorithm_not_allowed: INVALID,
  missing_date: accessError('lack of header x-jdcloud-date'),
  malformed_date: INVALID,
  date_only_forbidden: INVALID,
  clock_skew: INVALID,
  invalid_scope: INVALID,
  unsigned_security_token: MISMATCH,
  required_header_not_signed: MISMATCH,
  missing_signed_header: MISMATCH,
  unknown_key: MISMATCH,
  key_disabled: MISMATCH,
  key_not_ready: MISMATCH,
  key_not_yet_valid: MISMATCH,
  key_expired: MISMATCH,
  key_not_permitted: MISMATCH,
  bad_signature: MISMATCH,
  body_mismatch: MISMATCH,
  unsigned_body: MISMATCH,
  body_unavailable: MISMATCH,
  uncovered_query: MISMATCH,
  replayed_nonce: MISMATCH,
  replayed_signature: MISMATCH,
  not_authorized: INVALID,
  authorization_expired: INVALID,
  source_address_denied: { status: 403, message: 'Your IP address is not allowed' },
  not_found: NO_ROUTE,
  unknown_environment: NO_ROUTE,
  environment_offline: NO_ROUTE,
  body_too_large: { status: 413, message: 'Payload too large' },
  rate_limited: { status: 429, message: 'minute rate limit exceeded, role:ak' },
};

/** Malformed credentials that have an answer of their own, by the field that is missing. */
const MISSING_FIELD: Readonly<Record<string, Row>> = {
  Credential: accessError('lack of credential in the header authorization'),
  SignedHeaders: accessError('lack of header signedHeaders'),
};

/** The vendor's status words; 405 and 503 by analogy, since its table has none. */
const STATUS_WORDS: Readonly<Record<number, string>> = {
  400: 'HTTP_BAD_REQUEST',
  401: 'ACCESS_ERROR',
  403: 'HTTP_FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'HTTP_METHOD_NOT_ALLOWED',
  413: 'HTTP_REQUEST_ENTITY_TOO_LARGE',
  429: 'HTTP_RATE_LIMIT_EXCEEDED',
  503: 'HTTP_SERVICE_UNAVAILABLE',
};

export function vendorReply(
  refusal: { readonly reason: DenyReason; readonly subject?: string; readonly retryAfterSeconds?: number },
  requestId: string,
): VendorReply {
  const { status, message } = rowFor(refusal.reason, refusal.subject);
  const error = { code: status, status: STATUS_WORDS[status] ?? 'HTTP_ERROR', message };
  return {
    status,
    headers: [
      ['content-type', 'application/json'],
      ['x-jdcloud-request-id', requestId],
      ...(refusal.retryAfterSeconds === undefined
        ? []
        : [['retry-after', String(Math.ceil(refusal.retryAfterSeconds))] as const]),
    ],
    body: JSON.stringify({ requestId, error }),
  };
}

function rowFor(reason: DenyReason, subject: string | undefined): Row {
  const missing = reason === 'malformed_credential' && subject !== undefined ? MISSING_FIELD[subject] : undefined;
  return missing ?? ROWS[reason] ?? reasonRow(reason);
}
