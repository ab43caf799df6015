import { describe, expect, jest, test } from '@jest/globals';
import { Redacted } from '../../../src/lib/redacted.js';
import type { KeyLookup, VerificationKey, VerificationOptions, WireRequest } from '../../../src/signature/dialect.js';
import { explainRequest, firstDifference } from '../../../src/signature/explain.js';
import { jdcloud } from '../../../src/signature/jdcloud/dialect.js';
import { DEFAULT_VERIFICATION } from '../../../src/signature/options.js';
import { verifyRequest } from '../../../src/signature/verify.js';
import { optionsFor } from '../../vectors/labels.js';

const NOW = Date.UTC(2024, 4, 6, 7, 8, 9);
const SECRET = 'current secret';

interface Signing {
  readonly secret?: string;
  readonly body?: string;
  readonly declared?: string;
  readonly signHost?: boolean;
  readonly nowMs?: number;
  readonly tag?: string;
}

/** Signed with the JD Cloud dialect, which covers everything that the common rules speak of. */
function signedRequest({
  secret = SECRET,
  body = '',
  declared,
  signHost = true,
  nowMs = NOW,
  tag = 'one',
}: Signing = {}): WireRequest {
  const bytes = declared === undefined ? Buffer.from(body) : undefined;
  const signHeaders = [...(signHost ? [['host', 'api.example.com'] as const] : []), ['x-tag', tag] as const];
  const signature = jdcloud.sign(
    { method: 'POST', target: '/a?b=1', host: 'api.example.com', signHeaders, contentType: 'text/plain', body: bytes },
    { keyId: 'key-1', secret: new Redacted(secret) },
    { nowMs, nonce: 'n-1' },
  );
  const headers = new Map([['host', 'api.example.com'], ['content-type', 'text/plain'], ['x-tag', tag], ...signature]);
  return { method: 'POST', target: '/a?b=1', headers: [...headers], body: Buffer.from(body) };
}

const keyOf = (changed: Partial<VerificationKey> = {}): KeyLookup => {
  const key: VerificationKey = { keyId: 'key-1', secrets: [{ secret: new Redacted(SECRET) }], ...changed };
  return (id) => (id === 'key-1' ? key : undefined);
};

function reason(
  request: WireRequest,
  options: Partial<VerificationOptions> = {},
  keys: KeyLookup = keyOf(),
  nowMs = NOW,
): string {
  const verification = verifyRequest(request, optionsFor('JDCloud', options), {}, keys, nowMs);
  return verification.ok ? 'accepted' : verification.reason;
}

const withHeader = (request: WireRequest, name: string, value: string): WireRequest => ({
  ...request,
  headers: [...request.headers, [name, value]],
});

describe('the credential', () => {
  test('is missing without Authorization, or with an empty one', () => {
    const { headers, ...rest } = signedRequest();
    const others = headers.filter(([name]) => name !== 'authorization');
    expect(reason({ ...rest, headers: others })).toBe('missing_credential');
    expect(reason({ ...rest, headers: [...others, ['authorization', '  ']] })).toBe('missing_credential');
  });

  test('of a dialect that is not listed is unsupported', () => {
    expect(reason(signedRequest(), { dialects: ['Huawei', 'Tencent'] })).toBe('unsupported_scheme');
    expect(reason(signedRequest(), { dialects: [] })).toBe('unsupported_scheme');
  });

  test('is refused beside a Proxy-Authorization', () => {
    expect(reason(withHeader(signedRequest(), 'proxy-authorization', 'Basic eDp5'))).toBe('multiple_credentials');
  });
});

describe('key state', () => {
  test('is told only to who signed with the right secret', () => {
    const disabled = keyOf({ unusable: 'key_disabled' });
    expect(reason(signedRequest(), {}, disabled)).toBe('key_disabled');
    expect(reason(signedRequest({ secret: 'wrong' }), {}, disabled)).toBe('bad_signature');
  });

  test('a key without a secret is not ready, and an empty secret is none', () => {
    expect(reason(signedRequest(), {}, keyOf({ secrets: [] }))).toBe('key_not_ready');
    expect(reason(signedRequest({ secret: '' }), {}, keyOf({ secrets: [{ secret: new Redacted('') }] }))).toBe(
      'key_not_ready',
    );
  });

  test('a previous secret verifies until its grace ends, and not a millisecond longer', () => {
    const rotating = keyOf({
      secrets: [{ secret: new Redacted('next') }, { secret: new Redacted(SECRET), notAfterMs: NOW }],
    });
    expect(reason(signedRequest(), {}, rotating, NOW)).toBe('accepted');
    expect(reason(signedRequest(), {}, rotating, NOW + 1)).toBe('bad_signature');
    const broken = keyOf({ secrets: [{ secret: new Redacted(SECRET), notAfterMs: NaN }] });
    expect(reason(signedRequest(), {}, broken)).toBe('key_not_ready');
  });

  test('the key id is reported only if it exists', () => {
    const known = verifyRequest(signedRequest({ secret: 'wrong' }), optionsFor('JDCloud'), {}, keyOf(), NOW);
    const unknown = verifyRequest(signedRequest(), optionsFor('JDCloud'), {}, () => undefined, NOW);
    expect(known).toMatchObject({ ok: false, keyId: 'key-1' });
    expect(unknown).not.toHaveProperty('keyId');
  });

  test('an unknown key costs as many key derivations and candidates as a wrong signature', () => {
    const derive = jest.spyOn(jdcloud, 'macKey');
    const candidates = jest.spyOn(jdcloud, 'candidates');
    const request = signedRequest({ secret: 'wrong', body: 'x' });
    const count = (keys: KeyLookup): number[] => {
      derive.mockClear();
      candidates.mockClear();
      reason(request, {}, keys);
      return [derive.mock.calls.length, candidates.mock.calls.length];
    };
    expect(count(keyOf())).toEqual([1, 1]);
    expect(count(() => undefined)).toEqual([1, 1]);
    jest.restoreAllMocks();
  });
});

describe('time', () => {
  test('clock_skew is said of authentic requests, inclusive of the limit on both sides', () => {
    for (const [offset, expected] of [
      [60_000, 'accepted'],
      [60_001, 'clock_skew'],
      [-60_000, 'accepted'],
      [-60_001, 'clock_skew'],
    ] as const) {
      expect(reason(signedRequest(), { maxClockSkewMs: 60_000 }, keyOf(), NOW + offset)).toBe(expected);
    }
    expect(reason(signedRequest({ secret: 'wrong' }), {}, keyOf(), NOW + 86_400_000)).toBe('bad_signature');
  });

  test('a limit that is no number admits nothing', () => {
    expect(reason(signedRequest(), { maxClockSkewMs: NaN })).toBe('clock_skew');
  });
});

describe('signed headers', () => {
  test('those that the group requires have to be signed', () => {
    expect(reason(signedRequest(), { requiredSignedHeaders: ['host', 'x-tag'] })).toBe('accepted');
    expect(reason(signedRequest({ signHost: false }), { requiredSignedHeaders: ['host'] })).toBe(
      'required_header_not_signed',
    );
  });

  test('Strict demands the host and refuses any repeated signed header', () => {
    const strict = { compatibility: 'Strict' } as const;
    expect(reason(signedRequest(), strict)).toBe('accepted');
    expect(reason(signedRequest({ signHost: false }), strict)).toBe('required_header_not_signed');
    // Joined with a comma the two lines are what was signed.
    const signed = signedRequest({ tag: 'one,two' });
    const headers = signed.headers.flatMap((header): (readonly [string, string])[] =>
      header[0] === 'x-tag'
        ? [
            ['x-tag', 'one'],
            ['x-tag', 'two'],
          ]
        : [header],
    );
    expect(reason({ ...signed, headers })).toBe('accepted');
    expect(reason({ ...signed, headers }, strict)).toBe('duplicate_header');
  });
});

describe('the body', () => {
  test('Declared takes the hash of the body, and UNSIGNED-PAYLOAD where it is signed', () => {
    expect(reason(signedRequest({ body: 'x' }))).toBe('accepted');
    expect(reason(signedRequest({ body: 'x', declared: 'UNSIGNED-PAYLOAD' }))).toBe('accepted');
    expect(reason({ ...signedRequest({ body: 'x' }), body: Buffer.from('y') })).toBe('bad_signature');
  });

  test('Signed refuses a body that is left out, but not its absence', () => {
    const options = { body: 'Signed' } as const;
    expect(reason(signedRequest({ body: 'x' }), options)).toBe('accepted');
    expect(reason(signedRequest({ body: 'x', declared: 'UNSIGNED-PAYLOAD' }), options)).toBe('unsigned_body');
    expect(reason(signedRequest({ body: '', declared: 'UNSIGNED-PAYLOAD' }), options)).toBe('accepted');
  });

  test('Streamed takes only signatures that need no body', () => {
    const options = { body: 'Streamed' } as const;
    const streamed = (request: WireRequest): WireRequest => ({ ...request, body: undefined });
    expect(reason(streamed(signedRequest({ body: 'x', declared: 'UNSIGNED-PAYLOAD' })), options)).toBe('accepted');
    expect(reason(streamed(signedRequest({ body: 'x' })), options)).toBe('body_unavailable');
    expect(reason(streamed(signedRequest({ body: '' })), options)).toBe('body_unavailable');
  });

  test('a body that is not buffered is refused unless the route is Streamed', () => {
    const request = { ...signedRequest({ body: 'x', declared: 'UNSIGNED-PAYLOAD' }), body: undefined };
    expect(reason(request)).toBe('body_unavailable');
    expect(reason(request, { body: 'Signed' })).toBe('body_unavailable');
  });
});

describe('an explanation', () => {
  test('shows every form tried and the first difference from the caller\u2019s own', () => {
    const request = signedRequest();
    const verification = verifyRequest(request, optionsFor('JDCloud'), {}, keyOf(), NOW);
    const own = verification.ok ? verification.canonicalRequest! : '';
    const explain = (text: string, keys = keyOf()) =>
      explainRequest(request, optionsFor('JDCloud'), {}, keys, NOW, { canonicalRequest: text });

    const equal = explain(`${own}\n`);
    expect(equal.verdict.ok).toBe(true);
    expect(equal.attempts[0]).toMatchObject({ profile: 'doc', matches: true });
    expect(equal.canonicalRequest).toEqual({ profile: 'doc', difference: undefined });

    const different = explain(
      own.replace('text/plain', 'text/html'),
      keyOf({ secrets: [{ secret: new Redacted('x') }] }),
    );
    expect(different.verdict).toMatchObject({ ok: false, reason: 'bad_signature' });
    expect(different.attempts.every(({ matches }) => !matches)).toBe(true);
    expect(different.canonicalRequest?.difference).toEqual({
      line: 4,
      column: 19,
      gateway: 'content-type:text/plain',
      caller: 'content-type:text/html',
      marker: '                  ^',
    });
  });

  test('still shows the forms of a stale request', () => {
    const { verdict, attempts } = explainRequest(signedRequest(), optionsFor('JDCloud'), {}, keyOf(), NOW + 9e7);
    expect(verdict).toMatchObject({ ok: false, reason: 'clock_skew' });
    expect(attempts[0]).toMatchObject({ profile: 'doc', matches: true });
  });

  test('of a request without a credential has no forms', () => {
    const request = { ...signedRequest(), headers: [] };
    expect(explainRequest(request, optionsFor('JDCloud'), {}, keyOf(), NOW).attempts).toEqual([]);
  });

  test('marks where one text ends before the other', () => {
    expect(firstDifference('a\nb', 'a\nb')).toBeUndefined();
    expect(firstDifference('', 'x')).toMatchObject({ line: 1, column: 1, gateway: '', caller: 'x' });
    expect(firstDifference('a\nb\n', 'a\nb')).toMatchObject({ line: 2, column: 2, gateway: 'b', caller: 'b' });
    expect(firstDifference('a\nbc', 'a\nbd')).toMatchObject({ line: 2, column: 2, marker: ' ^' });
  });
});

test('the defaults are those of the design', () => {
  expect(DEFAULT_VERIFICATION).toMatchObject({
    compatibility: 'Vendor',
    maxClockSkewMs: 900_000,
    dateOnly: 'Checked',
    body: 'Declared',
    replayProtection: 'Nonce',
    replayStoreFailure: 'LocalFallback',
    maxBodyBytes: 4_194_304,
  });
});
