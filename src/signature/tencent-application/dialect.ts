import type {
  Candidate,
  Credential,
  Dialect,
  Refusal,
  VerificationContext,
  VerificationOptions,
  WireRequest,
} from '../dialect.js';
import { hmac } from '../hmac.js';
import { refusalsOf } from '../refusal.js';
import { bodyCoverage, contentMd5, digestHeaders, sha256Digest } from '../tencent/body-digest.js';
import { formatCredential, hasScheme, parseCredential, readDate, signingLines } from '../tencent/credential.js';
import { vendorReplyOf } from '../tencent/reply.js';
import { listed, signableHeaders } from '../tencent/signing.js';
import {
  formatImfDate,
  headerValue,
  oversizedQuery,
  percentDecode,
  percentEncode,
  queryPieces,
  splitTarget,
  trimBlanks,
} from '../wire.js';
import type { Merge, ParameterSource, Reading } from './parameters.js';
import {
  decodedAmbiguity,
  isAmbiguous,
  pathAndParameters,
  pathWithoutEnvironment,
  rawAmbiguity,
} from './parameters.js';

const refuse = refusalsOf('TencentApplication');

const FORM = 'application/x-www-form-urlencoded';
function isForm(contentType: string): boolean {
  const end = contentType.indexOf(';');
  return trimBlanks(end < 0 ? contentType : contentType.slice(0, end)).toLowerCase() === FORM;
}

const byName = ([a]: readonly [string, string], [b]: readonly [string, string]): number => (a < b ? -1 : 1);

/** A form is decoded, cut, sorted and joined like the query, under up to four readings, whoever sends it. */
const MAX_FORM_PARAMETERS = 2048;
/** Files go in other bodies. 4 MiB of form, which `maxBodyBytes` may let in, would hold the thread for 150 ms. */
const MAX_FORM_BYTES = 256 * 1024;

const NO_BYTES = new Uint8Array();

const AMPERSAND = 0x26;

function oversizedForm(form: Uint8Array): string | undefined {
  if (form.length > MAX_FORM_BYTES) return `the form is longer than ${MAX_FORM_BYTES} bytes`;
  let count = 1;
  for (let at = form.indexOf(AMPERSAND); at >= 0; at = form.indexOf(AMPERSAND, at + 1)) count++;
  return count > MAX_FORM_PARAMETERS ? `the form has more than ${MAX_FORM_PARAMETERS} parameters` : undefined;
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

/** Names what deviates from the documented text, `default` when nothing does. */
function profileOf(reading: Reading, merge: Merge, isMd5Computed: boolean): string {
  const deviations: string[] = [];
  if (reading === 'raw') deviations.push('raw');
  if (merge === 'query-then-form') deviations.push('query-then-form');
  if (isMd5Computed) deviations.push('md5-computed');
  return deviations.join('+') || 'default';
}

const received = (request: WireRequest, name: string): string => trimBlanks(headerValue(request, name) ?? '');

const holdsEscapes = (text: string): boolean => text.includes('%') || text.includes('+');

const DECODED: readonly Reading[] = ['decoded'];
const BOTH_READINGS: readonly Reading[] = ['decoded', 'raw'];
const MERGED: readonly Merge[] = ['merged'];
const BOTH_MERGES: readonly Merge[] = ['merged', 'query-then-form'];

/**
 * Decoded or raw × one sort or query then form × Content-MD5 as sent or (the Go and Python demos sign it unsent)
 * computed: at most eight, repeats left out. Strict tries the documented text alone. Spec: tencent.md §3, §4.
 */
function* candidatesOf(
  credential: Credential,
  request: WireRequest,
  options: VerificationOptions,
  context: VerificationContext,
): Generator<Candidate> {
  const strict = options.compatibility === 'Strict';
  const { body } = request;
  const contentType = received(request, 'content-type');
  const isFormBody = isForm(contentType);
  const { path, query } = splitTarget(request.target);
  const form = isFormBody ? latin1(body ?? NO_BYTES) : '';
  const source: ParameterSource = {
    path: pathWithoutEnvironment(path, context.environmentPath),
    query,
    form: isFormBody ? form : undefined,
  };
  const sentMd5 = received(request, 'content-md5');
  const declared = digestHeaders(credential.signedHeaders);
  // Content-MD5 is a field of its own: sent is signed, listed or not.
  if (sentMd5 !== '' && !declared.includes('content-md5')) declared.push('content-md5');
  const coverage = bodyCoverage('TencentApplication', request, declared);
  const refusal = coverage.refuse ?? refusalOf(request, source, strict);
  const lines = signingLines(request, credential.signedHeaders);
  const start = `${lines}\n${request.method}\n${received(request, 'accept')}\n${contentType}\n`;

  const escaped = holdsEscapes(source.path) || holdsEscapes(query) || holdsEscapes(form);
  const tried: string[] = [];
  for (const reading of strict || !escaped ? DECODED : BOTH_READINGS) {
    const refused = refusal ?? (strict ? undefined : ambiguityOf(source, reading));
    for (const merge of strict || query === '' || form === '' ? MERGED : BOTH_MERGES) {
      const parameters = pathAndParameters(source, reading, merge);
      for (const isMd5Computed of strict ? [false] : [false, true]) {
        const md5 = !isMd5Computed ? sentMd5 : isFormBody || !body?.length ? '' : contentMd5(body);
        const stringToSign = `${start}${md5}\n${parameters}`;
        if (tried.includes(stringToSign)) continue;
        tried.push(stringToSign);
        yield {
          profile: profileOf(reading, merge, isMd5Computed),
          stringToSign,
          bodyCovered: coverage.covered || isFormBody || isMd5Computed,
          refuse: refused,
        };
      }
    }
  }
}

/**
 * Both readings are on: `q=%2541` decoded signs like `q=%41` raw, and the first is refused; `q=%2B` decoded like
 * `q=+` raw, and the second is refused, since signing decoded values is the documented way. A path with `%3F` signs
 * like one that ends there. What the decoded text alone cannot tell, `q=1%26b=2` from `q=1&b=2`, is as documented
 * (tencent.md §7) and refused by Strict; query or form, one sort or two, and a Content-MD5 that was sent or computed
 * leave parameters and body the same.
 */
function ambiguityOf(source: ParameterSource, reading: Reading): Refusal | undefined {
  const fault = reading === 'raw' ? rawAmbiguity(source) : decodedAmbiguity(source);
  return fault && refuse(fault, `under the other reading the text signed, ${reading}, is that of another request`);
}

/** What is refused although it is signed: a form that was not buffered, a text with two readings. */
function refusalOf(request: WireRequest, source: ParameterSource, strict: boolean): Refusal | undefined {
  if (source.form !== undefined && request.body === undefined) {
    return refuse('body_unavailable', 'the signature covers a form that a streamed route does not buffer');
  }
  if (strict && isAmbiguous(source)) {
    return refuse(
      'uncovered_query',
      'decoded, a name or value holds &, =, # or a line feed: the text has a second reading',
    );
  }
  return undefined;
}

/** The one form in which decoded and raw readings agree as far as they can: sorted, escaped, spaces as %20. */
function canonicalQuery(query: string): string {
  const pieces = queryPieces(query).map(
    ({ name, value = '' }) => [percentDecode(name, true), percentDecode(value, true)] as const,
  );
  pieces.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0));
  return pieces
    .filter(([name, value]) => name !== '' || value !== '')
    .map(([name, value]) => (value === '' ? percentEncode(name) : `${percentEncode(name)}=${percentEncode(value)}`))
    .join('&');
}

/** Tencent Cloud API Gateway, application: covers method, parameters, path and a JSON body's MD5. Spec: tencent.md §3. */
export const tencentApplication: Dialect & { readonly name: 'TencentApplication' } = {
  name: 'TencentApplication',
  detect: hasScheme,
  parse(authorization, request, options) {
    const parsed = parseCredential('TencentApplication', authorization, request, options, (names) =>
      names.includes('x-date')
        ? readDate('TencentApplication', request, 'x-date')
        : refuse('missing_date', 'x-date is not signed', 'x-date'),
    );
    if (!parsed.ok) return parsed;
    const { signedHeaders } = parsed.value;
    if (options.compatibility === 'Strict' && signedHeaders.some((name, i) => i > 0 && signedHeaders[i - 1]! > name)) {
      return refuse('malformed_credential', 'headers is not sorted');
    }
    const form = isForm(received(request, 'content-type')) ? (request.body ?? NO_BYTES) : NO_BYTES;
    const oversized = oversizedQuery(request.target) ?? oversizedForm(form);
    if (oversized !== undefined) return refuse('malformed_credential', oversized);
    return parsed;
  },
  candidates: candidatesOf,
  macKey: (_credential, secret) => secret,
  sign(request, key, context) {
    const { body, contentType = '' } = request;
    const form = isForm(contentType);
    const md5 = body === undefined || body.length === 0 || form ? '' : contentMd5(body);
    const own: (readonly [string, string])[] = [
      ['source', context.requestId ?? context.nonce],
      ['x-date', formatImfDate(context.nowMs)],
      // Decoded parameters have two readings where they hold `&` or `=`: the target as it is sent tells them apart.
      ['x-request-path', request.target],
    ];
    if (body !== undefined) own.push(['digest', sha256Digest(body)]);
    const { names, lines } = listed(signableHeaders([...own, ['host', request.host]], request).sort(byName));
    const { path, query } = splitTarget(request.target);
    const source = { path, query, form: form && body ? latin1(body) : undefined };
    const parameters = pathAndParameters(source, 'decoded', 'merged');
    const text = `${lines}\n${request.method}\n${request.accept ?? ''}\n${contentType}\n${md5}\n${parameters}`;
    const mac = hmac('sha256', key.secret.reveal(), text, 'base64');
    if (md5 !== '') own.push(['content-md5', md5]);
    own.push(['authorization', formatCredential(key.keyId, 'hmac-sha256', names, mac)]);
    return own;
  },
  canonicalQuery,
  // Fields of the signing string: a second one would reach the backend unsigned.
  singleHeaders: ['x-date', 'host', 'accept', 'content-type', 'content-md5', 'digest'],
  strictSignedHeaders: ['host', 'x-date'],
  credentialHeaders: ['authorization', 'x-date'],
  vendorReply: vendorReplyOf('TencentApplication'),
};
