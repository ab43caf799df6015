/** What every dialect promises, whoever wrote it. Bases are requests that somebody else's code signed. */
import { describe, expect, test } from '@jest/globals';
import type { DenyReason } from '../../src/lib/reason.js';
import { Redacted } from '../../src/lib/redacted.js';
import type {
  Dialect,
  DialectName,
  KeyLookup,
  OutgoingRequest,
  Verification,
  VerificationOptions,
  WireRequest,
} from '../../src/signature/dialect.js';
import { verifyRequest } from '../../src/signature/verify.js';
import { MAX_QUERY_BYTES, MAX_QUERY_PARAMETERS } from '../../src/signature/wire.js';
import { contextOf, expectationsOf, optionsFor } from '../vectors/labels.js';
import type { Vector } from '../vectors/vector.js';

type Header = readonly [name: string, value: string];

/** The Tencent key pair scheme signs nothing but the headers it lists. */
const SIGNS_REQUEST_LINE: { readonly [Name in DialectName]: boolean } = {
  JDCloud: true,
  Huawei: true,
  Tencent: false,
  TencentApplication: true,
};

/** Huawei's algorithm is its scheme word. */
const UNKNOWN_ALGORITHM: { readonly [Name in DialectName]: DenyReason } = {
  JDCloud: 'algorithm_not_allowed',
  Huawei: 'unsupported_scheme',
  Tencent: 'algorithm_not_allowed',
  TencentApplication: 'algorithm_not_allowed',
};

const keyring =
  (keyId: string, secret: string): KeyLookup =>
  (id) =>
    id === keyId ? { keyId, secrets: [{ secret: new Redacted(secret) }] } : undefined;

interface Judgement {
  readonly request?: WireRequest;
  readonly options?: Partial<VerificationOptions>;
  readonly keys?: KeyLookup;
  readonly nowMs?: number;
}

function judge(vector: Vector, changed: Judgement = {}): Verification {
  return verifyRequest(
    changed.request ?? vector.request,
    optionsFor(vector.dialect, changed.options),
    contextOf(vector),
    changed.keys ?? keyring(vector.keyId, vector.secret),
    changed.nowMs ?? vector.nowMs,
  );
}

const withHeaders = (request: WireRequest, change: (header: Header) => readonly Header[]): WireRequest => ({
  ...request,
  headers: request.headers.flatMap(change),
});

const withAuthorization = (request: WireRequest, change: (value: string) => string): WireRequest =>
  withHeaders(request, ([name, value]) => [[name, name === 'authorization' ? change(value) : value]]);

const reasonOf = (verification: Verification): string => (verification.ok ? 'accepted' : verification.reason);

function cpuMilliseconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const spent = process.cpuUsage(before);
  return (spent.user + spent.system) / 1000;
}

/** What one refusal may cost, in milliseconds of CPU. */
const REFUSAL_CPU_MS = 5;
/** The least of several runs: what the work costs without what else the machine does. No more runs than are needed. */
function leastCpu(work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 40 && least >= REFUSAL_CPU_MS; run += 1) least = Math.min(least, cpuMilliseconds(work));
  return least;
}

export function runDialectContract(dialect: Dialect, vectors: readonly Vector[]): void {
  const accepted = vectors.filter((vector) => judge(vector).ok);

  describe('vectors', () => {
    test('there are some, and some are accepted with the default options', () => {
      expect(accepted.length).toBeGreaterThan(0);
    });

    for (const vector of vectors) {
      for (const { options, verdict } of expectationsOf(vector)) {
        const under = Object.values(options).join(', ');
        test(`${vector.name} (${vector.label}) under ${under}: ${verdict.accepted ? `accepted as ${verdict.profile}` : verdict.reason}`, () => {
          const verification = judge(vector, { options });
          if (!verdict.accepted) expect(reasonOf(verification)).toBe(verdict.reason);
          else {
            expect(verification).toMatchObject({ ok: true, profile: verdict.profile, keyId: vector.keyId });
            if (!verification.ok) return;
            if (verdict.bodyCovered !== undefined) expect(verification.bodyCovered).toBe(verdict.bodyCovered);
            if (vector.stringToSign !== undefined) expect(verification.stringToSign).toBe(vector.stringToSign);
            if (vector.canonicalRequest !== undefined) {
              expect(verification.canonicalRequest).toBe(vector.canonicalRequest);
            }
          }
        });
      }
    }
  });

  describe('a changed part that the signature covers is refused', () => {
    test('each signed header', () => {
      for (const vector of accepted) {
        for (const name of signedHeadersOf(vector)) {
          const request = withHeaders(vector.request, ([n, v]) => [[n, n === name ? `${v}x` : v]]);
          expect({ vector: vector.name, name, ok: judge(vector, { request }).ok }).toMatchObject({ ok: false });
        }
      }
    });

    test('each signed header, taken away', () => {
      for (const vector of accepted) {
        for (const name of signedHeadersOf(vector)) {
          const request = withHeaders(vector.request, (header) => (header[0] === name ? [] : [header]));
          expect(['missing_signed_header', 'missing_date']).toContain(reasonOf(judge(vector, { request })));
        }
      }
    });

    if (SIGNS_REQUEST_LINE[dialect.name]) {
      test('method, path and query', () => {
        for (const vector of accepted) {
          const { method, target } = vector.request;
          const [path, query] = target.split(/\?(.*)/s) as [string, string | undefined];
          const rest = query === undefined ? '' : `?${query}`;
          const changes: Partial<WireRequest>[] = [
            { method: method === 'PUT' ? 'POST' : 'PUT' },
            { target: `${path}x${rest}` },
            { target: `/x${path}${rest}` },
            { target: `${target}${query === undefined ? '?' : '&'}added=1` },
          ];
          for (const change of changes) {
            const ok = judge(vector, { request: { ...vector.request, ...change } }).ok;
            expect({ vector: vector.name, ...change, ok }).toMatchObject({ ok: false });
          }
        }
      });
    }

    test('the body, wherever the verdict says that it is covered', () => {
      for (const vector of accepted) {
        const body = Buffer.concat([vector.request.body ?? Buffer.alloc(0), Buffer.from('x')]);
        const verification = judge(vector, { request: { ...vector.request, body } });
        expect({ vector: vector.name, covered: verification.ok && verification.bodyCovered }).toMatchObject({
          covered: false,
        });
      }
    });

    test('the signature itself, in every character', () => {
      const vector = accepted[0]!;
      const authorization = vector.request.headers.find(([name]) => name === 'authorization')![1];
      for (let i = 0; i < authorization.length; i++) {
        const other = authorization[i] === '0' ? '1' : '0';
        const request = withAuthorization(vector.request, (v) => v.slice(0, i) + other + v.slice(i + 1));
        expect({ i, ok: judge(vector, { request }).ok }).toEqual({ i, ok: false });
      }
    });
  });

  describe('keys', () => {
    test('a wrong secret is bad_signature, an unknown key unknown_key', () => {
      for (const vector of accepted) {
        expect(reasonOf(judge(vector, { keys: keyring(vector.keyId, `${vector.secret}x`) }))).toBe('bad_signature');
        expect(reasonOf(judge(vector, { keys: () => undefined }))).toBe('unknown_key');
      }
    });
  });

  describe('repeats', () => {
    test('a repeated date, nonce, host or content hash is duplicate_header, also with the same value', () => {
      for (const vector of accepted) {
        for (const name of dialect.singleHeaders) {
          if (!vector.request.headers.some(([n]) => n === name)) continue;
          const request = withHeaders(vector.request, (header) => (header[0] === name ? [header, header] : [header]));
          expect(reasonOf(judge(vector, { request }))).toBe('duplicate_header');
        }
      }
    });

    test('a second credential is multiple_credentials, as a line of its own or joined with a comma', () => {
      const vector = accepted[0]!;
      const twice = withHeaders(vector.request, (h) => (h[0] === 'authorization' ? [h, h] : [h]));
      expect(reasonOf(judge(vector, { request: twice }))).toBe('multiple_credentials');
      for (const comma of [',', ', ']) {
        const joined = withAuthorization(vector.request, (value) => `${value}${comma}${value}`);
        expect(reasonOf(judge(vector, { request: joined }))).toBe('multiple_credentials');
      }
    });
  });

  describe('time', () => {
    test('a signed date is good exactly as long as maxClockSkew to both sides', () => {
      const vector = accepted[0]!;
      const verification = judge(vector);
      const signedAt = verification.ok ? verification.timestampMs : undefined;
      expect(signedAt).toBeDefined();
      const skewMs = 900_000;
      for (const side of [-1, 1]) {
        expect(reasonOf(judge(vector, { nowMs: signedAt! + side * skewMs }))).toBe('accepted');
        expect(reasonOf(judge(vector, { nowMs: signedAt! + side * (skewMs + 1) }))).toBe('clock_skew');
      }
    });

    test('a clock that is no number refuses', () => {
      expect(reasonOf(judge(accepted[0]!, { nowMs: NaN }))).toBe('clock_skew');
    });
  });

  describe('bad credentials', () => {
    const vector = accepted[0]!;
    const scheme = (value: string): string => value.slice(0, value.indexOf(' '));
    const cases: Readonly<Record<string, (value: string) => string>> = {
      'the scheme word alone': scheme,
      'the scheme word and a space': (v) => `${scheme(v)} `,
      'an unknown algorithm': (v) => v.replace(/sha\d+/i, 'sha999'),
      'a non-ASCII byte': (v) => `${v.slice(0, -1)}\u00e9`,
      'a NUL': (v) => v.replace(',', ',\0'),
      'trailing text': (v) => `${v} x`,
      'a cut signature': (v) => v.slice(0, -2),
      '64 KiB of commas': (v) => `${scheme(v)} ${','.repeat(65_536)}`,
      '64 KiB of blanks': (v) => `${scheme(v)}${' '.repeat(65_536)}`,
      '64 KiB of semicolons': (v) => v.replace(/headers="?/i, (m) => m + ';'.repeat(65_536)),
      '64 KiB of quotes': (v) => `${scheme(v)} ${'id="'.repeat(16_384)}`,
      '64 KiB of letters': (v) => `${v}${'a'.repeat(65_536)}`,
      '64 KiB of a repeated credential': (v) => `${v},`.repeat(Math.ceil(65_536 / v.length)),
    };
    for (const [name, change] of Object.entries(cases)) {
      const reason = name === 'an unknown algorithm' ? UNKNOWN_ALGORITHM[dialect.name] : 'malformed_credential';
      test(`${name}: refused as ${reason} in under 5 ms of CPU`, () => {
        const request = withAuthorization(vector.request, change);
        expect(reasonOf(judge(vector, { request }))).toBe(reason);
        expect(leastCpu(() => judge(vector, { request }))).toBeLessThan(REFUSAL_CPU_MS);
      });
    }

    test('another vendor\u2019s scheme word is unsupported_scheme', () => {
      const request = withAuthorization(vector.request, () => 'Bearer abc');
      expect(reasonOf(judge(vector, { request }))).toBe('unsupported_scheme');
    });
  });

  describe('a target of 64 KiB', () => {
    const targets: Readonly<Record<string, string>> = {
      parameters: `/?${'a&'.repeat(32_000)}`,
      'different parameters': `/?${Array.from({ length: 9_000 }, (_, i) => `p${9_000 - i}`).join('&')}`,
      escapes: `/${'%41'.repeat(21_000)}`,
      slashes: '/'.repeat(64_000),
      'non-ASCII parameters': `/?${'%E4%B8%AD=\u00e9&'.repeat(5_000)}`,
      'as many parameters as are read': `/?${'%E4=\u00e9+%2Ba=b=c&'.repeat(1_024).slice(0, -1)}`,
      'escaped escapes': `/${'%2541'.repeat(13_000)}`,
      'equals signs': `/?${'='.repeat(64_000)}`,
    };
    for (const [name, target] of Object.entries(targets)) {
      test(`of ${name} with a wrong signature is refused without an exception`, () => {
        const vector = accepted[0]!;
        const change = { request: { ...vector.request, target }, keys: keyring(vector.keyId, 'wrong') };
        expect(judge(vector, change).ok).toBe(false);
        expect(leastCpu(() => judge(vector, change))).toBeLessThan(REFUSAL_CPU_MS);
      });
    }

    test('more parameters than any client sends are refused before anything is computed, where the query is signed', () => {
      const vector = accepted[0]!;
      const target = (count: number): WireRequest => ({
        ...vector.request,
        target: `${vector.request.target.split('?')[0]}?${'a=1&'.repeat(count - 1)}a=1`,
      });
      const signsQuery = SIGNS_REQUEST_LINE[dialect.name];
      expect(reasonOf(judge(vector, { request: target(MAX_QUERY_PARAMETERS + 1) }))).toBe(
        signsQuery ? 'malformed_credential' : 'accepted',
      );
      expect(reasonOf(judge(vector, { request: target(MAX_QUERY_PARAMETERS) }))).toBe(
        signsQuery ? 'bad_signature' : 'accepted',
      );
    });

    test('a query longer than any client sends is refused before anything is computed, where it is signed', () => {
      const vector = accepted[0]!;
      const target = (bytes: number): WireRequest => ({
        ...vector.request,
        target: `${vector.request.target.split('?')[0]}?${'a='.padEnd(bytes, '%')}`,
      });
      const signsQuery = SIGNS_REQUEST_LINE[dialect.name];
      const atBound = judge(vector, { request: target(MAX_QUERY_BYTES) });
      expect(reasonOf(atBound)).toBe(signsQuery ? 'bad_signature' : 'accepted');
      const beyond = judge(vector, { request: target(MAX_QUERY_BYTES + 1), keys: keyring('AKunknown', 'wrong') });
      if (signsQuery) expect(beyond).toMatchObject({ ok: false, reason: 'malformed_credential' });
      expect(leastCpu(() => judge(vector, { request: target(92 * 1024) }))).toBeLessThan(REFUSAL_CPU_MS);
    });
  });

  describe('64 KiB of headers', () => {
    const vector = accepted[0]!;
    const name = signedHeadersOf(vector).find((signed) => !dialect.singleHeaders.includes(signed)) ?? 'x-other';
    const headers: Readonly<Record<string, readonly Header[]>> = {
      'one of blanks': [[name, 'a  '.repeat(21_000)]],
      'one of non-ASCII bytes': [[name, '\u00e9'.repeat(64_000)]],
      '500 of one name': Array.from({ length: 500 }, (): Header => [name, 'v'.repeat(120)]),
      '5,000 of one name': Array.from({ length: 5_000 }, (): Header => [name, 'v'.repeat(12)]),
    };
    for (const [what, added] of Object.entries(headers)) {
      // More header lines than any client sends are refused before anything is computed.
      const reason = added.length > 1_000 ? 'malformed_credential' : 'bad_signature';
      test(`${what}: refused as ${reason} in under 5 ms of CPU`, () => {
        const request = { ...vector.request, headers: [...vector.request.headers, ...added] };
        const change = { request, keys: keyring(vector.keyId, 'wrong') };
        expect(reasonOf(judge(vector, change))).toBe(reason);
        expect(leastCpu(() => judge(vector, change))).toBeLessThan(REFUSAL_CPU_MS);
      });
    }
  });

  describe('what the dialect signs for a backend it verifies itself', () => {
    const keyId = 'backend-key';
    const secret = 'backend secret \u00e9';
    const nowMs = Date.UTC(2024, 1, 29, 12, 0, 0, 500);
    const base: OutgoingRequest = {
      method: 'POST',
      target: '/internal/orders',
      host: 'orders.internal:8080',
      signHeaders: [['x-countersign-key-id', 'caller 1']],
      contentType: 'application/json',
      body: Buffer.from('{"a":1}'),
    };
    const outgoing: Readonly<Record<string, OutgoingRequest>> = {
      'a JSON body': base,
      'no body and no type': { ...base, method: 'GET', contentType: undefined, body: new Uint8Array() },
      'a body without a type': { ...base, contentType: undefined },
      'an awkward query': { ...base, target: `/a%20b/?${dialect.canonicalQuery('z=1&a=b+c&a=%7e&flag&=x&%E4=%zz')}` },
      'a form': { ...base, contentType: 'application/x-www-form-urlencoded', body: Buffer.from('b=2&a=1+2') },
    };
    for (const [name, request] of Object.entries(outgoing)) {
      test(name, () => {
        const wire = sent(dialect, request, keyId, secret, nowMs);
        const verification = verifyRequest(wire, optionsFor(dialect.name), {}, keyring(keyId, secret), nowMs);
        expect(verification).toMatchObject({ ok: true, keyId });
        expect(verification.ok && verification.signedHeaders).toContain('x-countersign-key-id');
        const other = withHeaders(wire, ([n, v]) => [[n, n === 'x-countersign-key-id' ? 'caller 2' : v]]);
        expect(verifyRequest(other, optionsFor(dialect.name), {}, keyring(keyId, secret), nowMs).ok).toBe(false);
      });
    }

    test('the canonical query is a fixed point', () => {
      for (const query of ['', 'b=2&a=1', 'a&b', 'q=%7e+x&q=%E4%BD%A0', '=&=x&%', 'a=b=c&&d']) {
        const once = dialect.canonicalQuery(query);
        expect(dialect.canonicalQuery(once)).toBe(once);
      }
    });
  });

  describe('vendor replies', () => {
    test('unknown, unusable and unwilling keys, replays and wrong signatures share one answer', () => {
      const answer = dialect.vendorReply({ reason: 'bad_signature' }, 'r-1');
      const alike = [
        'unknown_key',
        'key_disabled',
        'key_not_ready',
        'key_not_yet_valid',
        'key_expired',
        'key_not_permitted',
        'replayed_nonce',
        'replayed_signature',
      ] as const;
      for (const reason of alike) expect(dialect.vendorReply({ reason, subject: 'x' }, 'r-1')).toEqual(answer);
    });

    test('refusals of vectors are answered with the documented text', () => {
      for (const vector of vectors) {
        const verification = judge(vector);
        if (verification.ok || vector.message === undefined || SHARED_ANSWERS.includes(verification.reason)) continue;
        const { body } = dialect.vendorReply(verification, 'r-1');
        expect({ vector: vector.name, body }).toMatchObject({ body: expect.stringContaining(vector.message) });
      }
    });
  });
}

/** The files hold the vendor's own texts for these, which tell an unknown key, or print what the gateway computed. */
const SHARED_ANSWERS: readonly string[] = ['unknown_key', 'bad_signature'];

function signedHeadersOf(vector: Vector): readonly string[] {
  const verification = judge(vector);
  return verification.ok ? verification.signedHeaders : [];
}

/** The outgoing request with its signature, as a backend gets it. */
function sent(dialect: Dialect, request: OutgoingRequest, keyId: string, secret: string, nowMs: number): WireRequest {
  const signature = dialect.sign(
    request,
    { keyId, secret: new Redacted(secret) },
    { nowMs, nonce: 'nonce-1', requestId: 'r-1' },
  );
  const set = new Map<string, string>([
    ['host', request.host],
    ...(request.contentType === undefined ? [] : [['content-type', request.contentType] as const]),
    ...request.signHeaders,
    ...signature,
  ]);
  return { method: request.method, target: request.target, headers: [...set], body: request.body };
}
