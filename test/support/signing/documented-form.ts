/**
 * What a request means by the vendor's documents: two requests with one form may share a signature, no others. Stated
 * a second time, with regular expressions instead of our parsers, so that a fault of theirs is not repeated here.
 */
import type { DialectName, WireRequest } from '../../../src/signature/dialect.js';

/** `JDCloud` has two versions, which treat paths and blanks differently. */
export type Scheme = 'JDCLOUD2' | 'JDCLOUD3' | Exclude<DialectName, 'JDCloud'>;

/** Decoded once to bytes; malformed escapes stay. */
const decoded = (text: string): string =>
  text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
const formDecoded = (text: string): string => decoded(text.replaceAll('+', ' '));

function pairsOf(query: string): string[][] {
  const pieces = query.split('&').filter((piece) => piece !== '');
  return pieces.map((piece) => {
    const [name = '', ...rest] = piece.split('=');
    return [formDecoded(name), formDecoded(rest.join('='))];
  });
}
const parametersOf = (query: string): string[] =>
  pairsOf(query)
    .map((pair) => pair.join('\n'))
    .sort();

export function splitTarget(target: string): readonly [path: string, query: string] {
  const [path = '', ...rest] = target.split('?');
  return [path, rest.join('?')];
}

export const bodyText = (request: WireRequest): string => Buffer.from(request.body ?? []).toString('latin1');

const valuesOf = (request: WireRequest, name: string): string[] =>
  request.headers.filter(([n]) => n === name).map(([, value]) => value.replace(/^[ \t]+|[ \t]+$/g, ''));

const isForm = (request: WireRequest): boolean =>
  /^application\/x-www-form-urlencoded[ \t]*(;|$)/i.test(valuesOf(request, 'content-type')[0] ?? '');

/** A literal reserved byte is its escape, but for `;` and `+`, which servers read unlike theirs. */
const escapedOnce = (path: string): string =>
  path.replace(/[^\w.~/%;+-]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);

/**
 * TencentApplication cannot tell `a=1%26b=2` from `a=1&b=2`, query from form, `a` from `a=`; with a `&` in a value
 * the order is lost as well. Pieces without name and value are no parameters.
 */
function applicationParameters(request: WireRequest): string[] {
  const [, query] = splitTarget(request.target);
  const pairs = [...pairsOf(query), ...(isForm(request) ? pairsOf(bodyText(request)) : [])];
  const texts = pairs.map(([name, value]) => (value === '' ? name : `${name}=${value}`));
  return texts.join('&').split('&').filter(Boolean).sort();
}

/** Method, path and parameters as the scheme covers them. */
export function targetForm(scheme: Scheme, request: WireRequest): unknown {
  const [path, query] = splitTarget(request.target);
  switch (scheme) {
    case 'JDCLOUD2':
      return [request.method, escapedOnce(path || '/'), parametersOf(query)];
    case 'JDCLOUD3':
      return [request.method, formDecoded(path || '/').replace(/\/+/g, '/'), parametersOf(query)];
    case 'Huawei':
      return [request.method, decoded(path).replace(/([^/]|^)$/, '$1/'), parametersOf(query)];
    case 'Tencent':
      return []; // covers the listed headers alone
    case 'TencentApplication':
      return [request.method, decoded(path), applicationParameters(request)];
  }
}

/** A header value as the scheme covers it. */
export function valueForm(scheme: Scheme, value: string): string {
  const trimmed = value.replace(/^[ \t]+|[ \t]+$/g, '');
  return scheme === 'JDCLOUD2' ? trimmed.replace(/[ \t]+/g, ' ') : trimmed;
}

interface CredentialForm {
  readonly text: unknown;
  readonly signedHeaders: readonly string[];
}

/** The tolerances that the documents grant: blanks after a comma, Tencent's names in any case and fields in any order. */
function credentialForm(scheme: Scheme, authorization: string): CredentialForm | undefined {
  const text = authorization.replace(/^[ \t]+|[ \t]+$/g, '');
  if (scheme === 'Tencent' || scheme === 'TencentApplication') {
    const pair = '(id|algorithm|headers|signature)="([^"]*)"';
    if (!new RegExp(`^hmac[ \\t]+${pair}(,[ \\t]*${pair}){3}$`).test(text)) return undefined;
    const fields = [...text.matchAll(new RegExp(pair, 'g'))].map(([, name = '', value = '']): [string, string] => [
      name,
      name === 'headers' ? value.toLowerCase() : value,
    ]);
    return { text: fields.sort(), signedHeaders: (Object.fromEntries(fields)['headers'] ?? '').split(' ') };
  }
  const grammar =
    scheme === 'Huawei'
      ? /^(SDK-HMAC-SHA256)[ \t]+Access=([^,\s]+),[ \t]*SignedHeaders=([^,\s]+),[ \t]*Signature=([0-9a-f]{64})$/
      : /^(JDCLOUD[23]-HMAC-SHA256) Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{64})$/;
  const match = grammar.exec(text);
  return match ? { text: match.slice(1), signedHeaders: match[3]!.split(';') } : undefined;
}

/** Headers that enter the text signed although no list names them. */
const ALWAYS_SIGNED: { readonly [S in Scheme]: readonly string[] } = {
  JDCLOUD2: ['x-jdcloud-date'],
  JDCLOUD3: ['x-jdcloud-date'],
  Huawei: [],
  Tencent: [],
  TencentApplication: ['accept', 'content-type'],
};

/** The form of all that is covered but the body; `undefined` where the credential follows no documented grammar. */
export function documentedForm(scheme: Scheme, request: WireRequest): string | undefined {
  const credential = credentialForm(scheme, valuesOf(request, 'authorization').join('\n'));
  if (!credential) return undefined;
  const names = [...credential.signedHeaders, ...ALWAYS_SIGNED[scheme]];
  const headers = names.map((name) => {
    const values = valuesOf(request, name).map((value) => valueForm(scheme, value));
    // Repeats: order is not covered by Huawei's clients, a joined list is the same list.
    const list = values.join(',').split(/ *, */);
    return [name, scheme === 'Huawei' ? values.sort() : values.length === 0 ? [''] : list];
  });
  const redirected =
    scheme === 'Tencent' && credential.signedHeaders.includes('x-request-path') ? [request.method, request.target] : [];
  return JSON.stringify([credential.text, headers, targetForm(scheme, request), redirected]);
}

/** A body of which the parameters are covered instead of the bytes. */
export const isCoveredAsParameters = (scheme: Scheme, request: WireRequest): boolean =>
  scheme === 'TencentApplication' && isForm(request);
