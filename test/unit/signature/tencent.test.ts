import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { Redacted } from '../../../src/lib/redacted.js';
import type {
  OutgoingRequest,
  Verification,
  VerificationOptions,
  WireRequest,
} from '../../../src/signature/dialect.js';
import { tencent } from '../../../src/signature/tencent/dialect.js';
import { verifyRequest } from '../../../src/signature/verify.js';
import { optionsFor } from '../../vectors/labels.js';

const KEY_ID = 'AKIDkey1';
const SECRET = 'secret-of-key-1';
const NOW_MS = Date.UTC(2018, 2, 19, 12, 8, 40);
const NOW = 'Mon, 19 Mar 2018 12:08:40 GMT';
const YEARS_AGO = 'Fri, 09 Oct 2015 00:00:00 GMT';

type Header = readonly [string, string];

/** A request that signs `lines` and sends `headers`. */
function signed(
  lines: readonly string[],
  headers: readonly Header[],
  body: string | undefined = '',
  hash = 'sha1',
): WireRequest {
  const mac = createHmac(hash, SECRET).update(lines.join('\n')).digest('base64');
  const names = lines.map((line) => line.slice(0, line.indexOf(':'))).join(' ');
  const authorization = `hmac id="${KEY_ID}", algorithm="hmac-${hash}", headers="${names}", signature="${mac}"`;
  return {
    method: 'POST',
    target: '/release/api',
    headers: [['host', 'api.example.com'], ...headers, ['authorization', authorization]],
    body: body === undefined ? undefined : Buffer.from(body),
  };
}

const verify = (request: WireRequest, options: Partial<VerificationOptions> = {}): Verification =>
  verifyRequest(
    request,
    optionsFor('Tencent', options),
    {},
    (id) => (id === KEY_ID ? { keyId: KEY_ID, secrets: [{ secret: new Redacted(SECRET) }] } : undefined),
    NOW_MS,
  );
const outcome = (verification: Verification): string => (verification.ok ? verification.profile : verification.reason);

describe('the date', () => {
  const dateOnly = signed([`date: ${YEARS_AGO}`], [['date', YEARS_AGO]]);

  test('a signed Date alone is checked, allowed unchecked, or denied', () => {
    expect(outcome(verify(signed([`date: ${NOW}`], [['date', NOW]])))).toBe('default');
    expect(outcome(verify(dateOnly))).toBe('clock_skew');
    expect(verify(dateOnly, { dateOnly: 'Allow' })).toMatchObject({ ok: true, timestampMs: undefined });
    expect(outcome(verify(dateOnly, { dateOnly: 'Deny' }))).toBe('date_only_forbidden');
  });
  test('X-Date decides when both are signed', () => {
    const both = (date: string, xDate: string): WireRequest =>
      signed(
        [`date: ${date}`, `x-date: ${xDate}`],
        [
          ['date', date],
          ['x-date', xDate],
        ],
      );
    expect(outcome(verify(both(YEARS_AGO, NOW)))).toBe('default');
    expect(outcome(verify(both(NOW, YEARS_AGO), { dateOnly: 'Allow' }))).toBe('clock_skew');
  });
  test('a fresh unsigned Date does not help a stale signed X-Date', () => {
    const request = signed(
      [`x-date: ${YEARS_AGO}`],
      [
        ['x-date', YEARS_AGO],
        ['date', NOW],
      ],
    );
    expect(outcome(verify(request))).toBe('clock_skew');
  });
  test('an unsigned X-Date gives no freshness, and is refused when stale or malformed', () => {
    const beside = (date: string, xDate: string): WireRequest =>
      signed(
        [`date: ${date}`],
        [
          ['date', date],
          ['x-date', xDate],
        ],
      );
    expect(outcome(verify(beside(YEARS_AGO, NOW)))).toBe('clock_skew');
    expect(outcome(verify(beside(NOW, YEARS_AGO)))).toBe('clock_skew');
    expect(outcome(verify(beside(NOW, 'yesterday')))).toBe('malformed_date');
    expect(outcome(verify(beside(YEARS_AGO, YEARS_AGO), { dateOnly: 'Allow' }))).toBe('clock_skew');
    expect(outcome(verify(beside(NOW, NOW)))).toBe('default');
  });
  test('neither is missing_date', () => {
    expect(outcome(verify(signed(['source: a'], [['source', 'a']])))).toBe('missing_date');
  });
});

describe('the algorithm', () => {
  test('each of the four is accepted, and only while it is listed', () => {
    for (const hash of ['sha1', 'sha256', 'sha384', 'sha512'] as const) {
      const request = signed([`x-date: ${NOW}`], [['x-date', NOW]], '', hash);
      const name = `HMAC${hash.toUpperCase()}` as VerificationOptions['algorithms'][number];
      expect(outcome(verify(request))).toBe('default');
      expect(outcome(verify(request, { algorithms: [name] }))).toBe('default');
      const others = optionsFor('Tencent').algorithms.filter((algorithm) => algorithm !== name);
      expect(verify(request, { algorithms: others })).toMatchObject({
        reason: 'algorithm_not_allowed',
        subject: `hmac-${hash}`,
      });
    }
  });
  test('names of object members are no algorithms', () => {
    const request = signed([`x-date: ${NOW}`], [['x-date', NOW]]);
    for (const name of ['constructor', '__proto__', 'toString', 'hmac-md5', 'none', 'HMAC-SHA1', 'hmac-sha1 ']) {
      const [host, date, [, authorization]] = request.headers as [Header, Header, Header];
      const changed = authorization.replace('hmac-sha1', name);
      expect(outcome(verify({ ...request, headers: [host, date, ['authorization', changed]] }))).toBe(
        'algorithm_not_allowed',
      );
    }
  });
});

describe('a declared digest', () => {
  const BODY = '{"a":1}';
  const sha256 = createHash('sha256').update(BODY).digest('base64');
  const md5Hex = createHash('md5').update(BODY).digest('hex');
  const declared = (name: string, value: string, body: string | undefined = BODY): WireRequest =>
    signed(
      [`x-date: ${NOW}`, `${name}: ${value}`],
      [
        ['x-date', NOW],
        [name, value],
      ],
      body,
    );

  test('covers the body when it is right', () => {
    for (const value of [`SHA-256=${sha256}`, `sha-256=${sha256}`, `MD5=whatever, SHA-256=${sha256}`]) {
      expect(verify(declared('digest', value))).toMatchObject({ ok: true, bodyCovered: true });
    }
    for (const value of [Buffer.from(md5Hex, 'hex').toString('base64'), Buffer.from(md5Hex).toString('base64')]) {
      expect(verify(declared('content-md5', value))).toMatchObject({ ok: true, bodyCovered: true });
    }
  });
  test('refuses the request when it is wrong, or nothing we know', () => {
    expect(outcome(verify(declared('digest', `SHA-256=${sha256}`, '{"a":2}')))).toBe('body_mismatch');
    for (const value of [
      '',
      sha256,
      `SHA-512=${sha256}`,
      `SHA-256=${sha256.slice(0, -1)}`,
      `SHA-256=x, SHA-256=${sha256}`,
    ]) {
      expect(outcome(verify(declared('digest', value)))).toBe('body_mismatch');
    }
    expect(outcome(verify(declared('content-md5', sha256)))).toBe('body_mismatch');
  });
  test('is what body: Signed asks for', () => {
    const plain = signed([`x-date: ${NOW}`], [['x-date', NOW]], BODY);
    expect(verify(plain)).toMatchObject({ ok: true, bodyCovered: false });
    expect(outcome(verify(plain, { body: 'Signed' }))).toBe('unsigned_body');
    expect(outcome(verify(declared('digest', `SHA-256=${sha256}`), { body: 'Signed' }))).toBe('default');
  });
  test('cannot be compared on a streamed route', () => {
    const request = { ...declared('digest', `SHA-256=${sha256}`), body: undefined };
    const plain = { ...signed([`x-date: ${NOW}`], [['x-date', NOW]]), body: undefined };
    expect(outcome(verify(request, { body: 'Streamed' }))).toBe('body_unavailable');
    expect(outcome(verify(plain, { body: 'Streamed' }))).toBe('default');
  });
});

describe('the credential', () => {
  const good = signed([`x-date: ${NOW}`], [['x-date', NOW]]);
  const authorization = good.headers.at(-1)![1];
  const replaced = (value: string): Verification =>
    verify({ ...good, headers: [...good.headers.slice(0, -1), ['authorization', value]] });

  test('has its fields in any order, each once, with any blanks after a comma', () => {
    const fields = authorization.slice('hmac '.length).split(', ');
    expect(outcome(replaced(`hmac ${fields.toReversed().join(',')}`))).toBe('default');
    expect(outcome(replaced(`hmac  ${fields.join(',\t ')}`))).toBe('default');
    expect(outcome(replaced(`hmac ${[...fields, fields[0]!].join(', ')}`))).toBe('malformed_credential');
    expect(outcome(replaced(`hmac ${[...fields, 'x="1"'].join(', ')}`))).toBe('malformed_credential');
    expect(outcome(replaced(`hmac ${fields.join(' ')}`))).toBe('malformed_credential');
    expect(outcome(replaced(`${authorization},`))).toBe('malformed_credential');
  });
  test('spells its scheme word in lower case', () => {
    expect(outcome(replaced(authorization.replace('hmac', 'HMAC')))).toBe('unsupported_scheme');
  });
  test('takes header names in any case', () => {
    expect(outcome(replaced(authorization.replace('x-date', 'X-Date')))).toBe('default');
  });
  test('has a signature in canonical base64 of the right length', () => {
    const text = /signature="(.*)"/.exec(authorization)![1]!;
    for (const other of [
      text.slice(0, -1),
      text.replace('=', ''),
      `${text}AAAA`,
      text.replace(/.$/, '-'),
      `${text} `,
    ]) {
      expect(outcome(replaced(authorization.replace(text, other)))).toBe('malformed_credential');
    }
  });
  test('names each listed header once, and each arrives once', () => {
    expect(outcome(replaced(authorization.replace('x-date"', 'x-date x-date"')))).toBe('malformed_credential');
    const twice = { ...good, headers: [...good.headers, ['source', 'a'] as const, ['source', 'b'] as const] };
    const changed = {
      ...twice,
      headers: twice.headers.map(([n, v]) => [n, v.replace('x-date"', 'x-date source"')] as const),
    };
    expect(outcome(verify(changed))).toBe('duplicate_header');
  });
});

describe('the private extension towards backends', () => {
  const OUTGOING: OutgoingRequest = {
    method: 'POST',
    target: '/orders?b=2&a=1',
    host: 'orders:8080',
    signHeaders: [['x-countersign-key-id', 'key-1']],
    contentType: 'application/json',
    body: Buffer.from('{}'),
  };
  const sent = (request: OutgoingRequest): WireRequest => {
    const headers = tencent.sign(
      request,
      { keyId: KEY_ID, secret: new Redacted(SECRET) },
      { nowMs: NOW_MS, nonce: 'n', requestId: 'r-1' },
    );
    const { method, target, body } = request;
    return { method, target, body, headers: [['host', request.host], ...request.signHeaders, ...headers] };
  };

  test('signs date, host, source, method, target and digest', () => {
    const request = sent(OUTGOING);
    expect(verify(request)).toMatchObject({
      ok: true,
      bodyCovered: true,
      signedHeaders: [
        'x-date',
        'host',
        'source',
        'x-request-method',
        'x-request-path',
        'digest',
        'x-countersign-key-id',
      ],
    });
    expect(request.headers).toContainEqual(['source', 'r-1']);
  });
  test('binds method and target: a redirected copy is refused', () => {
    const request = sent(OUTGOING);
    expect(outcome(verify({ ...request, method: 'PUT' }))).toBe('bad_signature');
    expect(outcome(verify({ ...request, target: '/orders?a=1&b=2' }))).toBe('bad_signature');
    expect(outcome(verify({ ...request, body: Buffer.from('{ }') }))).toBe('body_mismatch');
  });
  test('leaves the digest out of a streamed request', () => {
    expect(sent({ ...OUTGOING, body: undefined }).headers.map(([name]) => name)).not.toContain('digest');
  });
});

describe('replies', () => {
  const reply = (reason: Parameters<typeof tencent.vendorReply>[0]['reason'], subject?: string) => {
    const { status, body } = tencent.vendorReply({ reason, ...(subject ? { subject } : {}) }, 'r-1');
    return [status, JSON.parse(body) as unknown];
  };

  test('are the vendor’s texts', () => {
    expect(reply('bad_signature')).toEqual([401, { message: 'HMAC signature does not match.' }]);
    expect(reply('not_authorized')).toEqual([401, { message: 'HMAC apikey is invalid for API.' }]);
    expect(reply('no_usage_plan')).toEqual([403, { message: 'Found no validate usage plan.' }]);
    expect(reply('not_found')).toEqual([404, { message: 'Found no api.' }]);
    expect(reply('method_not_allowed')).toEqual([405, { message: 'Method Not Allowed.' }]);
    expect(reply('rate_limited')).toEqual([429, { message: 'API rate limit exceeded.' }]);
    expect(reply('quota_exceeded')).toEqual([429, { message: 'API quota exceeded.' }]);
    expect(reply('algorithm_not_allowed', 'hmac-md5')).toEqual([
      401,
      { message: 'HMAC algorithm hmac-md5 not supported.' },
    ]);
  });
  test('are ours where the vendor has none', () => {
    expect(reply('body_too_large')).toEqual([413, { message: 'The request body is too large.' }]);
  });
});
