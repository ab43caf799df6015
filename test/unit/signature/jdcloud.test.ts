import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Redacted } from '../../../src/lib/redacted.js';
import type { VerificationOptions, WireRequest } from '../../../src/signature/dialect.js';
import { jdcloud } from '../../../src/signature/jdcloud/dialect.js';
import { verifyRequest } from '../../../src/signature/verify.js';
import { parseCompactDate, sha256HexOfText } from '../../../src/signature/wire.js';
import { optionsFor } from '../../vectors/labels.js';

interface BackendVector {
  readonly name: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  readonly service: string;
  readonly date: string;
  readonly nonce: string;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly authorization: string;
}

const file = JSON.parse(readFileSync(new URL('../../vectors/jdcloud.json', import.meta.url), 'utf8')) as {
  readonly backendVectors: readonly BackendVector[];
};

const NOW = Date.UTC(2024, 2, 5, 8, 9, 10);
const DATE = '20240305T080910Z';
const EMPTY = sha256HexOfText('');
const SECRET = 'a secret';

interface Draft {
  readonly version?: 2 | 3;
  /** The path and query lines as the client wrote them. */
  readonly path: string;
  readonly query?: string;
  readonly signed?: readonly (readonly [name: string, value: string])[];
  readonly bodyHash?: string;
}

/** An Authorization made by hand from the text of the scheme, not by the code under test. */
function authorizationOf({ version = 2, path, query = '', signed = SIGNED, bodyHash = EMPTY }: Draft): string {
  const names = signed.map(([name]) => name).filter((name, i, all) => all.indexOf(name) === i);
  const lines = signed.map(([name, value]) => `${name}:${value}\n`).join('');
  const canonical = `GET\n${path}\n${query}\n${lines}\n${names.join(';')}\n${bodyHash}`;
  const scope = `20240305/cn-north-1/group/jdcloud${version}_request`;
  let key: string | Buffer = `JDCLOUD${version}${SECRET}`;
  for (const step of scope.split('/')) key = createHmac('sha256', key).update(step).digest();
  const text = `JDCLOUD${version}-HMAC-SHA256\n${DATE}\n${scope}\n${sha256HexOfText(canonical)}`;
  const signature = createHmac('sha256', key).update(text).digest('hex');
  return `JDCLOUD${version}-HMAC-SHA256 Credential=a/b/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
}

const SIGNED = [
  ['host', 'h'],
  ['x-jdcloud-date', DATE],
  ['x-jdcloud-nonce', 'n 1'],
] as const;

function judge(
  draft: Draft,
  target: string,
  changed: Partial<WireRequest> = {},
  options: Partial<VerificationOptions> = {},
): string {
  const headers = changed.headers ?? draft.signed ?? SIGNED;
  const request: WireRequest = {
    method: 'GET',
    target,
    body: new Uint8Array(),
    ...changed,
    headers: [...headers, ['authorization', authorizationOf(draft)]],
  };
  const key = { keyId: 'a/b', secrets: [{ secret: new Redacted(SECRET) }] };
  const keys = (id: string) => (id === 'a/b' ? key : undefined);
  const verification = verifyRequest(request, optionsFor('JDCloud', options), {}, keys, NOW);
  return verification.ok ? verification.profile : verification.reason;
}

afterEach(() => {
  jdcloud.forgetKeys();
});

describe('signing for a backend', () => {
  for (const vector of file.backendVectors) {
    test(`${vector.name} has the signature of the vector`, () => {
      const header = (name: string) => vector.headers.find(([n]) => n === name)?.[1];
      const own = ['host', 'content-type', 'x-jdcloud-date', 'x-jdcloud-nonce', 'authorization'];
      const hostSigned = /SignedHeaders=[^,]*host/.test(vector.authorization);
      const signature = jdcloud.sign(
        {
          method: vector.method,
          target: vector.target,
          host: header('host')!,
          signHeaders: vector.headers.filter(([name]) => !own.includes(name) || (name === 'host' && hostSigned)),
          contentType: header('content-type'),
          body: Buffer.from(vector.body),
        },
        { keyId: vector.accessKey, secret: new Redacted(vector.secretKey) },
        { nowMs: parseCompactDate(vector.date)!, nonce: vector.nonce, region: vector.region, service: vector.service },
      );
      expect(Object.fromEntries(signature)).toEqual({
        'x-jdcloud-date': vector.date,
        'x-jdcloud-nonce': vector.nonce,
        authorization: vector.authorization,
      });
    });
  }

  test('the known answer of the official Go validator', () => {
    const signature = jdcloud.sign(
      {
        method: 'PATCH',
        target: '/v1/region/cn-north-1/test?filters.1.name=id&filters.1.values.1=v1&filters.1.values.2=v2',
        host: 'h',
        signHeaders: [],
        contentType: 'application/json',
        body: Buffer.from('this is body'),
      },
      { keyId: 'ak', secret: new Redacted('secret key') },
      { nowMs: Date.UTC(2019, 1, 14, 10, 45, 14), nonce: 'test nonce', region: 'cn-north-1', service: 'test' },
    );
    expect(signature.at(-1)![1]).toMatch(/1912eba02012ce6eb482302bae29cfa8e721ad66c188c533f9070e69aad2c896$/);
  });

  test('a streamed body is declared unsigned, under the signature', () => {
    const signature = jdcloud.sign(
      { method: 'PUT', target: '/', host: 'h', signHeaders: [], contentType: undefined, body: undefined },
      { keyId: 'ak', secret: new Redacted('s') },
      { nowMs: NOW, nonce: 'n' },
    );
    expect(signature.map(([name]) => name)).toEqual([
      'x-jdcloud-date',
      'x-jdcloud-nonce',
      'x-jdcloud-content-sha256',
      'content-type',
      'authorization',
    ]);
    expect(signature.at(-1)![1]).toContain(
      'SignedHeaders=content-type;x-jdcloud-content-sha256;x-jdcloud-date;x-jdcloud-nonce,',
    );
  });
});

describe('profiles', () => {
  test('each published way of canonicalising is recognised', () => {
    expect(judge({ path: '/p', query: 'a=1&b=' }, '/p?b&a=1')).toBe('doc');
    expect(judge({ path: '/p', query: 'aB=1&a%5B=2' }, '/p?aB=1&a%5B=2')).toBe('node');
    expect(judge({ path: '/p', query: 'b=2&a=1' }, '/p?b=2&a=1')).toBe('go');
    expect(judge({ path: '/p%253A', query: '' }, '/p%3A')).toBe('apim-python');
    const java = [...SIGNED, ['x-tag', 'one'], ['x-tag', 'two']] as const;
    expect(judge({ path: '/p', signed: java }, '/p', { headers: java })).toBe('java');
    expect(judge({ version: 3, path: '/a%20b/c/', query: '' }, '/a+b//c/')).toBe('v3');
    expect(judge({ version: 3, path: '/p', query: 'a=1' }, '/p?a=1&flag', {}, { compatibility: 'Lenient' })).toBe(
      'python3',
    );
  });

  test('parameters that python3 and apim-python leave out are refused unless Lenient', () => {
    for (const query of ['a=1&flag', 'a=1&=x']) {
      expect(judge({ version: 3, path: '/p', query: 'a=1' }, `/p?${query}`)).toBe('uncovered_query');
    }
    expect(judge({ path: '/p', query: 'a=1' }, '/p?a=1=2')).toBe('uncovered_query');
    expect(judge({ path: '/p', query: 'a=1' }, '/p?a=1=2', {}, { compatibility: 'Lenient' })).toBe('apim-python');
  });

  test('Strict knows the documented form alone', () => {
    const strict = { compatibility: 'Strict' } as const;
    expect(judge({ path: '/p', query: 'a=1&b=' }, '/p?b&a=1', {}, strict)).toBe('doc');
    expect(judge({ path: '/p', query: 'b=2&a=1' }, '/p?b=2&a=1', {}, strict)).toBe('bad_signature');
    expect(judge({ path: '/p%253A' }, '/p%3A', {}, strict)).toBe('bad_signature');
  });

  describe('one signature for two requests', () => {
    const strict = { compatibility: 'Strict' } as const;

    test('a path with a nested escape is refused, since apim-python signs the path without it alike', () => {
      for (const compatibility of ['Vendor', 'Lenient'] as const) {
        expect(judge({ path: '/a%253A' }, '/a%253A', {}, { compatibility })).toBe('ambiguous_path');
        expect(judge({ path: '/a%253A' }, '/a%3A', {}, { compatibility })).toBe('apim-python');
      }
      expect(judge({ path: '/a%253A' }, '/a%253A', {}, strict)).toBe('doc');
      expect(judge({ path: '/a%252Fb' }, '/a%252Fb')).toBe('doc'); // /a%2Fb does not pass the guard
      expect(judge({ path: '/a%25' }, '/a%25')).toBe('doc');
    });

    test('a literal ; or + is refused under apim-python, since servers read it unlike its escape', () => {
      for (const [literal, escape] of [
        [';', '%3B'],
        ['+', '%2B'],
      ]) {
        expect(judge({ path: `/a${escape}b` }, `/a${literal}b`)).toBe('ambiguous_path');
        expect(judge({ path: `/a${escape}b` }, `/a${escape}b`)).toBe('doc');
        expect(judge({ path: `/a${literal}b` }, `/a${literal}b`)).toBe('doc');
      }
    });

    test('a header value in UTF-8 that node would send as latin1 is refused', () => {
      const headers = (value: string) => [...SIGNED, ['x-tag', value]] as const;
      const utf8 = headers('caf\u00c3\u00a9');
      expect(judge({ path: '/', signed: utf8 }, '/', { headers: utf8 })).toBe('ambiguous_signature');
      expect(judge({ path: '/', signed: utf8 }, '/', { headers: headers('caf\u00e9') })).toBe('node');
      const chinese = headers('\u00e4\u00b8\u00ad'); // beyond what latin1 can hold
      expect(judge({ path: '/', signed: chinese }, '/', { headers: chinese })).toBe('doc');
      expect(
        judge({ path: '/', signed: utf8 }, '/', { headers: utf8 }, { ...strict, requiredSignedHeaders: [] }),
      ).not.toBe('ambiguous_signature');
    });

    test('a no-break space, which node signs as a space, is refused', () => {
      const headers = (value: string) => [...SIGNED, ['x-tag', value]] as const;
      const signed = headers('a b');
      expect(judge({ path: '/', signed }, '/', { headers: headers('a\u00a0b') })).toBe('ambiguous_signature');
    });
  });

  test('a form is tried once however many profiles share it', () => {
    const authorization = authorizationOf({ path: '/p' });
    const request: WireRequest = {
      method: 'GET',
      target: '/p',
      headers: [...SIGNED, ['authorization', authorization]],
      body: new Uint8Array(),
    };
    const options = optionsFor('JDCloud');
    const parsed = jdcloud.parse(authorization, request);
    expect(parsed.ok && [...jdcloud.candidates(parsed.value, request, options)].map(({ profile }) => profile)).toEqual([
      'doc',
    ]);
  });
});

describe('what has to be signed', () => {
  test('version 2 signs date and nonce; version 3 binds the date by the string to sign', () => {
    const host = SIGNED.slice(0, 1);
    expect(judge({ path: '/p', signed: host }, '/p', { headers: SIGNED })).toBe('required_header_not_signed');
    expect(judge({ version: 3, path: '/p', signed: host }, '/p', { headers: SIGNED })).toBe('v3');
    const strict = { compatibility: 'Strict' } as const;
    expect(judge({ version: 3, path: '/p', signed: host }, '/p', { headers: SIGNED }, strict)).toBe(
      'required_header_not_signed',
    );
  });

  test('a security token that is sent has to be signed', () => {
    const withToken = [...SIGNED, ['x-jdcloud-security-token', 't']] as const;
    expect(judge({ path: '/p', signed: withToken }, '/p')).toBe('doc');
    expect(judge({ path: '/p' }, '/p', { headers: withToken })).toBe('unsigned_security_token');
  });

  test('the nonce that counts is the one that was signed, whatever blanks the wire has', () => {
    const authorization = authorizationOf({ path: '/p' });
    for (const spelling of ['n 1', 'n  1', 'n\t1']) {
      const headers = [...SIGNED.slice(0, 2), ['x-jdcloud-nonce', spelling], ['authorization', authorization]] as const;
      const parsed = jdcloud.parse(authorization, { method: 'GET', target: '/p', headers, body: undefined });
      expect(parsed).toMatchObject({ ok: true, value: { nonce: 'n 1', keyId: 'a/b' } });
    }
  });

  test('a nonce is 1 to 128 ASCII characters', () => {
    for (const nonce of ['', 'n'.repeat(129), 'n\u00e9']) {
      const signed = [...SIGNED.slice(0, 2), ['x-jdcloud-nonce', nonce]] as const;
      expect(judge({ path: '/p', signed }, '/p')).toBe('malformed_credential');
    }
  });
});

describe('a declared body hash', () => {
  const declare = (hash: string) => [...SIGNED, ['x-jdcloud-content-sha256', hash]] as const;
  const body = Buffer.from('x');

  test('of another body is body_mismatch when signed, and ignored when not', () => {
    const other = sha256HexOfText('y');
    expect(judge({ path: '/p', signed: declare(other), bodyHash: other }, '/p', { body })).toBe('body_mismatch');
    expect(judge({ path: '/p', bodyHash: other }, '/p', { body, headers: declare(other) })).toBe('bad_signature');
    const lenient = { compatibility: 'Lenient' } as const;
    expect(judge({ path: '/p', signed: declare(other), bodyHash: other }, '/p', { body }, lenient)).toBe(
      'body_mismatch',
    );
  });

  test('of nothing leaves an upload out: Lenient only, and never under Signed', () => {
    const draft = { path: '/p', signed: declare(EMPTY), bodyHash: EMPTY };
    expect(judge(draft, '/p', { body })).toBe('body_mismatch');
    expect(judge(draft, '/p', { body }, { compatibility: 'Lenient' })).toBe('doc');
    expect(judge(draft, '/p', { body }, { compatibility: 'Lenient', body: 'Signed' })).toBe('unsigned_body');
  });

  test('in any other form counts for nothing', () => {
    for (const text of ['STREAMING', EMPTY.toUpperCase(), 'unsigned-payload']) {
      expect(judge({ path: '/p', signed: declare(text), bodyHash: text }, '/p', { body })).toBe('bad_signature');
    }
  });
});

describe('the credential', () => {
  const parse = (authorization: string) => {
    const request = {
      method: 'GET',
      target: '/p',
      headers: [...SIGNED, ['authorization', authorization] as const],
      body: undefined,
    };
    const parsed = jdcloud.parse(authorization, request);
    return parsed.ok ? 'parsed' : parsed.reason;
  };
  const good = authorizationOf({ path: '/p' });

  test('tolerates a missing space after a comma, and nothing more', () => {
    expect(parse(good.replaceAll(', ', ','))).toBe('parsed');
    expect(parse(good.replaceAll(', ', ',  '))).toBe('malformed_credential');
    expect(parse(good.replace('SignedHeaders=', 'signedheaders='))).toBe('malformed_credential');
    expect(parse(`${good}, Extra=1`)).toBe('malformed_credential');
    expect(
      parse(good.replace('Credential=', 'Credential=a/b/20240305/cn-north-1/group/jdcloud2_request, Credential=')),
    ).toBe('malformed_credential');
  });

  test('has a scope of this version and day', () => {
    expect(parse(good.replace('jdcloud2_request', 'jdcloud3_request'))).toBe('invalid_scope');
    expect(parse(good.replace('/20240305/', '/20240306/'))).toBe('invalid_scope');
    expect(parse(good.replace('a/b/20240305/', '20240305/'))).toBe('invalid_scope');
    expect(parse(good.replace('/group/', '//'))).toBe('invalid_scope');
  });

  test('names version 2 or 3', () => {
    expect(parse(good.replace('JDCLOUD2-', 'JDCLOUD4-'))).toBe('algorithm_not_allowed');
    expect(parse(good.replace('SHA256 ', 'SHA1 '))).toBe('algorithm_not_allowed');
  });

  test('lists each lower-case header once', () => {
    expect(parse(good.replace('=host;', '=host;host;'))).toBe('malformed_credential');
    expect(parse(good.replace('=host;', '=Host;'))).toBe('malformed_credential');
    expect(parse(good.replace('=host;', '=;host;'))).toBe('malformed_credential');
    expect(parse(good.replace('=host;', '=host;x-absent;'))).toBe('missing_signed_header');
  });
});

describe('replies', () => {
  const message = (reason: Parameters<typeof jdcloud.vendorReply>[0]['reason'], subject?: string) => {
    const { status, body } = jdcloud.vendorReply({ reason, ...(subject === undefined ? {} : { subject }) }, 'r-1');
    return [status, (JSON.parse(body) as { error: { status: string; message: string } }).error];
  };

  test('have the vendor\u2019s shape and request id', () => {
    expect(jdcloud.vendorReply({ reason: 'missing_credential' }, 'r-1')).toEqual({
      status: 401,
      headers: [
        ['content-type', 'application/json'],
        ['x-jdcloud-request-id', 'r-1'],
      ],
      body: '{"requestId":"r-1","error":{"code":401,"status":"ACCESS_ERROR","message":"lack of header authorization"}}',
    });
  });

  test('have the documented rows, else our status and text', () => {
    expect(message('malformed_credential', 'Credential')).toMatchObject([
      401,
      { message: 'lack of credential in the header authorization' },
    ]);
    expect(message('malformed_credential', 'SignedHeaders')).toMatchObject([
      401,
      { message: 'lack of header signedHeaders' },
    ]);
    expect(message('malformed_credential')).toMatchObject([401, { message: 'Invalid authentication credentials' }]);
    expect(message('not_authorized')).toMatchObject([401, { status: 'ACCESS_ERROR' }]);
    expect(message('environment_offline')).toMatchObject([404, { status: 'NOT_FOUND' }]);
    expect(message('source_address_denied')).toMatchObject([
      403,
      { status: 'HTTP_FORBIDDEN', message: 'Your IP address is not allowed' },
    ]);
    expect(message('body_too_large')).toMatchObject([
      413,
      { status: 'HTTP_REQUEST_ENTITY_TOO_LARGE', message: 'Payload too large' },
    ]);
    expect(message('no_usage_plan')).toMatchObject([
      403,
      { status: 'HTTP_FORBIDDEN', message: 'The key has no usage plan for this API.' },
    ]);
    expect(message('store_unavailable')).toMatchObject([503, { status: 'HTTP_SERVICE_UNAVAILABLE' }]);
  });

  test('tell how long to wait', () => {
    const { status, headers } = jdcloud.vendorReply({ reason: 'rate_limited', retryAfterSeconds: 1.2 }, 'r-1');
    expect([status, headers.at(-1)]).toEqual([429, ['retry-after', '2']]);
  });
});
