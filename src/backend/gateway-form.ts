/**
 * What the gateway's signatures look like, per dialect: a backend takes this form alone, so that everything the
 * vendors' clients may also do towards the gateway is no way in here. Specs: huawei.md §6, §8; jdcloud.md §6; tencent.md §5.
 */
import type { DenyReason } from '../lib/reason.js';
import type { DialectName, WireRequest } from '../signature/dialect.js';
import { dialectByName } from '../signature/dialects.js';
import { hasMalformedEscape, headerValue, repeatedHeader, splitTarget, trimBlanks } from '../signature/wire.js';

export const IDENTITY_PREFIX = 'x-countersign-';
/** The same request signed with the secret that is being rotated out. */
export const PREVIOUS_AUTHORIZATION = 'x-countersign-previous-authorization';

interface GatewayForm {
  readonly profiles: readonly string[];
  readonly signedHeaders: readonly string[];
}

export const GATEWAY_FORMS: { readonly [Name in DialectName]: GatewayForm } = {
  // No Host: the official validators do not know it.
  JDCloud: { profiles: ['doc'], signedHeaders: ['x-jdcloud-date', 'x-jdcloud-nonce'] },
  Huawei: { profiles: ['default'], signedHeaders: ['host', 'x-sdk-date'] },
  Tencent: { profiles: ['default'], signedHeaders: ['x-date', 'host', 'x-request-method', 'x-request-path'] },
  TencentApplication: {
    // A Content-MD5 of the caller may travel beside a form or a streamed body, whose own field is empty.
    profiles: ['default', 'md5-computed'],
    signedHeaders: ['x-date', 'host', 'x-request-path'],
  },
};

/** What a matching signature leaves open, and the gateway never sends. */
export interface Uncovered {
  readonly reason: DenyReason;
  readonly detail: string;
}

/**
 * Judges an authentic request for what its scheme would let pass: two spellings that sign alike, of which the gateway
 * sends one; a repeated header that signs like a single one; an identity header that is not signed.
 * @param form the dialect; Huawei for AES, which signs that canonical request
 */
export function uncoveredPart(
  request: WireRequest,
  form: DialectName,
  signedHeaders: readonly string[],
): Uncovered | undefined {
  const repeated = repeatedHeader(request, signedHeaders);
  if (repeated !== undefined) return { reason: 'duplicate_header', detail: `signed header ${repeated} is repeated` };
  for (const [name] of request.headers) {
    if (!name.startsWith(IDENTITY_PREFIX) || name === PREVIOUS_AUTHORIZATION) continue;
    if (!signedHeaders.includes(name)) return { reason: 'required_header_not_signed', detail: `${name} is not signed` };
  }

  const { path, query } = splitTarget(request.target);
  if (dialectByName(form).canonicalQuery(query) !== query) {
    return { reason: 'uncovered_query', detail: 'the query is not in the form in which the gateway sends it' };
  }
  if (form === 'Huawei' && (hasMalformedEscape(path) || path.toLowerCase().includes('%2f'))) {
    return { reason: 'non_canonical_path', detail: 'the path has an escape that signs like another spelling' };
  }
  if (form === 'TencentApplication' && trimBlanks(headerValue(request, 'x-request-path') ?? '') !== request.target) {
    return { reason: 'bad_signature', detail: 'x-request-path is not the target' };
  }
  return undefined;
}
