/** The limit headers as a caller reads them, over a backend that claims limits of its own. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { request } from 'node:http';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend, usagePlan } from '../support/resources/resources.js';
import { tencentHeaders } from '../support/signing/tencent-sample.js';

const KEYS = {
  tencent: { keyId: 'AKIDlimitheaders0001', secret: 'limit-headers-secret-1' },
  plain: { keyId: 'AKIDlimitheaders0002', secret: 'limit-headers-secret-2' },
  rate: { keyId: 'AKIDlimitheaders0003', secret: 'limit-headers-secret-3' },
} as const;

/** Every name that a plan can write. */
const CLAIMS = {
  'x-secret-id': 'backend',
  'x-usageplan-id': 'backend',
  'x-ratelimit-limit': '999',
  'x-ratelimit-used': '0/999',
  'x-ratelimit-remaining': '999',
  'x-ratelimit-reset': '999',
  ratelimit: '"backend";r=999',
  'ratelimit-policy': '"backend";q=999',
};

let backend: RecordingBackend;
let gateway: TestGateway;
beforeAll(async () => {
  backend = await startBackend((_, response) => response.writeHead(200, CLAIMS).end('ok'));
  const rateLimits = [{ name: 'rps', requests: 500, interval: '1s' }];
  const quotas = [{ name: 'daily', requests: 2, period: 'Day' }];
  gateway = await startGateway({
    files: {
      'all.yaml': toYaml(
        ...Object.entries(KEYS).flatMap(([name, { keyId, secret }]) => importedKey(name, keyId, secret)),
        apiGroup('orders', { verification: { dialects: ['Tencent'] }, backend: urlBackend(backend.port) }),
        grant('orders', Object.keys(KEYS), 'orders'),
        usagePlan('tencent', ['tencent'], 'orders', { rateLimits, quotas, responseHeaders: ['Tencent', 'IETF'] }),
        usagePlan('plain', ['plain'], 'orders', { rateLimits, quotas, responseHeaders: ['XRateLimit'] }),
        usagePlan('rate', ['rate'], 'orders', {
          rateLimits: [{ name: 'slow', requests: 1, interval: '10s', burst: 1 }],
          quotas: [{ name: 'ever', requests: 1000, period: 'Total' }],
          responseHeaders: ['XRateLimit', 'IETF'],
        }),
      ),
    },
  });
}, 120_000);
afterAll(async () => {
  await gateway?.close();
  await backend?.close();
});

/** Header lines by name, each with all its values: a second line would show. */
function call(key: keyof typeof KEYS): Promise<{ status: number; lines: Record<string, string[]>; body: string }> {
  return new Promise((resolve, reject) => {
    request(
      { host: '127.0.0.1', port: gateway.httpPort, path: '/orders/x', headers: tencentHeaders(KEYS[key]) },
      (response) => {
        const lines: Record<string, string[]> = {};
        const raw = response.rawHeaders;
        for (let i = 0; i < raw.length; i += 2) (lines[(raw[i] ?? '').toLowerCase()] ??= []).push(raw[i + 1] ?? '');
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, lines, body }));
      },
    )
      .on('error', reject)
      .end();
  });
}

const seconds = (line: string | undefined, pattern: RegExp): number => Number(pattern.exec(line ?? '')?.[1] ?? NaN);

describe('the headers of a plan', () => {
  test('Tencent and IETF replace what the backend claims, on 200 and on 429', async () => {
    const first = await call('tencent');
    expect(first.status).toBe(200);
    expect(first.lines).toMatchObject({
      'x-secret-id': [KEYS.tencent.keyId],
      'x-usageplan-id': [expect.stringMatching(/^usagePlan-[0-9a-f]{8}$/)],
      'x-ratelimit-limit': ['500'],
      'x-ratelimit-used': ['1/2'],
      'ratelimit-policy': ['"rps";q=500;w=1, "daily";q=2;w=86400'],
      ratelimit: [expect.stringMatching(/^"rps";r=499;t=1, "daily";r=1;t=\d+$/)],
    });
    await call('tencent');
    const refused = await call('tencent');
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'QuotaExceeded' });
    expect(refused.lines).toMatchObject({ 'x-ratelimit-used': ['2/2'], 'x-ratelimit-limit': ['500'] });
    const reset = seconds(refused.lines['ratelimit']?.[0], /"daily";r=0;t=(\d+)$/);
    expect(seconds(refused.lines['retry-after']?.[0], /^(\d+)$/)).toBe(reset);
    expect(reset).toBeLessThanOrEqual(86_400);
  });

  test('X-RateLimit is about the limit that is closest to its end', async () => {
    const { status, lines } = await call('plain');
    expect(status).toBe(200);
    expect(lines).toMatchObject({ 'x-ratelimit-limit': ['2'], 'x-ratelimit-remaining': ['1'] });
    expect(seconds(lines['x-ratelimit-reset']?.[0], /^(\d+)$/)).toBeLessThanOrEqual(86_400);
  });

  test('a refusal by a rate is told from one by a quota, and says when to come back', async () => {
    expect((await call('rate')).status).toBe(200);
    const refused = await call('rate');
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'RateLimited' });
    const wait = seconds(refused.lines['retry-after']?.[0], /^(\d+)$/);
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(10);
    expect(refused.lines).toMatchObject({
      'x-ratelimit-remaining': ['0'],
      'x-ratelimit-reset': [String(wait)],
      // A Total quota has neither window nor reset.
      'ratelimit-policy': ['"slow";q=1;w=10, "ever";q=1000'],
      ratelimit: [`"slow";r=0;t=${wait}, "ever";r=999`],
    });
  });
});
