import type { Refusal, WireRequest } from '../dialect.js';
import { UNSIGNED_PAYLOAD } from '../options.js';
import type { refusalsOf } from '../refusal.js';
import { EMPTY_SHA256, headerValue, sha256Hex, trimBlanks } from '../wire.js';
import { CONTENT_HASH_HEADER } from './credential.js';

/** The last line of the canonical request, and what a matching signature then says about the body. */
export interface Payload {
  readonly hash: string;
  /** The signature covers the body received, or there is none. */
  readonly covered: boolean;
  /** The signature may match and the request must still be refused. */
  readonly refuse?: Refusal;
}

/**
 * A signed `x-sdk-content-sha256` is the last line as it stands; unlike the vendor's verifiers we compare it with
 * the body. An unsigned one says nothing. Spec: huawei.md §2 step 2, §4 step 5.
 */
export function payloadOf(
  request: WireRequest,
  signedHeaders: readonly string[],
  refuse: ReturnType<typeof refusalsOf>,
): Payload {
  const { body } = request;
  // The hash of nothing is no proof that nothing follows: over HTTP/2 an attacker adds a body to a captured GET.
  const unavailable = (hash: string): Payload => ({
    hash,
    covered: true,
    refuse: refuse('body_unavailable', 'the signature covers a body that a streamed route does not buffer'),
  });
  if (!signedHeaders.includes(CONTENT_HASH_HEADER)) {
    return body ? { hash: sha256Hex(body), covered: true } : unavailable(EMPTY_SHA256);
  }
  const declared = trimBlanks(headerValue(request, CONTENT_HASH_HEADER) ?? '');
  if (declared === UNSIGNED_PAYLOAD) return { hash: declared, covered: body?.length === 0 };
  if (!body) return unavailable(declared);
  if (declared === sha256Hex(body)) return { hash: declared, covered: true };
  return {
    hash: declared,
    covered: false,
    refuse: refuse('body_mismatch', `${CONTENT_HASH_HEADER} is not the lower-case hex SHA-256 of the body received`),
  };
}
