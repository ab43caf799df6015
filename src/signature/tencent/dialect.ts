import type { Candidate, Dialect, Refusal, VerificationOptions, WireRequest } from '../dialect.js';
import { hmac } from '../hmac.js';
import { refusalsOf } from '../refusal.js';
import { formatImfDate, headerValue, trimBlanks } from '../wire.js';
import { bodyCoverage, digestHeaders, sha256Digest } from './body-digest.js';
import type { SignedDate } from './credential.js';
import { formatCredential, hasScheme, parseCredential, readDate, signingLines } from './credential.js';
import { vendorReplyOf } from './reply.js';
import { listed, signableHeaders } from './signing.js';

const refuse = refusalsOf('Tencent');

/** Private extension: headers by which a signature that covers headers alone also binds method and target. */
const METHOD_HEADER = 'x-request-method';
const PATH_HEADER = 'x-request-path';

/**
 * If both dates are signed X-Date decides. An unsigned X-Date never stands in for Date, but is refused when stale.
 * Spec: tencent.md §4 step 7, §6; design §4.
 */
function signedDate(
  signedHeaders: readonly string[],
  request: WireRequest,
  dateOnly: VerificationOptions['dateOnly'],
): SignedDate {
  if (signedHeaders.includes('x-date')) return readDate('Tencent', request, 'x-date');
  if (!signedHeaders.includes('date')) return refuse('missing_date', 'neither x-date nor date is signed');
  if (dateOnly === 'Deny') return refuse('date_only_forbidden', 'only date is signed');
  const date = dateOnly === 'Checked' ? readDate('Tencent', request, 'date') : undefined;
  if (date && !date.ok) return date;
  const timestampMs = date?.value.timestampMs;
  if (headerValue(request, 'x-date') === undefined) return { ok: true, value: { timestampMs } };
  const beside = readDate('Tencent', request, 'x-date');
  return beside.ok ? { ok: true, value: { timestampMs, unsignedTimestampMs: beside.value.timestampMs } } : beside;
}

/** A signed copy of method or target that is not that of this request: the request was redirected after signing. */
function redirected(request: WireRequest, signedHeaders: readonly string[]): Refusal | undefined {
  const differs = (name: string, actual: string): boolean =>
    signedHeaders.includes(name) && trimBlanks(headerValue(request, name) ?? '') !== actual;
  if (differs(METHOD_HEADER, request.method)) return refuse('bad_signature', `${METHOD_HEADER} is not the method`);
  if (differs(PATH_HEADER, request.target)) return refuse('bad_signature', `${PATH_HEADER} is not the target`);
  return undefined;
}

/**
 * Tencent Cloud API Gateway, key pair: covers the listed headers and nothing else. Spec: tencent.md §2, §4.
 * Towards backends the list is `x-date host source x-request-method x-request-path digest`, a private extension.
 */
export const tencent: Dialect & { readonly name: 'Tencent' } = {
  name: 'Tencent',
  detect: hasScheme,
  parse: (authorization, request, options) =>
    parseCredential('Tencent', authorization, request, options, (names) =>
      signedDate(names, request, options.dateOnly),
    ),
  *candidates(credential, request): Generator<Candidate> {
    const coverage = bodyCoverage('Tencent', request, digestHeaders(credential.signedHeaders));
    const refusal = redirected(request, credential.signedHeaders) ?? coverage.refuse;
    yield {
      profile: 'default',
      stringToSign: signingLines(request, credential.signedHeaders),
      bodyCovered: coverage.covered,
      refuse: refusal,
    };
  },
  macKey: (_credential, secret) => secret,
  sign(request, key, context) {
    const own: (readonly [string, string])[] = [
      ['x-date', formatImfDate(context.nowMs)],
      ['source', context.requestId ?? context.nonce],
      [METHOD_HEADER, request.method],
      [PATH_HEADER, request.target],
    ];
    if (request.body !== undefined) own.push(['digest', sha256Digest(request.body)]);
    const { names, lines } = listed(signableHeaders([own[0]!, ['host', request.host], ...own.slice(1)], request));
    const mac = hmac('sha256', key.secret.reveal(), lines, 'base64');
    return [...own, ['authorization', formatCredential(key.keyId, 'hmac-sha256', names, mac)]];
  },
  // The query is covered only as part of x-request-path, byte for byte: it is sent as it came.
  canonicalQuery: (query) => query,
  singleHeaders: ['x-date', 'date', 'host', 'digest', 'content-md5'],
  strictSignedHeaders: ['host'],
  credentialHeaders: ['authorization', 'x-date'],
  vendorReply: vendorReplyOf('Tencent'),
};
