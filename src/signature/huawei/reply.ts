/** What callers of Huawei's gateway read on a refusal: `{error_msg, error_code, request_id}`. Spec: huawei.md §4. */
import type { DenyReason } from '../../lib/reason.js';
import { reasonRow } from '../../lib/reason.js';
import type { VendorReply } from '../dialect.js';
import { DATE_HEADER } from './credential.js';

interface Row {
  readonly code: string;
  readonly text: string;
}

/** After `Incorrect app authentication information: `. The vendor prints its canonical request here; we do not. */
const MISMATCH = 'verify signature fail';

function credentialText(reason: DenyReason, subject: string | undefined): string {
  switch (reason) {
    case 'missing_credential':
      return 'Authorization not found.';
    case 'malformed_credential':
    case 'unsupported_scheme':
    case 'multiple_credentials':
      return 'Authorization format incorrect.';
    case 'missing_signed_header':
      return `Signed header ${subject ?? ''} not found.`;
    case 'required_header_not_signed':
      return `Header ${subject ?? ''} is not signed.`;
    case 'duplicate_header':
      return `Header ${subject ?? ''} is repeated.`;
    case 'missing_date':
      return `Header ${DATE_HEADER} not found.`;
    case 'malformed_date':
      return `Header ${DATE_HEADER} format incorrect.`;
    case 'clock_skew':
      return 'signature expired';
    case 'unsigned_body':
      return 'The request body is not signed.';
    case 'body_unavailable':
      return 'The request body is not buffered, sign UNSIGNED-PAYLOAD.';
    default:
      return MISMATCH;
  }
}

/** Rows of the vendor's table for refusals other than 401, and the nearest code where the table has none. */
function rowOf(reason: DenyReason, subject: string | undefined): Row {
  const { status, message } = reasonRow(reason);
  switch (reason) {
    case 'not_found':
    case 'unknown_environment':
    case 'environment_offline':
      return { code: 'APIG.0101', text: 'The API does not exist or has not been published in the environment.' };
    case 'method_not_allowed':
      return { code: 'APIG.0101', text: message };
    case 'not_authorized':
    case 'authorization_expired':
      return { code: 'APIG.0304', text: 'The app is not authorized to access the API.' };
    case 'no_usage_plan':
      return { code: 'APIG.0306', text: 'API access denied.' };
    case 'rate_limited':
    case 'quota_exceeded':
      return { code: 'APIG.0308', text: 'The throttling threshold has been reached.' };
    case 'source_address_denied':
      return { code: 'APIG.0402', text: 'The IP address is not authorized to access the API.' };
    case 'body_too_large':
      return { code: 'APIG.0201', text: 'Request entity too large.' };
    case 'backend_key_unavailable':
      return { code: 'APIG.0705', text: 'Backend signature calculation failed.' };
    default:
      if (status === 401) {
        return {
          code: 'APIG.0303',
          text: `Incorrect app authentication information: ${credentialText(reason, subject)}`,
        };
      }
      return { code: status === 400 ? 'APIG.0602' : 'APIG.0601', text: message };
  }
}

/** Unknown, unusable and unwilling keys, replays and wrong signatures read alike: the answer is no oracle. */
export function vendorReply(
  refusal: { readonly reason: DenyReason; readonly subject?: string; readonly retryAfterSeconds?: number },
  requestId: string,
): VendorReply {
  const row = rowOf(refusal.reason, refusal.subject);
  return {
    status: reasonRow(refusal.reason).status,
    headers: [
      ['content-type', 'application/json'],
      ...(refusal.retryAfterSeconds === undefined ? [] : [['retry-after', String(refusal.retryAfterSeconds)] as const]),
    ],
    body: JSON.stringify({ error_msg: row.text, error_code: row.code, request_id: requestId }),
  };
}
