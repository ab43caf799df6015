/** What callers of Tencent's gateway read on a refusal: `{"message": …}`, vendor spelling. Spec: tencent.md §4. */
import type { DenyReason } from '../../lib/reason.js';
import { reasonRow } from '../../lib/reason.js';
import type { VendorReply } from '../dialect.js';
import type { TencentDialect } from './credential.js';
import { ID_OR_SIGNATURE, PARAMETERS } from './credential.js';

const X_DATE_REQUIRED = 'HMAC signature cannot be verified, a valid x-date header is required for HMAC Authentication.';
const ANY_DATE_REQUIRED = 'HMAC signature cannot be verified, a valid date or x-date header is required.';
const MISMATCH = 'HMAC signature does not match.';

function malformed(subject: string | undefined): string {
  if (subject === ID_OR_SIGNATURE) return 'HMAC id or signature missing.';
  if (subject === PARAMETERS) return 'HMAC authorization headers is invalidate.';
  return 'HMAC authorization format error.';
}

/** The vendor's text, or ours where its table has no row. Its signing string is never shown. */
function messageOf(dialect: TencentDialect, reason: DenyReason, subject: string | undefined): string {
  switch (reason) {
    case 'missing_credential':
      return 'HMAC signature cannot be verified, a validate authorization header is required';
    case 'malformed_credential':
      return malformed(subject);
    case 'unsupported_scheme':
    case 'multiple_credentials':
      return 'HMAC authorization format error.';
    case 'algorithm_not_allowed':
      return `HMAC algorithm ${subject ?? ''} not supported.`;
    case 'missing_date':
      return dialect === 'Tencent' ? ANY_DATE_REQUIRED : X_DATE_REQUIRED;
    case 'malformed_date':
      return subject === 'date' ? ANY_DATE_REQUIRED : X_DATE_REQUIRED;
    case 'date_only_forbidden':
      return X_DATE_REQUIRED;
    case 'clock_skew':
      return 'HMAC signature cannot be verified, the x-date header is out of date for HMAC Authentication.';
    case 'missing_signed_header':
    case 'required_header_not_signed':
      return `HMAC signature cannot be verified, a valid ${subject ?? ''} header is required.`;
    case 'duplicate_header':
      return 'HMAC do not support multiple HTTP header.';
    case 'unknown_key':
    case 'key_disabled':
    case 'key_not_ready':
    case 'key_not_yet_valid':
    case 'key_expired':
    case 'key_not_permitted':
    case 'bad_signature':
    case 'body_mismatch':
    case 'replayed_nonce':
    case 'replayed_signature':
      return MISMATCH;
    case 'not_authorized':
    case 'authorization_expired':
      return 'HMAC apikey is invalid for API.';
    case 'no_usage_plan':
      return 'Found no validate usage plan.';
    case 'not_found':
    case 'unknown_environment':
    case 'environment_offline':
      return 'Found no api.';
    case 'method_not_allowed':
      return 'Method Not Allowed.';
    case 'rate_limited':
      return 'API rate limit exceeded.';
    case 'quota_exceeded':
      return 'API quota exceeded.';
    default:
      return reasonRow(reason).message;
  }
}

/** Ours, but for a key without a grant: the vendor's table has 401 there. */
const statusOf = (reason: DenyReason): number =>
  reason === 'not_authorized' || reason === 'authorization_expired' ? 401 : reasonRow(reason).status;

/** Unknown, unusable and unwilling keys, replays and wrong signatures read alike: the answer is no oracle. */
export const vendorReplyOf =
  (dialect: TencentDialect) =>
  (
    refusal: { readonly reason: DenyReason; readonly subject?: string; readonly retryAfterSeconds?: number },
    _requestId: string,
  ): VendorReply => ({
    status: statusOf(refusal.reason),
    headers: [
      ['content-type', 'application/json'],
      ...(refusal.retryAfterSeconds === undefined ? [] : [['retry-after', String(refusal.retryAfterSeconds)] as const]),
    ],
    body: JSON.stringify({ message: messageOf(dialect, refusal.reason, refusal.subject) }),
  });
