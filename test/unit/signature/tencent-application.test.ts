import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { Redacted } from '../../../src/lib/redacted.js';
import type {
  Verification,
  VerificationContext,
  VerificationOptions,
  WireRequest,
} from '../../../src/signature/dialect.js';
import { tencentApplication } from '../../../src/signature/tencent-application/dialect.js';
import { verifyRequest } from '../../../src/signature/verify.js';
import { optionsFor } from '../../vectors/labels.js';

const KEY_ID = 'APIDapp1';
const SECRET = 'secret-of-app-1';
const NOW_MS = Date.UTC(2021, 2, 11, 8, 29, 58);
const NOW = 'Thu, 11 Mar 2021 08:29:58 GMT';
const HOST = 'api.example.com';
const FORM = 'application/x-www-form-urlencoded';

interface Signed {
  /** The last field of the signing string. */
  readonly path: string;
  readonly target?: string;
  readonly method?: string;
  readonly contentType?: string;
  /** The Content-MD5 field; the header is sent unless `md5Unsent`. */
  readonly md5?: string;
  readonly md5Unsent?: boolean;
  readonly body?: string | undefined;
}

function signed({
  path,
  target,
  method = 'POST',
  contentType = '',
  md5 = '',
  md5Unsent,
  ...rest
}: Signed): WireRequest {
  const lines = [`host: ${HOST}`, `x-date: ${NOW}`, method, 'application/json', contentType, md5, path];
  const mac = createHmac('sha1', SECRET).update(lines.join('\n'), 'utf8').digest('base64');
  return {
    method,
    target: target ?? path,
    headers: [
      ['host', HOST],
      ['x-date', NOW],
      ['accept', 'application/json'],
      ...(contentType === '' ? [] : [['content-type', contentType] as const]),
      ...(md5 === '' || md5Unsent ? [] : [['content-md5', md5] as const]),
      ['authorization', `hmac id="${KEY_ID}", algorithm="hmac-sha1", headers="host x-date", signature="${mac}"`],
    ],
    body: 'body' in rest ? (rest.body === undefined ? undefined : Buffer.from(rest.body)) : new Uint8Array(),
  };
}

const verify = (
  request: WireRequest,
  options: Partial<VerificationOptions> = {},
  context: VerificationContext = {},
): Verification =>
  verifyRequest(
    request,
    optionsFor('TencentApplication', options),
    context,
    (id) => (id === KEY_ID ? { keyId: KEY_ID, secrets: [{ secret: new Redacted(SECRET) }] } : undefined),
    NOW_MS,
  );
const outcome = (verification: Verification): string => (verification.ok ? verification.profile : verification.reason);
const hexMd5 = (body: string): string => Buffer.from(createHash('md5').update(body).digest('hex')).toString('base64');

describe('profiles', () => {
  const strict = { compatibility: 'Strict' } as const;
  const CASES: Readonly<Record<string, Signed>> = {
    default: { path: '/g?a=x y&b', target: '/g?b=&a=x+y' },
    raw: { path: '/g%20h?a=x%20y', target: '/g%20h?a=x%20y' },
    'query-then-form': { path: '/m?z=1&a=9', target: '/m?z=1', contentType: FORM, body: 'a=9' },
    'raw+query-then-form': { path: '/m?z=%20&a=9', target: '/m?z=%20', contentType: FORM, body: 'a=9' },
    'md5-computed': { path: '/j', contentType: 'application/json', md5: hexMd5('{}'), md5Unsent: true, body: '{}' },
    'raw+md5-computed': {
      path: '/j?a=%20',
      contentType: 'application/json',
      md5: hexMd5('{}'),
      md5Unsent: true,
      body: '{}',
    },
  };

  for (const [name, request] of Object.entries(CASES)) {
    test(`${name} is on in Vendor`, () => expect(outcome(verify(signed(request)))).toBe(name));
    test(`${name} is ${name === 'default' ? 'on' : 'off'} in Strict`, () =>
      expect(outcome(verify(signed(request), strict))).toBe(name === 'default' ? name : 'bad_signature'));
  }
});

describe('the environment segment', () => {
  const release = (basePath: string): VerificationContext => ({ environmentPath: { basePath, segment: 'release' } });

  test('is left out of the signed path, the base path is not', () => {
    expect(outcome(verify(signed({ path: '/orders/v1', target: '/orders/release/v1' }), {}, release('/orders')))).toBe(
      'default',
    );
    expect(outcome(verify(signed({ path: '/v1', target: '/release/v1' }), {}, release('/')))).toBe('default');
    expect(outcome(verify(signed({ path: '/', target: '/release' }), {}, release('/')))).toBe('default');
    expect(outcome(verify(signed({ path: '/orders', target: '/orders/release' }), {}, release('/orders')))).toBe(
      'default',
    );
  });
  test('is a whole segment, and only in its place', () => {
    expect(outcome(verify(signed({ path: '/releases/v1' }), {}, release('/')))).toBe('default');
    expect(outcome(verify(signed({ path: '/v1/release' }), {}, release('/')))).toBe('default');
    expect(outcome(verify(signed({ path: '/v1', target: '/release/v1' })))).toBe('bad_signature');
  });
});

describe('a text with two readings', () => {
  const strict = { compatibility: 'Strict' } as const;

  test('is refused in Strict alone', () => {
    for (const [path, target] of [
      ['/g?a=1&b=2', '/g?a=1%26b=2'],
      ['/g?a=b=c', '/g?a=b%3Dc'],
      ['/g?a=#', '/g?a=%23'],
      ['/g?a=\n', '/g?a=%0A'],
    ] as const) {
      expect(outcome(verify(signed({ path, target })))).toBe('default');
      expect(outcome(verify(signed({ path, target }), strict))).toBe('uncovered_query');
    }
  });
});

describe('a signature that another reading gives to another request', () => {
  const strict = { compatibility: 'Strict' } as const;

  test('decoded, an escape that stays one after decoding is refused; Strict knows no other reading', () => {
    for (const [path, target, reason] of [
      ['/g?a=%41', '/g?a=%2541', 'ambiguous_signature'],
      ['/g%20x', '/g%2520x', 'ambiguous_path'],
    ] as const) {
      expect(outcome(verify(signed({ path, target })))).toBe(reason);
      expect(outcome(verify(signed({ path, target: path })))).toBe('raw');
      expect(outcome(verify(signed({ path, target }), strict))).toBe('default');
    }
  });

  test('raw, a plus is refused, since decoded it is what %2B signs', () => {
    expect(outcome(verify(signed({ path: '/g?a=1+1', target: '/g?a=1+1' })))).toBe('ambiguous_signature');
    expect(outcome(verify(signed({ path: '/g?a=1+1', target: '/g?a=1%2B1' })))).toBe('default');
    expect(outcome(verify(signed({ path: '/g?a=1 1', target: '/g?a=1+1' })))).toBe('default');
  });

  test('a path that holds an escaped question mark is refused', () => {
    expect(outcome(verify(signed({ path: '/g?a=1', target: '/g%3Fa=1' })))).toBe('ambiguous_path');
    expect(outcome(verify(signed({ path: '/g?a=1', target: '/g%3Fa=1' }), strict))).toBe('uncovered_query');
  });
});

describe('the body', () => {
  const json = { path: '/j', contentType: 'application/json', body: '{"n":1}' } as const;

  test('a form is covered as parameters, a changed one refused', () => {
    const form = { path: '/f?p=1', target: '/f', contentType: `${FORM}; charset=utf-8` };
    expect(verify(signed({ ...form, body: 'p=1' }))).toMatchObject({ ok: true, bodyCovered: true });
    expect(outcome(verify(signed({ ...form, body: 'p=2' })))).toBe('bad_signature');
  });
  test('Content-MD5 is accepted in three spellings and compared', () => {
    const hex = createHash('md5').update(json.body).digest('hex');
    expect(hex.startsWith('0')).toBe(true);
    for (const bytes of [Buffer.from(hex), Buffer.from(hex, 'hex'), Buffer.from(hex.slice(1))]) {
      const request = signed({ ...json, md5: bytes.toString('base64') });
      expect(verify(request)).toMatchObject({ ok: true, profile: 'default', bodyCovered: true });
      expect(outcome(verify({ ...request, body: Buffer.from('{"n":2}') }))).toBe('body_mismatch');
    }
  });
  test('without Content-MD5 a body of another type is uncovered', () => {
    expect(verify(signed(json))).toMatchObject({ ok: true, bodyCovered: false });
    expect(outcome(verify(signed(json), { body: 'Signed' }))).toBe('unsigned_body');
  });
  test('a streamed route takes what needs no body', () => {
    const streamed = { body: 'Streamed' } as const;
    expect(outcome(verify(signed({ ...json, body: undefined }), streamed))).toBe('default');
    expect(outcome(verify(signed({ ...json, md5: hexMd5(json.body), body: undefined }), streamed))).toBe(
      'body_unavailable',
    );
    const form = { path: '/f', contentType: FORM, body: undefined };
    expect(outcome(verify(signed(form), streamed))).toBe('body_unavailable');
  });
  test('a form of too many parameters is refused before it is sorted', () => {
    const body = 'a&'.repeat(9000);
    expect(outcome(verify(signed({ path: '/f', contentType: FORM, body })))).toBe('malformed_credential');
  });
  test('a form of more than 256 KiB is refused before it is read; another body of that size is not', () => {
    const body = `a=${'%'.repeat(256 * 1024 - 2)}`;
    const form = (text: string): Signed => ({ path: `/f?${text}`, target: '/f', contentType: FORM, body: text });
    expect(outcome(verify(signed(form(body))))).toBe('default');
    expect(outcome(verify(signed(form(`${body}%`))))).toBe('malformed_credential');
    expect(outcome(verify(signed({ ...json, body: `"${body}"` })))).toBe('default');
  });
});

test('a second Accept, Content-Type or Content-MD5 is refused: only one of them is signed', () => {
  const request = signed({ path: '/g' });
  for (const name of ['accept', 'content-type', 'content-md5']) {
    const headers = [...request.headers.filter(([n]) => n !== name), [name, 'a'] as const, [name, 'b'] as const];
    expect(outcome(verify({ ...request, headers }))).toBe('duplicate_header');
  }
});

test('what it signs for a backend covers accept, content type, form and query', () => {
  const outgoing = {
    method: 'POST',
    target: '/f?b=2',
    host: HOST,
    signHeaders: [['x-countersign-key-id', 'k']] as const,
    contentType: FORM,
    accept: 'text/plain',
    body: Buffer.from('a=1'),
  };
  const headers = tencentApplication.sign(
    outgoing,
    { keyId: KEY_ID, secret: new Redacted(SECRET) },
    { nowMs: NOW_MS, nonce: 'n' },
  );
  const request: WireRequest = {
    method: 'POST',
    target: '/f?b=2',
    headers: [['host', HOST], ['content-type', FORM], ['accept', 'text/plain'], ...outgoing.signHeaders, ...headers],
    body: outgoing.body,
  };
  expect(verify(request)).toMatchObject({ ok: true, profile: 'default', bodyCovered: true });
  expect(outcome(verify({ ...request, body: Buffer.from('a=2') }))).toBe('bad_signature');
});
