/**
 * Canonical forms of JD Cloud's published clients: specs JD Cloud §3.2 to §3.5 and §5.1. One row of PROFILES per
 * client family; ambiguity.ts says which requests are refused because two families sign different requests alike.
 */
import type { Candidate, Refusal, VerificationOptions, WireRequest } from '../dialect.js';
import { UNSIGNED_PAYLOAD } from '../options.js';
import { refusalsOf } from '../refusal.js';
import {
  collapseBlanks,
  decodeLowerHex,
  EMPTY_SHA256,
  headerValue,
  isSortedQuery,
  latin1AsUtf8,
  percentDecode,
  percentEncode,
  percentEncodePath,
  queryPieces,
  sha256Hex,
  sha256HexOfText,
  splitTarget,
  trimBlanks,
  utf8Text,
  type QueryPiece,
} from '../wire.js';
import { ambiguityOf } from './ambiguity.js';
import {
  algorithmOf,
  CONTENT_HASH_HEADER,
  DATE_HEADER,
  NONCE_HEADER,
  terminatorOf,
  type JdcloudCredential,
  type Version,
} from './credential.js';

interface Profile {
  readonly name: string;
  readonly path: (raw: string) => string;
  readonly query: (query: Query) => string;
  /** How the client normalised the white space of a value. */
  readonly value: (raw: string) => string;
  /** Between the values of a repeated header; `undefined`: one `name:value` line each. */
  readonly join: string | undefined;
  /** The client held header bytes as characters and hashed them as UTF-8. */
  readonly asUtf8: boolean;
  /** The client encoded the wire path once more. */
  readonly encodesWirePath?: true;
  /** The pieces of a query that the client leaves out of what it signs. */
  readonly leavesOut?: (piece: QueryPiece) => boolean;
}

/** A query, cut, decoded and sorted once for all profiles of a request, as far as they ask for it. */
class Query {
  readonly raw: string;
  #pieces: readonly QueryPiece[] | undefined;
  #pairs: readonly Pair[] | undefined;
  #sorted: string | undefined;

  constructor(raw: string) {
    this.raw = raw;
  }

  get pieces(): readonly QueryPiece[] {
    return (this.#pieces ??= queryPieces(this.raw));
  }

  /** Decoded with the form rule and encoded again, by encoded name, then encoded value. */
  get pairs(): readonly Pair[] {
    return (this.#pairs ??= this.pieces.map(pairOf).sort(byEncodedText));
  }

  /** The documented form. */
  get sorted(): string {
    return (this.#sorted ??= isSortedQuery(this.raw) ? this.raw : printPairs(this.pairs));
  }
}

interface Pair {
  readonly name: string;
  readonly value: string;
}

const encodeAgain = (text: string): string => percentEncode(percentDecode(text, true));
const pairOf = (piece: QueryPiece): Pair => ({ name: encodeAgain(piece.name), value: encodeAgain(piece.value ?? '') });

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byEncodedText = (a: Pair, b: Pair): number => compare(a.name, b.name) || compare(a.value, b.value);
const printPairs = (pairs: readonly Pair[]): string => pairs.map(({ name, value }) => `${name}=${value}`).join('&');

/** The documented form: each parameter decoded and encoded once, sorted by encoded name, then encoded value. */
export const canonicalQuery = (query: string): string => new Query(query).sorted;

/** JavaScript compares the decoded names as UTF-16 text; without escapes that is the documented order. */
function queryInTextOrder(query: Query): string {
  if (!query.sorted.includes('%') || !query.pairs.some(({ name }) => name.includes('%'))) return query.sorted;
  const keyed = query.pairs.map((pair) => ({ pair, text: utf8Text(percentDecode(pair.name)) }));
  keyed.sort((a, b) => compare(a.text, b.text)); // stable: equal names stay in the order of their values
  return printPairs(keyed.map(({ pair }) => pair));
}

/** Wire text split at every `=`: what follows a second one is lost. Sorted as Python sorts lists of parts. */
function queryOfFirstTwoParts(query: Query): string {
  const lists = query.raw
    .split('&')
    .filter((piece) => piece !== '')
    .map((piece) => piece.split('=').map(trimBlanks));
  lists.sort(compareLists);
  return lists.map((parts) => `${parts[0]}=${parts[1] ?? ''}`).join('&');
}

/** By the first part that differs; the shorter list first. */
function compareLists(a: readonly string[], b: readonly string[]): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const order = compare(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

const isCompletePair = (piece: QueryPiece): boolean => piece.value !== undefined && piece.name !== '';

const queryOfCompletePairs = (query: Query): string =>
  query.pieces.every(isCompletePair)
    ? query.sorted
    : printPairs(query.pieces.filter(isCompletePair).map(pairOf).sort(byEncodedText));

const asSent = (text: string): string => text;

/** Decoded with `+` as space, runs of `/` collapsed, encoded again. */
function decodedPath(raw: string): string {
  const path = percentDecode(raw, true).replace(/\/{2,}/g, '/');
  return percentEncodePath(path.startsWith('/') ? path : `/${path}`);
}

/** JavaScript's white space also holds U+00A0. */
const collapseScriptSpace = (raw: string): string => collapseBlanks(raw.replaceAll('\u00a0', ' '));

const doc: Profile = {
  name: 'doc',
  path: asSent,
  query: (query) => query.sorted,
  value: collapseBlanks,
  join: ',',
  asUtf8: false,
};
const v3: Profile = { ...doc, name: 'v3', path: decodedPath, value: trimBlanks };

/** In the order in which they are tried. */
const PROFILES: { readonly [V in Version]: readonly Profile[] } = {
  2: [
    doc,
    { ...doc, name: 'node', query: queryInTextOrder, value: collapseScriptSpace, join: ', ', asUtf8: true },
    { ...doc, name: 'java', join: undefined },
    { ...doc, name: 'go', query: (query) => query.raw },
    {
      name: 'apim-python',
      path: percentEncodePath,
      encodesWirePath: true,
      query: queryOfFirstTwoParts,
      value: trimBlanks,
      join: ', ',
      asUtf8: true,
      leavesOut: ({ name, value }) =>
        value?.includes('=') === true || trimBlanks(name) !== name || trimBlanks(value ?? '') !== (value ?? ''),
    },
  ],
  3: [
    v3,
    {
      ...v3,
      name: 'python3',
      query: queryOfCompletePairs,
      join: ', ',
      asUtf8: true,
      leavesOut: (piece) => !isCompletePair(piece),
    },
  ],
};

/** Strict knows the documented form alone. */
const DOCUMENTED: { readonly [V in Version]: readonly Profile[] } = { 2: [doc], 3: [v3] };

/** Everything up to the body hash, line feed included. */
function canonicalHead(
  profile: Profile,
  credential: JdcloudCredential,
  request: WireRequest,
  path: string,
  query: Query,
): string {
  let lines = '';
  for (const name of credential.signedHeaders) {
    let separator = `${name}:`;
    for (const header of request.headers) {
      if (header[0] !== name) continue;
      lines += separator + profile.value(header[1]);
      separator = profile.join ?? `\n${name}:`;
    }
    lines += '\n';
  }
  if (profile.asUtf8) lines = latin1AsUtf8(lines);
  return `${request.method}\n${profile.path(path)}\n${profile.query(query)}\n${lines}\n${credential.signedHeaderList}\n`;
}

/** Both texts of one canonical form. */
export function signatureTexts(
  canonicalRequest: string,
  scope: Pick<JdcloudCredential, 'version' | 'date' | 'region' | 'service'>,
): { readonly canonicalRequest: string; readonly stringToSign: string } {
  const { version, date, region, service } = scope;
  const start = `${algorithmOf(version)}\n${date}\n${date.slice(0, 8)}/${region}/${service}/${terminatorOf(version)}`;
  return { canonicalRequest, stringToSign: `${start}\n${sha256HexOfText(canonicalRequest)}` };
}

const refuse = refusalsOf('JDCloud');

interface BodyText {
  /** The last line of the canonical request. */
  readonly hash: string;
  readonly covered: boolean;
  /** Signed, but not the hash of what arrived. */
  readonly mismatch: boolean;
}

/** A hash that the client declares counts only if it is signed; specs JD Cloud §3.5. */
function declaredHash(credential: JdcloudCredential, request: WireRequest): string | undefined {
  if (!credential.signedHeaders.includes(CONTENT_HASH_HEADER)) return undefined;
  const declared = trimBlanks(headerValue(request, CONTENT_HASH_HEADER) ?? '');
  return declared === UNSIGNED_PAYLOAD || decodeLowerHex(declared, 32) ? declared : undefined;
}

/**
 * What the last line may be: the hash of the body received, then the declared text. One published client declares
 * the empty body's hash for uploads: `Lenient` takes that as a body left out; any other hash has to be the body's.
 */
function bodyTexts(credential: JdcloudCredential, request: WireRequest, options: VerificationOptions): BodyText[] {
  const { body } = request;
  const declared = declaredHash(credential, request);
  const leavesOut = declared === UNSIGNED_PAYLOAD || (options.compatibility === 'Lenient' && declared === EMPTY_SHA256);
  if (body === undefined) return [{ hash: declared ?? EMPTY_SHA256, covered: !leavesOut, mismatch: false }];
  const received = sha256Hex(body);
  const texts: BodyText[] = [{ hash: received, covered: true, mismatch: false }];
  if (declared !== undefined && declared !== received) {
    // No bytes are covered by any signature; but a body that arrived empty where another was hashed is a mismatch.
    texts.push({ hash: declared, covered: leavesOut && body.length === 0, mismatch: !leavesOut });
  }
  return texts;
}

/** Candidates of a request, each distinct canonical form once: profiles of `compatibility` × what the last line may be. */
export function* candidatesOf(
  credential: JdcloudCredential,
  request: WireRequest,
  options: VerificationOptions,
): Generator<Candidate> {
  const { path, query: raw } = splitTarget(request.target);
  const query = new Query(raw);
  const unsigned = unsignedHeader(credential);
  const profiles = (options.compatibility === 'Strict' ? DOCUMENTED : PROFILES)[credential.version];
  const heads: string[] = [];
  for (const body of bodyTexts(credential, request, options)) {
    for (let i = 0; i < profiles.length; i++) {
      const profile = profiles[i]!;
      // Heads are made when first needed and kept for the second body text.
      const head = (heads[i] ??= canonicalHead(profile, credential, request, path, query));
      if (heads.indexOf(head) < i) continue;
      const { canonicalRequest, stringToSign } = signatureTexts(head + body.hash, credential);
      yield {
        profile: profile.name,
        canonicalRequest,
        stringToSign,
        bodyCovered: body.covered,
        refuse:
          unsigned ??
          (options.compatibility === 'Strict' ? undefined : ambiguityOf(profile, credential, request, path)) ??
          refusalOf(profile, query, body, options),
      };
    }
  }
}

/** Version 2 signs date and nonce; published version 3 clients do not, their date is bound by the string to sign. */
function unsignedHeader({ version, signedHeaders }: JdcloudCredential): Refusal | undefined {
  if (version !== 2) return undefined;
  const name = !signedHeaders.includes(DATE_HEADER) ? DATE_HEADER : NONCE_HEADER;
  if (signedHeaders.includes(name)) return undefined;
  return refuse('required_header_not_signed', `version 2 signs ${name}`, name);
}

function refusalOf(profile: Profile, query: Query, body: BodyText, options: VerificationOptions): Refusal | undefined {
  if (profile.leavesOut && options.compatibility !== 'Lenient' && query.pieces.some(profile.leavesOut)) {
    return refuse('uncovered_query', `profile ${profile.name} leaves part of this query out of the signature`);
  }
  return body.mismatch ? refuse('body_mismatch', 'the signed body hash is not that of the body received') : undefined;
}
