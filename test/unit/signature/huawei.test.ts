import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { Redacted } from '../../../src/lib/redacted.js';
import type {
  OutgoingRequest,
  Verification,
  VerificationOptions,
  WireRequest,
} from '../../../src/signature/dialect.js';
import { huawei } from '../../../src/signature/huawei/dialect.js';
import { verifyRequest } from '../../../src/signature/verify.js';
import { optionsFor } from '../../vectors/labels.js';

const KEY_ID = 'key-1';
const SECRET = 'secret-of-key-1';
const DATE = '20240102T030405Z';
const NOW_MS = Date.UTC(2024, 0, 2, 3, 4, 5);
const HOST = 'api.example.com';
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const sha256 = (text: string | Uint8Array): string =>
  createHash('sha256')
    .update(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
    .digest('hex');

interface Wire {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string | undefined;
}

/** A request whose signature was made over the canonical request given as text, line by line. */
function signed(canonical: readonly string[], wire: Wire = {}): WireRequest {
  const toSign = `SDK-HMAC-SHA256\n${DATE}\n${sha256(canonical.join('\n'))}`;
  const signature = createHmac('sha256', SECRET).update(toSign).digest('hex');
  const authorization = `SDK-HMAC-SHA256 Access=${KEY_ID}, SignedHeaders=${canonical.at(-2)}, Signature=${signature}`;
  return {
    method: wire.method ?? 'GET',
    target: wire.target ?? '/',
    headers: [['host', HOST], ['x-sdk-date', DATE], ['authorization', authorization], ...(wire.headers ?? [])],
    body: 'body' in wire ? (wire.body === undefined ? undefined : Buffer.from(wire.body)) : new Uint8Array(),
  };
}

const HEADERS = [`host:${HOST}`, `x-sdk-date:${DATE}`, '', 'host;x-sdk-date'];
const UNSIGNED = [
  `host:${HOST}`,
  'x-sdk-content-sha256:UNSIGNED-PAYLOAD',
  `x-sdk-date:${DATE}`,
  '',
  'host;x-sdk-content-sha256;x-sdk-date',
];
const UNSIGNED_HEADER = ['x-sdk-content-sha256', 'UNSIGNED-PAYLOAD'] as const;

const verify = (request: WireRequest, options: Partial<VerificationOptions> = {}): Verification =>
  verifyRequest(
    request,
    optionsFor('Huawei', options),
    {},
    (id) => (id === KEY_ID ? { keyId: KEY_ID, secrets: [{ secret: new Redacted(SECRET) }] } : undefined),
    NOW_MS,
  );

const outcome = (verification: Verification): string => (verification.ok ? verification.profile : verification.reason);

describe('compatibility switches', () => {
  const CASES: Readonly<Record<string, { canonical: readonly string[]; wire: Wire }>> = {
    'raw-path': { canonical: ['GET', '/a%2520b/', '', ...HEADERS, EMPTY], wire: { target: '/a%20b' } },
    // U+FFFD sorts before U+1F600 by code point and after it by UTF-16 unit.
    'order-utf16': {
      canonical: ['GET', '/', '%F0%9F%98%80=1&%EF%BF%BD=2', ...HEADERS, EMPTY],
      wire: { target: '/?%EF%BF%BD=2&%F0%9F%98%80=1' },
    },
    'order-encoded': {
      canonical: ['GET', '/', '%C3%A9=1&z=2', ...HEADERS, EMPTY],
      wire: { target: '/?z=2&%C3%A9=1' },
    },
    'header-order-icu': {
      canonical: ['GET', '/', '', `host:${HOST}`, 'x_a:1', `x-sdk-date:${DATE}`, '', 'host;x-sdk-date;x_a', EMPTY],
      wire: { headers: [['x_a', '1']] },
    },
    'empty-body-hash': {
      canonical: ['POST', '/', '', ...UNSIGNED, EMPTY],
      wire: { method: 'POST', headers: [UNSIGNED_HEADER] },
    },
  };

  for (const [name, { canonical, wire }] of Object.entries(CASES)) {
    test(`${name} is on in Vendor, off in Strict`, () => {
      expect(outcome(verify(signed(canonical, wire)))).toBe(name);
      expect(outcome(verify(signed(canonical, wire), { compatibility: 'Strict' }))).toBe('bad_signature');
    });
  }

  test('plus-literal needs Lenient', () => {
    const request = signed(['GET', '/', 'q=a%2Bb', ...HEADERS, EMPTY], { target: '/?q=a+b' });
    expect(outcome(verify(request))).toBe('bad_signature');
    expect(outcome(verify(request, { compatibility: 'Lenient' }))).toBe('plus-literal');
  });

  test('a nested escape is refused outside Strict, since raw-path signs the path without it alike', () => {
    const canonical = ['GET', '/a%2520b/', '', ...HEADERS, EMPTY];
    const request = signed(canonical, { target: '/a%2520b' });
    expect(outcome(verify(request))).toBe('ambiguous_path');
    expect(outcome(verify(request, { compatibility: 'Lenient' }))).toBe('ambiguous_path');
    expect(outcome(verify(request, { compatibility: 'Strict' }))).toBe('default');
    const slash = signed(['GET', '/a%252Fb/', '', ...HEADERS, EMPTY], { target: '/a%252Fb' });
    expect(outcome(verify(slash))).toBe('default'); // /a%2Fb does not pass the guard
  });

  test('two switches at once are refused', () => {
    const canonical = ['GET', '/a%2520b/', '%C3%A9=1&z=2', ...HEADERS, EMPTY];
    expect(outcome(verify(signed(canonical, { target: '/a%20b?z=2&%C3%A9=1' })))).toBe('bad_signature');
  });

  test('empty-body-hash is refused once there is a body', () => {
    const wire = { method: 'POST', headers: [UNSIGNED_HEADER], body: 'x' };
    expect(outcome(verify(signed(['POST', '/', '', ...UNSIGNED, EMPTY], wire)))).toBe('bad_signature');
  });

  test('at most seven forms are tried, whatever the request', () => {
    const request = signed([...UNSIGNED.slice(0, 3), 'x_a:1', '', 'host;x-sdk-content-sha256;x-sdk-date;x_a', EMPTY], {
      target: '/a%20b?%EF%BF%BD=2&%F0%9F%98%80=1&z=1&%C3%A9=a+b',
      headers: [UNSIGNED_HEADER, ['x_a', '1']],
    });
    const options = optionsFor('Huawei', { compatibility: 'Lenient' });
    const parsed = huawei.parse(request.headers[2]![1], request, options);
    if (!parsed.ok) throw new Error(parsed.detail);
    const profiles = [...huawei.candidates(parsed.value, request, options, {})].map(({ profile }) => profile);
    expect(profiles).toEqual([
      'default',
      'raw-path',
      'plus-literal',
      'order-utf16',
      'order-encoded',
      'header-order-icu',
      'empty-body-hash',
    ]);
  });
});

describe('the body', () => {
  const declared = (hash: string): string[] => [
    'POST',
    '/',
    '',
    `host:${HOST}`,
    `x-sdk-content-sha256:${hash}`,
    `x-sdk-date:${DATE}`,
    '',
    'host;x-sdk-content-sha256;x-sdk-date',
    hash,
  ];
  const unsignedPost = (body: string | undefined): WireRequest =>
    signed(['POST', '/', '', ...UNSIGNED, 'UNSIGNED-PAYLOAD'], { method: 'POST', headers: [UNSIGNED_HEADER], body });

  test('a signed UNSIGNED-PAYLOAD is honoured under Declared, refused under Signed once there is a body', () => {
    expect(verify(unsignedPost('x'))).toMatchObject({ ok: true, bodyCovered: false });
    expect(outcome(verify(unsignedPost('x'), { body: 'Signed' }))).toBe('unsigned_body');
    expect(outcome(verify(unsignedPost(''), { body: 'Signed' }))).toBe('default');
  });

  test('a signed hash has to be that of the body received', () => {
    const hash = sha256('{"a":1}');
    const wire = { method: 'POST', headers: [['x-sdk-content-sha256', hash]] as const };
    expect(verify(signed(declared(hash), { ...wire, body: '{"a":1}' }))).toMatchObject({ ok: true, bodyCovered: true });
    expect(outcome(verify(signed(declared(hash), { ...wire, body: '{"a":2}' })))).toBe('body_mismatch');
  });

  test('a signed text that is neither a lower-case hash nor the marker is refused', () => {
    for (const text of [sha256('{"a":1}').toUpperCase(), 'unsigned-payload', '']) {
      const wire = { method: 'POST', headers: [['x-sdk-content-sha256', text]] as const, body: '{"a":1}' };
      expect(outcome(verify(signed(declared(text), wire)))).toBe('body_mismatch');
    }
  });

  test('a streamed route takes a signed UNSIGNED-PAYLOAD and nothing that needs the body', () => {
    const streamed = { body: 'Streamed' } as const;
    expect(outcome(verify(unsignedPost(undefined), streamed))).toBe('default');
    const hash = sha256('x');
    const withHash = signed(declared(hash), {
      method: 'POST',
      headers: [['x-sdk-content-sha256', hash]],
      body: undefined,
    });
    expect(outcome(verify(withHash, streamed))).toBe('body_unavailable');
    const plain = signed(['POST', '/', '', ...HEADERS, hash], { method: 'POST', body: undefined });
    expect(outcome(verify(plain, streamed))).toBe('body_unavailable');
    // A hash of nothing does not prove that nothing follows.
    const bodiless = signed(['GET', '/', '', ...HEADERS, EMPTY], { body: undefined });
    expect(outcome(verify(bodiless, streamed))).toBe('body_unavailable');
  });
});

describe('a repeated signed header', () => {
  const canonical = [
    'GET',
    '/',
    '',
    `host:${HOST}`,
    `x-sdk-date:${DATE}`,
    'x-tag:a',
    'x-tag:b',
    '',
    'host;x-sdk-date;x-tag',
    EMPTY,
  ];
  const request = signed(canonical, {
    headers: [
      ['x-tag', 'b'],
      ['x-tag', ' a '],
    ],
  });

  test('counts once per value, sorted, in Vendor', () => expect(outcome(verify(request))).toBe('default'));
  test('is refused in Strict', () =>
    expect(outcome(verify(request, { compatibility: 'Strict' }))).toBe('duplicate_header'));
});

describe('Strict', () => {
  const strict = { compatibility: 'Strict' } as const;

  test('accepts the documented form', () => {
    expect(outcome(verify(signed(['GET', '/a/', 'b=1&c=', ...HEADERS, EMPTY], { target: '/a?c&b=1' }), strict))).toBe(
      'default',
    );
  });
  test('demands a signed host', () => {
    const request = signed(['GET', '/', '', `x-sdk-date:${DATE}`, '', 'x-sdk-date', EMPTY]);
    expect(outcome(verify(request))).toBe('default');
    expect(verify(request, strict)).toMatchObject({ reason: 'required_header_not_signed', subject: 'host' });
  });
  test('demands sorted SignedHeaders', () => {
    const request = signed(['GET', '/', '', `x-sdk-date:${DATE}`, `host:${HOST}`, '', 'x-sdk-date;host', EMPTY]);
    expect(outcome(verify(request))).toBe('default');
    expect(outcome(verify(request, strict))).toBe('malformed_credential');
  });
  test('refuses a malformed escape, which has a second spelling', () => {
    const request = signed(['GET', '/', 'q=%25zz', ...HEADERS, EMPTY], { target: '/?q=%zz' });
    expect(outcome(verify(request))).toBe('default');
    expect(outcome(verify(request, strict))).toBe('uncovered_query');
  });
});

describe('the credential', () => {
  const good = signed(['GET', '/', '', ...HEADERS, EMPTY]);
  const authorization = good.headers[2]![1];
  const parsed = (text: string): string => {
    const result = huawei.parse(text, good, optionsFor('Huawei'));
    return result.ok ? 'ok' : result.reason;
  };

  test('may have any blanks around its commas', () => {
    expect(parsed(authorization)).toBe('ok');
    expect(parsed(authorization.replaceAll(', ', ','))).toBe('ok');
    expect(parsed(authorization.replaceAll(', ', ', \t  '))).toBe('ok');
  });
  test('has its three fields in order, each once, and nothing else', () => {
    const [access, names, signature] = authorization.slice('SDK-HMAC-SHA256 '.length).split(', ') as [
      string,
      string,
      string,
    ];
    for (const fields of [
      [names, access, signature],
      [access, names],
      [access, names, signature, 'x=1'],
      [access, access, names, signature],
      ['Access=', names, signature],
      [access, 'SignedHeaders=', signature],
      [access, 'SignedHeaders=host;;x-sdk-date', signature],
      [access, 'SignedHeaders=Host;x-sdk-date', signature],
      [access, names, signature.toUpperCase()],
      [access, names, signature.slice(0, -2)],
      [access, names, `${signature}00`],
    ]) {
      expect(parsed(`SDK-HMAC-SHA256 ${fields.join(', ')}`)).toBe('malformed_credential');
    }
  });
  test('needs a signed date', () => {
    expect(parsed(authorization.replace('host;x-sdk-date', 'host'))).toBe('missing_date');
  });
});

describe('signing for a backend', () => {
  const OUTGOING: OutgoingRequest = {
    method: 'POST',
    target: '/orders?a=1',
    host: '10.0.0.5:8080',
    signHeaders: [
      ['x-countersign-key-id', 'key-1'],
      ['x-empty', ''],
    ],
    contentType: 'application/json',
    body: Buffer.from('{"id":7}'),
  };
  const key = { keyId: 'backend', secret: new Redacted('backend-secret') };
  const context = { nowMs: NOW_MS, nonce: 'n' };

  test('signs host, date and our headers with a value, not the content type', () => {
    const canonical = [
      'POST',
      '/orders/',
      'a=1',
      'host:10.0.0.5:8080',
      'x-countersign-key-id:key-1',
      `x-sdk-date:${DATE}`,
      '',
      'host;x-countersign-key-id;x-sdk-date',
      sha256('{"id":7}'),
    ].join('\n');
    const mac = createHmac('sha256', 'backend-secret')
      .update(`SDK-HMAC-SHA256\n${DATE}\n${sha256(canonical)}`)
      .digest('hex');
    expect(huawei.sign(OUTGOING, key, context)).toEqual([
      ['x-sdk-date', DATE],
      [
        'authorization',
        `SDK-HMAC-SHA256 Access=backend, SignedHeaders=host;x-countersign-key-id;x-sdk-date, Signature=${mac}`,
      ],
    ]);
  });

  test('declares a streamed body unsigned, and signs that', () => {
    const headers = huawei.sign({ ...OUTGOING, body: undefined }, key, context);
    expect(headers[1]).toEqual(['x-sdk-content-sha256', 'UNSIGNED-PAYLOAD']);
    expect(headers[2]![1]).toContain('SignedHeaders=host;x-countersign-key-id;x-sdk-content-sha256;x-sdk-date,');
  });

  test('sends the query sorted, with equals signs and %20', () => {
    expect(huawei.canonicalQuery('b&a=2&a=1&q=x+y&z=%7e')).toBe('a=1&a=2&b=&q=x%20y&z=~');
  });
});

describe('replies', () => {
  const reply = (reason: Parameters<typeof huawei.vendorReply>[0]['reason'], subject?: string) => {
    const { status, body } = huawei.vendorReply({ reason, ...(subject ? { subject } : {}) }, 'r-1');
    return { status, ...(JSON.parse(body) as object) };
  };

  test('are the vendor’s codes in the vendor’s shape', () => {
    expect(reply('bad_signature')).toEqual({
      status: 401,
      error_code: 'APIG.0303',
      error_msg: 'Incorrect app authentication information: verify signature fail',
      request_id: 'r-1',
    });
    expect(reply('missing_credential')).toMatchObject({ status: 401, error_code: 'APIG.0303' });
    expect(reply('malformed_credential')).toMatchObject({ status: 401, error_code: 'APIG.0303' });
    expect(reply('missing_signed_header', 'x-stage')).toMatchObject({
      error_msg: 'Incorrect app authentication information: Signed header x-stage not found.',
    });
    expect(reply('not_authorized')).toMatchObject({ status: 403, error_code: 'APIG.0304' });
    expect(reply('no_usage_plan')).toMatchObject({ status: 403, error_code: 'APIG.0306' });
    expect(reply('rate_limited')).toMatchObject({ status: 429, error_code: 'APIG.0308' });
    expect(reply('not_found')).toMatchObject({ status: 404, error_code: 'APIG.0101' });
    expect(reply('backend_key_unavailable')).toMatchObject({ status: 503, error_code: 'APIG.0705' });
  });
  test('carry Retry-After when the limit says so', () => {
    expect(huawei.vendorReply({ reason: 'rate_limited', retryAfterSeconds: 7 }, 'r-1').headers).toContainEqual([
      'retry-after',
      '7',
    ]);
  });
});
