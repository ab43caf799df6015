/**
 * The ways a Huawei client may have canonicalised, in a fixed order. Spec: huawei.md §4 step 7, §5. One signature for
 * two requests: `/a%20b` under raw-path and `/a%2520b` under all others, of which the second is refused (the guard
 * refuses `/a%2Fb`, so `/a%252Fb` stays). The orders permute the same parameters; header lines start with their
 * names, so that no order reads as another; empty-body-hash needs the signed word UNSIGNED-PAYLOAD and no body.
 */
import type { Candidate, Credential, Refusal, VerificationOptions, WireRequest } from '../dialect.js';
import { UNSIGNED_PAYLOAD } from '../options.js';
import { refusalsOf } from '../refusal.js';
import {
  EMPTY_SHA256,
  hasMalformedEscape,
  hasNestedEscape,
  hasNonAscii,
  headerValue,
  sha256HexOfText,
  splitTarget,
  trimBlanks,
} from '../wire.js';
import type { CanonicalParts } from './canonical.js';
import {
  canonicalParameters,
  canonicalPath,
  canonicalQuery,
  canonicalRequest,
  headerLines,
  icuOrder,
  readParameters,
} from './canonical.js';
import { DATE_HEADER, SCHEME } from './credential.js';
import { payloadOf } from './payload.js';

const refuse = refusalsOf('Huawei');

/** `SDK-HMAC-SHA256` LF date LF hash of the canonical request; the AES profile has another first line. */
export const stringToSign = (scheme: string, date: string, canonical: string): string =>
  `${scheme}\n${date}\n${sha256HexOfText(canonical)}`;

/**
 * Default first, then one switch at a time: at most seven MACs. A switch that changes nothing for this request is
 * left out; that depends on the request alone, so an unknown key costs what a wrong signature costs.
 */
export function* candidatesOf(
  credential: Credential,
  request: WireRequest,
  options: VerificationOptions,
): Generator<Candidate> {
  const payload = payloadOf(request, credential.signedHeaders, refuse);
  const { path, query } = splitTarget(request.target);
  const date = trimBlanks(headerValue(request, DATE_HEADER) ?? '');
  const parts: CanonicalParts = {
    method: request.method,
    path: canonicalPath(path, 'decoded'),
    query: canonicalQuery(query),
    headerLines: headerLines(request, credential.signedHeaders),
    signedHeaders: credential.signedHeaderList,
    payloadHash: payload.hash,
  };
  const nested = options.compatibility !== 'Strict' && hasNestedEscape(path);
  const ambiguous = nested ? refuse('ambiguous_path', 'under profile raw-path another path signs alike') : undefined;
  const candidate = (
    profile: string,
    changed?: Partial<CanonicalParts>,
    refusal: Refusal | undefined = changed?.path === undefined ? ambiguous : undefined,
  ): Candidate => {
    const canonical = canonicalRequest(changed ? { ...parts, ...changed } : parts);
    return {
      profile,
      canonicalRequest: canonical,
      stringToSign: stringToSign(SCHEME, date, canonical),
      bodyCovered: payload.covered,
      refuse: refusal ?? payload.refuse,
    };
  };

  if (options.compatibility === 'Strict') {
    const malformed = hasMalformedEscape(request.target);
    // A literal `%zz` and `%25zz` sign alike.
    yield candidate(
      'default',
      undefined,
      malformed ? refuse('uncovered_query', 'the target has a malformed escape') : undefined,
    );
    return;
  }
  yield candidate('default');

  const rawPath = canonicalPath(path, 'raw');
  if (rawPath !== parts.path) yield candidate('raw-path', { path: rawPath });

  if (options.compatibility === 'Lenient' && query.includes('+')) {
    yield candidate('plus-literal', { query: canonicalParameters(readParameters(query, false), 'bytes') });
  }

  // Orders can differ only where a parameter has a byte that is not unreserved ASCII: then its encoded form has a `%`.
  if (parts.query.includes('%')) {
    const parameters = readParameters(query, true);
    const nonAscii = parameters.some(({ name, value }) => hasNonAscii(name) || hasNonAscii(value));
    const utf16 = nonAscii ? canonicalParameters(parameters, 'utf16') : parts.query;
    if (utf16 !== parts.query) yield candidate('order-utf16', { query: utf16 });
    const encoded = canonicalParameters(parameters, 'encoded');
    if (encoded !== parts.query) yield candidate('order-encoded', { query: encoded });
  }

  const icuLines = headerLines(request, icuOrder(credential.signedHeaders));
  if (icuLines !== parts.headerLines) yield candidate('header-order-icu', { headerLines: icuLines });

  // The Python SDK declares UNSIGNED-PAYLOAD and signs the hash of nothing; only a body known to be empty qualifies.
  if (payload.hash === UNSIGNED_PAYLOAD && payload.covered)
    yield candidate('empty-body-hash', { payloadHash: EMPTY_SHA256 });
}
