import { describe, expect, test } from '@jest/globals';
import type { Deny } from '../../../src/authz/decision.js';
import { denied, internalError } from '../../../src/authz/phases/reply.js';
import { UNKNOWN_SCOPE, type Refused, type Scope } from '../../../src/authz/phases/refused.js';
import { REASONS, type DenyReason } from '../../../src/lib/reason.js';
import { NOW_MS } from '../../support/authz/authz-check.js';
import { signedBy } from '../../support/authz/authz-fixture.js';
import { buildRequest, type RequestInput } from '../../support/authz/authz-request.js';

const REASON_WORDS = Object.keys(REASONS) as DenyReason[];
const scope = (change: Partial<Scope> = {}): Scope => ({
  ...UNKNOWN_SCOPE,
  dialects: ['JDCloud', 'Huawei'],
  ...change,
});
const reply = (refused: Refused, change: Partial<Scope> = {}, request: Partial<RequestInput> = {}): Deny =>
  denied(buildRequest({ target: '/', requestId: 'req-1', ...request }, NOW_MS), refused, scope(change));
const headersOf = (decision: Deny): Record<string, string> => Object.fromEntries(decision.headers);
const VENDOR = { errors: 'Vendor' } as const;

describe('errors: Uniform', () => {
  test.each(REASON_WORDS)('%s has the status and code of its row, and the request id', (reason) => {
    const decision = reply({ refused: reason });
    expect(decision).toMatchObject({ outcome: 'deny', reason, status: REASONS[reason].status });
    expect(JSON.parse(decision.body)).toEqual({
      code: REASONS[reason].code,
      message: REASONS[reason].message,
      requestId: 'req-1',
    });
    expect(headersOf(decision)).toMatchObject({ 'content-type': 'application/json', 'x-request-id': 'req-1' });
  });
  test('a 401 says which schemes there are, once each', () => {
    expect(headersOf(reply({ refused: 'bad_signature' }))['www-authenticate']).toBe(
      'JDCLOUD2-HMAC-SHA256, SDK-HMAC-SHA256',
    );
    expect(headersOf(reply({ refused: 'not_authorized' }))).not.toHaveProperty('www-authenticate');
  });
  test('a 429 says when to come back', () => {
    expect(headersOf(reply({ refused: 'rate_limited', retryAfterSeconds: 7 }))['retry-after']).toBe('7');
  });
});

describe('errors: Vendor', () => {
  test('speaks the dialect of the credential, else the first listed one', () => {
    const shape = (request: Partial<RequestInput>): string =>
      Object.keys(JSON.parse(reply({ refused: 'not_authorized' }, VENDOR, request).body) as object)[0]!;
    expect(shape({ sign: signedBy('Huawei') })).toBe('error_msg');
    expect(shape({ sign: signedBy('JDCloud') })).toBe('requestId');
    expect(shape({})).toBe('requestId');
    expect(shape({ headers: [['authorization', 'Bearer x']] })).toBe('requestId');
    expect(shape({ sign: signedBy('Tencent') })).toBe('requestId');
  });
  test.each(['JDCloud', 'Huawei', 'Tencent', 'TencentApplication'] as const)(
    '%s answers every reason with an error status and the request id',
    (dialect) => {
      for (const reason of REASON_WORDS) {
        const decision = reply(
          { refused: reason, dialect, retryAfterSeconds: 3 },
          { errors: 'Vendor', dialects: [dialect] },
        );
        expect(decision.status).toBeGreaterThanOrEqual(400);
        expect(headersOf(decision)).toMatchObject({ 'x-request-id': 'req-1', 'retry-after': '3' });
        expect(decision.status === 401).toBe('www-authenticate' in headersOf(decision));
      }
    },
  );
  test.each(['JDCloud', 'Huawei', 'Tencent', 'TencentApplication'] as const)(
    '%s tells unknown, unusable, replayed and wrong apart for nobody',
    (dialect) => {
      const same: DenyReason[] = [
        'unknown_key',
        'key_disabled',
        'key_expired',
        'key_not_yet_valid',
        'key_not_ready',
        'key_not_permitted',
        'bad_signature',
        'replayed_nonce',
        'replayed_signature',
      ];
      const answers = same.map((refused) => {
        const { status, headers, body } = reply({ refused, dialect }, { errors: 'Vendor', dialects: [dialect] });
        return JSON.stringify([status, headers, body]);
      });
      expect(new Set(answers).size).toBe(1);
    },
  );
});

test('no control character leaves in a header', () => {
  const decision = reply({ refused: 'method_not_allowed', headers: [['allow', 'GET\r\nset-cookie: a\u0000\u0085']] });
  expect(headersOf(decision).allow).toBe('GET  set-cookie: a  ');
});

test('the answer to an exception needs nothing but a request id', () => {
  expect(internalError('req-1')).toMatchObject({ outcome: 'deny', reason: 'internal_error', status: 503 });
  expect(internalError('').headers).toEqual([['content-type', 'application/json']]);
});
