import { describe, expect, test } from '@jest/globals';
import {
  ReplayWindow,
  verifyGatewayRequest,
  type BackendKey,
  type GatewayVerificationOptions,
} from '../../../src/backend/index.js';
import type { DialectName } from '../../../src/signature/dialect.js';
import {
  IDENTITY,
  altered,
  headerOf,
  signedByGateway,
  withHeader,
  type SignedInput,
  type SignedRequest,
} from '../../support/signing/gateway-signed.js';

const NOW_MS = Date.UTC(2026, 4, 6, 7, 8, 9);
const SKEW_MS = 300_000;
const BODY = Buffer.from([0x00, 0xff, 0x0a, 0x80, 0x41]);
const AWKWARD_QUERY = 'z=1&a=b+c&a=%7E&flag&empty=&%E4%B8%AD=%F0%9F%98%80&x=1%26y%3D2&p=%2541';
const PREVIOUS = 'x-countersign-previous-authorization';

const hmac = (dialect: DialectName, secret = 'secret-of-the-backend'): BackendKey => ({
  type: 'HMAC',
  dialect,
  keyId: 'orders-backend',
  secret,
});
const basicKey = (secret = 'secret-of-the-backend'): BackendKey => ({ type: 'Basic', keyId: 'orders-backend', secret });
const aesKey = (vector = 'vector-of-16-chr', algorithm: 'AES128CFB' | 'AES256CFB' = 'AES128CFB'): BackendKey => ({
  type: 'AES',
  algorithm,
  name: 'shop/orders-backend',
  key: algorithm === 'AES128CFB' ? 'key-of-16-charac' : 'key-of-32-characters-for-aes-256',
  vector,
});

/** Every type that covers the request, with another secret for the same id. */
const SIGNING: readonly (readonly [name: string, key: BackendKey, other: BackendKey])[] = [
  ...(['JDCloud', 'Huawei', 'Tencent', 'TencentApplication'] as const).map(
    (dialect) => [`HMAC ${dialect}`, hmac(dialect), hmac(dialect, 'the-next-secret-of-it')] as const,
  ),
  ['AES 128', aesKey(), aesKey('another-vector16')],
  ['AES 256', aesKey(undefined, 'AES256CFB'), aesKey('another-vector16', 'AES256CFB')],
];
const EVERY = [...SIGNING, ['Basic', basicKey(), basicKey('the-next-secret-of-it')] as const];

const sign = (key: BackendKey, input: Partial<SignedInput> = {}): SignedRequest =>
  signedByGateway({
    key,
    method: 'POST',
    path: '/v1/orders/%E4%B8%AD%20a',
    query: AWKWARD_QUERY,
    contentType: 'application/octet-stream',
    body: BODY,
    nowMs: NOW_MS,
    ...input,
  });

const verify = (
  request: SignedRequest,
  keys: BackendKey | readonly [BackendKey, BackendKey],
  options: Partial<GatewayVerificationOptions> = {},
) => verifyGatewayRequest(request, { keys: 'type' in keys ? [keys] : keys, clock: () => NOW_MS, ...options });

const reasonOf = (result: ReturnType<typeof verify>): string => (result.valid ? 'valid' : result.reason);

describe.each(EVERY)('a key of type %s', (_name, key, other) => {
  const keyId = key.type === 'AES' ? key.name : key.keyId;

  test('accepts what the gateway signed and returns the identity', () => {
    expect(verify(sign(key), key)).toEqual({
      valid: true,
      type: key.type,
      ...(key.type === 'HMAC' ? { dialect: key.dialect } : {}),
      keyId,
      header: 'authorization',
      identity: {
        keyId: 'AKCALLER0001',
        planId: 'usagePlan-gold0001',
        api: 'shop/orders/create-order',
        environment: 'release',
      },
      identityCovered: key.type !== 'Basic',
      bodyCovered: key.type !== 'Basic',
    });
  });

  test('accepts a GET without body, query and caller', () => {
    const request = signedByGateway({ key, nowMs: NOW_MS, identity: IDENTITY.slice(2) });
    expect(verify(request, key)).toMatchObject({
      valid: true,
      identity: { api: 'shop/orders/create-order', environment: 'release' },
      bodyCovered: true,
    });
  });

  test('refuses another secret, and no credential', () => {
    expect(reasonOf(verify(sign(key), other))).toBe('bad_signature');
    expect(reasonOf(verify(withHeader(sign(key), 'authorization', undefined), key))).toBe('missing_credential');
  });

  test('refuses an empty secret on either side', () => {
    const empty: BackendKey = key.type === 'AES' ? { ...key, key: '', vector: '' } : { ...key, secret: '' };
    expect(verify(sign(key), empty).valid).toBe(false);
    if (empty.type !== 'AES') expect(verify(sign(empty), empty).valid).toBe(false);
  });

  test('accepts a rotated key with either secret, by the header that carries it', () => {
    const rotating = sign(other, { previous: key });
    expect(verify(rotating, other)).toMatchObject({ valid: true, header: 'authorization' });
    expect(verify(rotating, key)).toMatchObject({ valid: true, header: PREVIOUS });
    expect(verify(rotating, [key, other])).toMatchObject({ valid: true, header: 'authorization' });
    expect(verify(sign(key), [other, key])).toMatchObject({ valid: true, header: 'authorization' });
    expect(verify(sign(key), [key, other])).toMatchObject({ valid: true, header: 'authorization' });
  });

  test('refuses a previous signature of a secret it does not have', () => {
    const stranger: BackendKey =
      key.type === 'AES' ? { ...key, vector: 'a-foreign-vector' } : { ...key, secret: 'foreign' };
    expect(reasonOf(verify(sign(stranger, { previous: stranger }), [key, other]))).toBe('bad_signature');
  });

  test('refuses a second Authorization and a second previous one', () => {
    const rotating = sign(other, { previous: key });
    for (const name of ['authorization', PREVIOUS]) {
      const twice = altered(rotating, { headers: [...rotating.headers, [name, headerOf(rotating, name)]] });
      expect(verify(twice, [key, other]).valid).toBe(false);
    }
  });

  test('refuses a repeated identity header', () => {
    const request = sign(key);
    const twice = altered(request, { headers: [...request.headers, ['X-Countersign-Key-Id', 'AKSOMEONEELSE']] });
    expect(reasonOf(verify(twice, key))).toBe('duplicate_header');
  });

  test('answers malformed credentials with a refusal', () => {
    const { authorization } = { authorization: headerOf(sign(key), 'authorization') };
    const space = authorization.indexOf(' ');
    const broken = [
      authorization.slice(0, space),
      `${authorization.slice(0, space)} `,
      authorization.slice(0, -1),
      `${authorization}, ${authorization}`,
      `${authorization.slice(0, space)} ${'='.repeat(65_536)}`,
      `${authorization}\u0000`,
    ];
    for (const text of broken) expect(verify(withHeader(sign(key), 'authorization', text), key).valid).toBe(false);
  });
});

describe.each(SIGNING)('the signature of %s', (_name, key) => {
  const request = sign(key);

  test('covers the method', () => {
    expect(verify(altered(request, { method: 'PUT' }), key).valid).toBe(false);
  });

  test('covers every byte of path and query', () => {
    const accepted: string[] = [];
    for (let at = 0; at < request.url.length; at++) {
      const old = request.url[at]!;
      for (const next of [
        old === '1' ? '2' : '1',
        '/',
        '?',
        '&',
        '=',
        '+',
        '%',
        old.toLowerCase(),
        old.toUpperCase(),
        '',
      ]) {
        const url = request.url.slice(0, at) + next + request.url.slice(at + 1);
        if (next === old || url === request.url) continue;
        if (verify(altered(request, { url }), key).valid) accepted.push(url);
      }
    }
    // Huawei's canonical path reads both alike (huawei.md §9): lower-case digits of an escape.
    const isHexCase = (url: string): boolean => url.toLowerCase() === request.url.toLowerCase();
    const huaweiForm = key.type === 'AES' || (key.type === 'HMAC' && key.dialect === 'Huawei');
    expect(accepted.filter((url) => !(huaweiForm && isHexCase(url)))).toEqual([]);
  });

  test('covers parameters that are added, reordered, split or moved to another spelling', () => {
    const [path, query] = request.url.split('?') as [string, string];
    const others = [
      `${path}?${query}&extra=1`,
      `${path}?${query.split('&').reverse().join('&')}`,
      `${path}?${query.replace('%26', '&')}`,
      `${path}?${query.replaceAll('%20', '+')}`,
      `${path}?${query}&`,
      path,
      `${path}%2F?${query}`,
      `${path}/extra?${query}`,
    ].filter((url) => url !== request.url);
    for (const url of others) expect([url, verify(altered(request, { url }), key).valid]).toEqual([url, false]);
  });

  test('covers every byte of the body, and its presence', () => {
    for (let at = 0; at < BODY.length; at++) {
      const body = Buffer.from(BODY);
      body[at]! ^= 1;
      expect(verify(altered(request, { body }), key).valid).toBe(false);
    }
    expect(verify(altered(request, { body: new Uint8Array() }), key).valid).toBe(false);
    const get = signedByGateway({ key, nowMs: NOW_MS });
    expect(verify(altered(get, { body: BODY }), key).valid).toBe(false);
  });

  test('covers each identity header', () => {
    for (const [name, value] of IDENTITY) {
      expect(verify(withHeader(request, name, `${value}x`), key).valid).toBe(false);
      expect(verify(withHeader(request, name, undefined), key).valid).toBe(false);
    }
  });

  test('never returns an identity header that it does not cover', () => {
    const anonymous = signedByGateway({ key, nowMs: NOW_MS, identity: IDENTITY.slice(2) });
    for (const [name, value] of IDENTITY.slice(0, 2)) {
      expect(reasonOf(verify(withHeader(anonymous, name, value), key))).toBe('required_header_not_signed');
    }
  });

  test('covers the host, where the dialect signs one', () => {
    const moved = verify(withHeader(request, 'host', 'elsewhere.internal'), key);
    expect(moved.valid).toBe(key.type === 'HMAC' && key.dialect === 'JDCloud');
  });

  test('is good for 5 minutes either way', () => {
    for (const sign of [1, -1]) {
      const at = (ms: number) => verify(request, key, { clock: () => NOW_MS + sign * ms });
      expect(at(SKEW_MS).valid).toBe(true);
      expect(reasonOf(at(SKEW_MS + 1000))).toBe('clock_skew');
    }
    expect(reasonOf(verify(request, key, { clock: () => Number.NaN }))).toBe('clock_skew');
    expect(reasonOf(verify(request, key, { maxClockSkewMs: Number.NaN }))).toBe('clock_skew');
    expect(verify(request, key, { maxClockSkewMs: 60_000, clock: () => NOW_MS + 61_000 }).valid).toBe(false);
  });

  test('leaves a streamed body out only where that is allowed', () => {
    const streamed = sign(key, { body: undefined });
    const arrived = altered(streamed, { body: BODY });
    expect(reasonOf(verify(arrived, key))).toBe('unsigned_body');
    expect(verify(arrived, key, { body: 'Declared' })).toMatchObject({ valid: true, bodyCovered: false });
    expect(verify(streamed, key, { body: 'Streamed' })).toMatchObject({ valid: true, bodyCovered: false });
    expect(reasonOf(verify(streamed, key))).toBe('body_unavailable');
    expect(verify(altered(request, { body: undefined }), key, { body: 'Streamed' }).valid).toBe(false);
  });

  test('is accepted once where signatures are remembered, also when the previous one is moved forward', () => {
    const replayWindow = new ReplayWindow();
    const options = { replayWindow, replayProtection: 'Signature' } as const;
    const old: BackendKey =
      key.type === 'AES' ? { ...key, vector: 'previous-vector1' } : { ...key, secret: 'previous' };
    const rotating = sign(key, { previous: old });
    expect(verify(rotating, [key, old], options).valid).toBe(true);
    expect(reasonOf(verify(rotating, [key, old], options))).toMatch(/^replayed_(nonce|signature)$/);
    const moved = withHeader(withHeader(rotating, 'authorization', headerOf(rotating, PREVIOUS)), PREVIOUS, undefined);
    expect(reasonOf(verify(moved, [key, old], options))).toMatch(/^replayed_(nonce|signature)$/);
  });
});

describe('Basic', () => {
  test('says that it covers nothing of the request', () => {
    const request = sign(basicKey());
    const other = withHeader(
      altered(request, { url: '/other', body: Buffer.from('x') }),
      'x-countersign-key-id',
      'AKX',
    );
    expect(verify(other, basicKey())).toMatchObject({
      valid: true,
      identity: { keyId: 'AKX' },
      identityCovered: false,
      bodyCovered: false,
    });
  });
});

describe('the nonce', () => {
  test('is good once, and a refused request does not use it up', () => {
    const key = hmac('JDCloud');
    const replayWindow = new ReplayWindow();
    const request = sign(key);
    const meddled = withHeader(request, 'x-countersign-plan', 'usagePlan-other');
    expect(reasonOf(verify(meddled, key, { replayWindow }))).toBe('bad_signature');
    expect(verify(request, key, { replayWindow }).valid).toBe(true);
    expect(reasonOf(verify(request, key, { replayWindow }))).toBe('replayed_nonce');
    expect(verify(sign(key), key, { replayWindow }).valid).toBe(true);
  });

  test('does not exist elsewhere: two equal requests of one second pass', () => {
    const key = hmac('Huawei');
    const replayWindow = new ReplayWindow();
    expect(verify(sign(key), key, { replayWindow }).valid).toBe(true);
    expect(verify(sign(key), key, { replayWindow }).valid).toBe(true);
    expect(verify(sign(key), key, { replayWindow, replayProtection: 'Signature' }).valid).toBe(true);
    expect(reasonOf(verify(sign(key), key, { replayWindow, replayProtection: 'Signature' }))).toBe(
      'replayed_signature',
    );
  });
});

describe('a change of keys', () => {
  test('accepts both dialects while the binding moves from one to the other', () => {
    const keys = [hmac('Tencent'), hmac('TencentApplication')] as const;
    for (const key of keys)
      expect(verify(sign(key), keys)).toMatchObject({ valid: true, dialect: key.type === 'HMAC' && key.dialect });
  });

  test('accepts both types, and neither as the other', () => {
    expect(verify(sign(basicKey()), [hmac('Huawei'), basicKey()])).toMatchObject({ valid: true, type: 'Basic' });
    expect(reasonOf(verify(sign(basicKey()), hmac('Huawei')))).not.toBe('valid');
    expect(reasonOf(verify(sign(hmac('Huawei')), hmac('JDCloud')))).toBe('unsupported_scheme');
  });
});

describe('what the gateway never sends', () => {
  test('Tencent signs method and target: a signature without them is refused', () => {
    const key = hmac('Tencent');
    const request = sign(key);
    const cut = headerOf(request, 'authorization').replace(' x-request-path', '');
    expect(reasonOf(verify(withHeader(request, 'authorization', cut), key))).toBe('bad_signature');
  });

  test('two header lines that sign like the one with a comma', () => {
    const key = hmac('JDCloud');
    const request = sign(key, { contentType: 'application/json,text/plain' });
    expect(verify(request, key).valid).toBe(true);
    const others = request.headers.filter(([name]) => name !== 'content-type');
    const split = ['application/json', 'text/plain'].map((value) => ['content-type', value] as const);
    expect(reasonOf(verify(altered(request, { headers: [...others, ...split] }), key))).toBe('duplicate_header');
  });

  test('an unsigned date or host in the list of a Huawei signature', () => {
    const key = hmac('Huawei');
    const request = sign(key);
    const cut = headerOf(request, 'authorization').replace('host;', '');
    expect(verify(withHeader(request, 'authorization', cut), key).valid).toBe(false);
  });
});

describe('input that is no request', () => {
  const key = hmac('Huawei');
  const options: GatewayVerificationOptions = { keys: [key], clock: () => NOW_MS };

  test.each([
    ['a parsed body', { body: { parsed: true } }],
    ['a body as text', { body: 'text' }],
    ['no headers', { rawHeaders: undefined }],
    ['no url', { url: undefined }],
    ['no method', { method: undefined }],
    ['headers that are not text', { rawHeaders: [1, 2] }],
    ['an odd list of headers', { rawHeaders: ['authorization'] }],
  ])('refuses %s', (_what, parts) => {
    expect(verifyGatewayRequest({ ...sign(key), ...parts } as never, options)).toMatchObject({ valid: false });
  });

  test('refuses a clock that throws, keys that are none and an unknown mode of body', () => {
    const throwing = () => {
      throw new Error('no time');
    };
    expect(verifyGatewayRequest(sign(key), { ...options, clock: throwing })).toMatchObject({
      reason: 'internal_error',
    });
    expect(verifyGatewayRequest(sign(key), { ...options, keys: [] as never }).valid).toBe(false);
    const streamed = altered(sign(key, { body: undefined }), { body: BODY });
    expect(verifyGatewayRequest(streamed, { ...options, body: 'signed' as never })).toMatchObject({
      reason: 'unsigned_body',
    });
  });

  test('refuses a body over the limit before hashing it', () => {
    const at = (maxBodyBytes: number) => reasonOf(verify(sign(key), key, { maxBodyBytes }));
    expect(at(BODY.length)).toBe('valid');
    expect(at(BODY.length - 1)).toBe('body_too_large');
    expect(at(Number.NaN)).toBe('body_too_large');
  });

  test('reads the authority of HTTP/2 as Host, and refuses two that differ', () => {
    const request = withHeader(sign(key), 'host', undefined);
    const over2 = (...more: string[]) => ({
      ...request,
      rawHeaders: [':method', 'POST', ':authority', 'orders.internal:8080', ...more, ...request.rawHeaders],
    });
    expect(verifyGatewayRequest(over2(), options).valid).toBe(true);
    expect(verifyGatewayRequest(over2('host', 'orders.internal:8080'), options).valid).toBe(true);
    expect(verifyGatewayRequest(over2('host', 'elsewhere'), options)).toMatchObject({ reason: 'duplicate_header' });
  });
});
