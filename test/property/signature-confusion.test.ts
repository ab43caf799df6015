/**
 * One signature, two requests: whoever saw one could send the other. Every pair that shares an accepted text has to be
 * one request by the vendor's documented form.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isCanonicalPath } from '../../src/authz/guard/path.js';
import type { Credential, DialectName, WireRequest } from '../../src/signature/dialect.js';
import { dialectByName } from '../../src/signature/dialects.js';
import {
  bodyText,
  splitTarget,
  targetForm,
  valueForm,
  type Scheme as DocumentedScheme,
} from '../support/signing/documented-form.js';
import { optionsFor } from '../vectors/labels.js';

interface Scheme {
  readonly name: DocumentedScheme;
  readonly dialect: DialectName;
  readonly credential: Partial<Credential> & { readonly version?: 2 | 3 };
}

const DATE = '20240301T000000Z';
const IMF_DATE = 'Fri, 01 Mar 2024 00:00:00 GMT';

const SCHEMES: readonly Scheme[] = [
  { name: 'JDCLOUD2', dialect: 'JDCloud', credential: { version: 2 } },
  { name: 'JDCLOUD3', dialect: 'JDCloud', credential: { version: 3 } },
  { name: 'Huawei', dialect: 'Huawei', credential: {} },
  { name: 'TencentApplication', dialect: 'TencentApplication', credential: {} },
];

const meaningOf = (scheme: Scheme, request: WireRequest): string => JSON.stringify(targetForm(scheme.name, request));

function requestFor(target: string, form = ''): WireRequest {
  const headers: [string, string][] = [
    ['host', 'h'],
    ['x-jdcloud-date', DATE],
    ['x-jdcloud-nonce', 'n'],
    ['x-sdk-date', DATE],
    ['x-date', IMF_DATE],
    ['content-type', 'application/x-www-form-urlencoded'],
  ];
  return { method: 'POST', target, headers, body: Buffer.from(form, 'latin1') };
}

const SIGNED: { readonly [Name in DialectName]: readonly string[] } = {
  JDCloud: ['x-jdcloud-date', 'x-jdcloud-nonce'],
  Huawei: ['x-sdk-date'],
  Tencent: ['x-date'],
  TencentApplication: ['x-date'],
};

/** The texts of which a MAC makes the gateway accept this request, as the guard and `Vendor` stand. */
function acceptedTexts(scheme: Scheme, request: WireRequest, signedHeaders = SIGNED[scheme.dialect]): string[] {
  if (!isCanonicalPath(splitTarget(request.target)[0])) return [];
  const credential = {
    dialect: scheme.dialect,
    keyId: 'key',
    signedHeaders,
    signedHeaderList: signedHeaders.join(';'),
    mac: new Uint8Array(32),
    hash: 'sha256',
    timestampMs: 0,
    nonce: undefined,
    date: DATE,
    region: 'r',
    service: 's',
    ...scheme.credential,
  } as const;
  const candidates = dialectByName(scheme.dialect).candidates(credential, request, optionsFor(scheme.dialect), {});
  const texts: string[] = [];
  for (const candidate of candidates) if (!candidate.refuse) texts.push(candidate.stringToSign);
  return texts;
}

const shown = (request: WireRequest): string => JSON.stringify([request.target, bodyText(request)]);

/** By accepted text the first request seen; a later one with another meaning is a finding. */
class Confusions {
  readonly #seen = new Map<string, { readonly request: WireRequest; readonly meaning: string }>();
  readonly found: string[] = [];
  shared = 0;

  add(scheme: Scheme, request: WireRequest, meaning: string, signedHeaders?: readonly string[]): void {
    for (const text of acceptedTexts(scheme, request, signedHeaders)) {
      const other = this.#seen.get(text);
      if (!other) this.#seen.set(text, { request, meaning });
      else if (other.meaning === meaning) this.shared++;
      else this.found.push(`${shown(other.request)} and ${shown(request)}`);
    }
  }
}

/** Every text of up to `length` tokens. */
function textsOf(tokens: readonly string[], length: number): string[] {
  let longest = [''];
  const all = [''];
  for (let i = 0; i < length; i++) {
    longest = longest.flatMap((text) => tokens.map((token) => text + token));
    all.push(...longest);
  }
  return [...new Set(all)];
}

const PATH_TOKENS = [
  'a',
  '/',
  '%',
  '25',
  '20',
  '%20',
  '%25',
  '%41',
  '%61',
  '2B',
  '%2B',
  '+',
  ';',
  '%3B',
  ':',
  '%3A',
  '%3F',
];
const QUERY_TOKENS = [
  'a',
  'b',
  '=',
  '&',
  '%',
  '25',
  '41',
  '%25',
  '%41',
  '+',
  '%2B',
  '%20',
  '%26',
  '%3D',
  '%C3%A9',
  '?',
];

describe.each(SCHEMES)('$name', (scheme) => {
  test('no two paths share a signature unless they are one path', () => {
    const confusions = new Confusions();
    for (const path of textsOf(PATH_TOKENS, 3)) {
      const request = requestFor(`/${path}`);
      confusions.add(scheme, request, meaningOf(scheme, request));
    }
    expect(confusions.shared).toBeGreaterThan(0);
    expect(confusions.found.slice(0, 5)).toEqual([]);
  });

  test('no two queries share a signature unless they hold the same parameters', () => {
    const confusions = new Confusions();
    for (const query of textsOf(QUERY_TOKENS, 3)) {
      const request = requestFor(`/p?${query}`);
      confusions.add(scheme, request, meaningOf(scheme, request));
    }
    expect(confusions.shared).toBeGreaterThan(0);
    expect(confusions.found.slice(0, 5)).toEqual([]);
  });

  test('nor do longer requests that differ by one rewriting', () => {
    const text = (tokens: readonly string[]) =>
      fc.array(fc.constantFrom(...tokens), { maxLength: 12 }).map((parts) => parts.join(''));
    const unescape = (t: string): string =>
      t.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    const rewritings: readonly ((text: string) => string)[] = [
      unescape,
      (t) => t.replace(/%25/g, '%'),
      (t) => t.replace(/%/g, '%25'),
      (t) => t.replace(/%2B/g, '+'),
      (t) => t.replace(/\+/g, '%2B'),
      (t) => t.replace(/%3([AB])/g, (_, digit) => (digit === 'A' ? ':' : ';')),
      (t) => t.split('&').reverse().join('&'),
      (t) => t.replace(/=/g, ''),
    ];
    fc.assert(
      fc.property(text(PATH_TOKENS), text(QUERY_TOKENS), text(QUERY_TOKENS), (path, query, form) => {
        const confusions = new Confusions();
        for (const rewrite of [(t: string) => t, ...rewritings]) {
          for (const target of [`/${rewrite(path)}?${query}`, `/${path}?${rewrite(query)}`]) {
            const request = requestFor(target, form);
            confusions.add(scheme, request, meaningOf(scheme, request));
          }
          const moved = requestFor(`/${path}?${form}`, rewrite(query));
          confusions.add(scheme, moved, meaningOf(scheme, moved));
        }
        expect(confusions.found).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('signed header values', () => {
  test.each(SCHEMES)('$name: none signs like another one', (scheme) => {
    const confusions = new Confusions();
    const signedHeaders = [...SIGNED[scheme.dialect], 'x-name'];
    for (const value of textsOf(['a', ' ', '\t', ',', '\u00a0', '\u00c2', '\u00c3', '\u00a9', '\u00e9', '\u0083'], 3)) {
      const plain = requestFor('/');
      confusions.add(
        scheme,
        { ...plain, headers: [...plain.headers, ['x-name', value]] },
        valueForm(scheme.name, value),
        signedHeaders,
      );
    }
    expect(confusions.found.slice(0, 5)).toEqual([]);
    expect(confusions.shared).toBeGreaterThan(0);
  });
});
