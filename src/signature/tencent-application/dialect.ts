import { createHmac } from 'node:crypto';
import type {
  Candidate,
  Credential,
  Dialect,
  Refusal,
  VerificationContext,
  VerificationOptions,
  WireRequest,
} from '../dialect.js';
import { refusalsOf } from '../refusal.js';
import { bodyCoverage, contentMd5, digestHeaders, sha256Digest } from '../tencent/body-digest.js';
import { formatCredential, hasScheme, parseCredential, readDate, signingLines } from '../tencent/credential.js';
import { vendorReplyOf } from '../tencent/reply.js';
import {
  formatImfDate,
  hasNonAscii,
  headerValue,
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
const isForm = (contentType: string): boolean => trimBlanks(contentType.split(';', 1)[0]!).toLowerCase() === FORM;

/** Query and form are split, sorted and joined before a key is believed: bound the pieces, not only the bytes. */
const MAX_PARAMETERS = 4096;

const AMPERSAND = 0x26;
const NO_BYTES = new Uint8Array();

function countPieces(bytes: Uint8Array): number {
  let count = 1;
  for (let at = bytes.indexOf(AMPERSAND); at >= 0; at = bytes.indexOf(AMPERSAND, at + 1)) count++;
  return count;
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

const MD5_KINDS = ['header', 'computed'] as const;

/** Names what deviates from the documented text, `default` when nothing does. */
function profileOf(reading: Reading, merge: Merge, md5: (typeof MD5_KINDS)[number]): string {
  const deviations = [
    ...(reading === 'raw' ? ['raw'] : []),
    ...(merge === 'query-then-form' ? ['query-then-form'] : []),
    ...(md5 === 'computed' ? ['md5-computed'] : []),
  ];
  return deviations.join('+') || 'default';
}

const received = (request: WireRequest, name: string): string => trimBlanks(headerValue(request, name) ?? '');

/** The last field under each reading that this request tells apart. */
function* parameterTexts(source: ParameterSource, strict: boolean): Generator<readonly [Reading, Merge, string]> {
  const { path, query, form = '' } = source;
  const escaped = [path, query, form].some((text) => text.includes('%') || text.includes('+'));
  const readings: readonly Reading[] = strict || !escaped ? ['decoded'] : ['decoded', 'raw'];
  const merges: readonly Merge[] = strict || query === '' || form === '' ? ['merged'] : ['merged', 'query-then-form'];
  for (const reading of readings) {
    for (const merge of merges) yield [reading, merge, pathAndParameters(source, reading, merge)];
  }
}

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
  const form = isForm(contentType);
  const { path, query } = splitTarget(request.target);
  const source: ParameterSource = {
    path: pathWithoutEnvironment(path, context.environmentPath),
    query,
    form: form ? latin1(body ?? NO_BYTES) : undefined,
  };
  const sentMd5 = received(request, 'content-md5');
  const declared = digestHeaders(credential.signedHeaders);
  // Content-MD5 is a field of its own: sent is signed, listed or not.
  if (sentMd5 !== '' && !declared.includes('content-md5')) declared.push('content-md5');
  const coverage = bodyCoverage('TencentApplication', request, declared);
  const refusal = coverage.refuse ?? refusalOf(request, source, strict);
  const ambiguous: { [R in Reading]?: Refusal | undefined } = {};
  const start = [
    ...signingLines(request, credential.signedHeaders),
    request.method,
    received(request, 'accept'),
    contentType,
  ].join('\n');
  let computedMd5: string | undefined; // hashed at most once, and only when the first form does not match

  const seen = new Set<string>();
  for (const [reading, merge, parameters] of parameterTexts(source, strict)) {
    for (const kind of strict ? MD5_KINDS.slice(0, 1) : MD5_KINDS) {
      if (kind === 'computed') computedMd5 ??= form || !body?.length ? '' : contentMd5(body);
      const md5 = kind === 'computed' ? (computedMd5 ?? '') : sentMd5;
      const stringToSign = `${start}\n${md5}\n${parameters}`;
      if (seen.has(stringToSign)) continue;
      seen.add(stringToSign);
      if (!strict && !(reading in ambiguous)) ambiguous[reading] = ambiguityOf(source, reading);
      const refused = refusal ?? ambiguous[reading];
      yield {
        profile: profileOf(reading, merge, kind),
        stringToSign,
        bodyCovered: coverage.covered || form || kind === 'computed',
        ...(refused ? { refuse: refused } : {}),
      };
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
    if (countPieces(Buffer.from(request.target, 'latin1')) + countPieces(form) > MAX_PARAMETERS) {
      return refuse('malformed_credential', `query and form have more than ${MAX_PARAMETERS} parameters together`);
    }
    return parsed;
  },
  candidates: candidatesOf,
  macKey: (_credential, secret) => secret,
  sign(request, key, context) {
    const { body, contentType = '' } = request;
    const form = isForm(contentType);
    const md5 = body === undefined || body.length === 0 || form ? '' : contentMd5(body);
    const own: (readonly [string, string])[] = [
      ...(body === undefined ? [] : [['digest', sha256Digest(body)] as const]),
      ['source', context.requestId ?? context.nonce],
      ['x-date', formatImfDate(context.nowMs)],
      // Decoded parameters have two readings where they hold `&` or `=`: the target as it is sent tells them apart.
      ['x-request-path', request.target],
    ];
    const signed = new Map<string, string>([...own, ['host', request.host]]);
    for (const [name, value] of request.signHeaders) {
      const text = trimBlanks(value);
      if (text !== '' && !hasNonAscii(text) && !signed.has(name)) signed.set(name, text);
    }
    const names = [...signed.keys()].sort();
    const { path, query } = splitTarget(request.target);
    const source = { path, query, form: form && body ? latin1(body) : undefined };
    const text = [
      ...names.map((name) => `${name}: ${signed.get(name)}`),
      request.method,
      request.accept ?? '',
      contentType,
      md5,
      pathAndParameters(source, 'decoded', 'merged'),
    ].join('\n');
    const mac = createHmac('sha256', key.secret.reveal()).update(text, 'latin1').digest('base64');
    return [
      ...own,
      ...(md5 === '' ? [] : [['content-md5', md5] as const]),
      ['authorization', formatCredential(key.keyId, 'hmac-sha256', names, mac)],
    ];
  },
  canonicalQuery,
  // Fields of the signing string: a second one would reach the backend unsigned.
  singleHeaders: ['x-date', 'host', 'accept', 'content-type', 'content-md5', 'digest'],
  strictSignedHeaders: ['host', 'x-date'],
  credentialHeaders: ['authorization', 'x-date'],
  vendorReply: vendorReplyOf('TencentApplication'),
};
