import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/ports.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { PROTOCOLS, type PlainRequest, type PlainResponse, type Send } from '../support/http.js';
import {
  apiGroup,
  backendKey,
  grant,
  importedKey,
  toYaml,
  urlBackend,
  usagePlan,
} from '../support/resources/resources.js';
import { tencentHeaders } from '../support/signing/tencent-sample.js';

const KEYS = {
  good: { keyId: 'AKIDoutcomesgood0001', secret: 'outcomes-good-secret-01' },
  limited1: { keyId: 'AKIDoutcomeslimit001', secret: 'outcomes-limit-secret-1' },
  limited2: { keyId: 'AKIDoutcomeslimit002', secret: 'outcomes-limit-secret-2' },
  quota1: { keyId: 'AKIDoutcomesquota001', secret: 'outcomes-quota-secret-1' },
  quota2: { keyId: 'AKIDoutcomesquota002', secret: 'outcomes-quota-secret-2' },
  badplan: { keyId: 'AKIDoutcomesbadpl001', secret: 'outcomes-badpl-secret-1' },
  unread: { keyId: 'AKIDoutcomesunread01', secret: 'outcomes-unread-secret1' },
  stranger: { keyId: 'AKIDoutcomesstrang01', secret: 'outcomes-stran-secret-1' },
  disabled: { keyId: 'AKIDoutcomesdisabl01', secret: 'outcomes-disab-secret-1' },
  expired: { keyId: 'AKIDoutcomesexpire01', secret: 'outcomes-expir-secret-1' },
} as const;

let backend: RecordingBackend;
let gateway: TestGateway;

beforeAll(async () => {
  backend = await startBackend();
  const closedPort = await freePort();
  const granted = ['good', 'limited1', 'limited2', 'quota1', 'quota2', 'badplan', 'unread', 'disabled', 'expired'];
  gateway = await startGateway({
    files: {
      'keys.yaml': toYaml(
        ...Object.entries(KEYS).flatMap(([name, { keyId, secret }]) =>
          importedKey(name, keyId, secret, {
            ...(name === 'disabled' ? { state: 'Disabled' } : {}),
            ...(name === 'expired' ? { expirationTime: '2020-01-01T00:00:00Z' } : {}),
          }),
        ),
        ...backendKey('half', 'half-backend-key-1', 'half-backend-secret-1').slice(0, 1),
      ),
      'orders.yaml': toYaml(
        apiGroup('orders', {
          verification: { dialects: ['Tencent'], maxBodySize: '2Ki' },
          backend: urlBackend(backend.port),
          environments: [
            { name: 'release', default: true, match: { type: 'PathPrefix', value: 'release' } },
            { name: 'test', match: { type: 'Header', value: 'TEST' } },
            { name: 'old', state: 'Offline', match: { type: 'PathPrefix', value: 'old' } },
          ],
          apis: [
            { name: 'list', match: { path: { type: 'Exact', value: '/v1/items' }, methods: ['GET'] } },
            { name: 'item', match: { path: { type: 'Template', value: '/v1/items/{id}' }, methods: ['GET'] } },
            { name: 'special', match: { path: { type: 'Exact', value: '/v1/items/special' }, methods: ['GET'] } },
            { name: 'create', match: { path: { type: 'Exact', value: '/v1/items' }, methods: ['POST'] } },
            {
              name: 'signed',
              match: { path: { type: 'Exact', value: '/v1/signed' } },
              environments: [
                {
                  name: 'release',
                  backendSignature: { type: 'Key', signatureKeyRef: { name: 'half' }, dialect: 'Huawei' },
                },
              ],
            },
            {
              name: 'internal',
              match: { path: { type: 'Exact', value: '/v1/internal' } },
              access: { sourceRanges: { allow: ['10.0.0.0/8'] } },
            },
            {
              name: 'open',
              match: { path: { type: 'Exact', value: '/open' } },
              access: { authentication: 'None' },
            },
          ],
        }),
        grant('orders', granted, 'orders'),
        apiGroup('edge', {
          access: { authentication: 'None' },
          backend: urlBackend(backend.port),
          apis: [
            { name: 'public', match: { path: { type: 'Prefix', value: '/' } } },
            {
              name: 'admin',
              match: { path: { type: 'Prefix', value: '/admin' } },
              access: { authentication: 'Signature' },
              verification: { dialects: ['Tencent'] },
              rewrite: { path: '/{unknown}' },
            },
          ],
        }),
        apiGroup('away', { access: { authentication: 'None' }, backend: urlBackend(closedPort) }),
        usagePlan('rate', ['limited1', 'limited2'], 'orders', {
          rateLimits: [{ name: 'rate', requests: 1, interval: '1m', burst: 1, scope: 'Key' }],
          responseHeaders: ['Tencent', 'IETF'],
        }),
        usagePlan('quota', ['quota1', 'quota2'], 'orders', {
          quotas: [{ name: 'daily', requests: 1, period: 'Day', timeZone: 'Asia/Shanghai', scope: 'Key' }],
          responseHeaders: ['XRateLimit'],
        }),
        usagePlan('unreadable', ['unread'], 'orders', {
          rateLimits: [{ name: 'rate', requests: 'many', interval: '1m', scope: 'Key' }],
        }),
        usagePlan('broken', ['badplan'], 'orders', {
          quotas: [{ name: 'daily', requests: 1, period: 'Day', timeZone: 'Mars/Olympus', scope: 'Key' }],
        }),
      ),
    },
  });
}, 120_000);
afterAll(async () => {
  await gateway?.close();
  await backend?.close();
});

const signed = (key: keyof typeof KEYS, target: string, more: Partial<PlainRequest> = {}): PlainRequest => ({
  method: 'GET',
  target,
  ...more,
  headers: { ...tencentHeaders(KEYS[key]), ...more.headers },
});

interface Refusal {
  readonly status: number;
  /** '' where the answer has no body. */
  readonly code: string;
  readonly reason: string;
  /** Envoy refuses by itself: the authorizer is not asked, or allowed the request. */
  readonly byEnvoy?: true | 'or the authorizer';
}

interface Outcome extends Refusal {
  readonly title: string;
  readonly request: (protocol: string) => PlainRequest;
}

const REFUSALS: readonly Outcome[] = [
  {
    title: 'a path that no API has',
    request: () => signed('good', '/orders/v1/other'),
    status: 404,
    code: 'NotFound',
    reason: 'not_found',
  },
  {
    title: 'a trailing slash that the API does not have',
    request: () => signed('good', '/orders/v1/items/'),
    status: 404,
    code: 'NotFound',
    reason: 'not_found',
  },
  {
    title: 'a stage that no environment lists',
    request: () => signed('good', '/orders/v1/items', { headers: { 'X-Stage': 'NONE' } }),
    status: 404,
    code: 'NotFound',
    reason: 'unknown_environment',
  },
  {
    title: 'an offline environment',
    request: () => signed('good', '/orders/old/v1/items'),
    status: 404,
    code: 'NotFound',
    reason: 'environment_offline',
  },
  {
    title: 'a path with %2F',
    request: () => signed('good', '/orders/v1/items%2Fx'),
    status: 400,
    code: 'BadRequest',
    reason: 'non_canonical_path',
    byEnvoy: true,
  },
  {
    title: 'a path with dot segments',
    request: () => signed('good', '/orders/v1/x/../items'),
    status: 400,
    code: 'BadRequest',
    reason: 'non_canonical_path',
    byEnvoy: true,
  },
  {
    title: 'a path with a double-encoded dot segment',
    request: () => signed('good', '/orders/v1/%252e%252e/items'),
    status: 400,
    code: 'BadRequest',
    reason: 'non_canonical_path',
  },
  {
    title: 'a path that decodes to another API',
    request: () => signed('good', '/orders/v1/items/speci%61l'),
    status: 400,
    code: 'BadRequest',
    reason: 'ambiguous_path',
  },
  {
    title: 'a method that the API does not offer',
    request: () => signed('good', '/orders/v1/items', { method: 'DELETE' }),
    status: 405,
    code: 'MethodNotAllowed',
    reason: 'method_not_allowed',
  },
  {
    title: 'HEAD where only GET is listed',
    request: () => signed('good', '/orders/v1/items', { method: 'HEAD' }),
    status: 405,
    code: '',
    reason: 'method_not_allowed',
  },
  {
    title: 'no credential',
    request: () => ({ method: 'GET', target: '/orders/v1/items' }),
    status: 401,
    code: 'Unauthorized',
    reason: 'missing_credential',
  },
  {
    title: 'a credential of a scheme that the group does not list',
    request: () => ({ method: 'GET', target: '/orders/v1/items', headers: { Authorization: 'Bearer abc' } }),
    status: 401,
    code: 'Unauthorized',
    reason: 'unsupported_scheme',
  },
  {
    title: 'a credential that does not parse',
    request: () => ({ method: 'GET', target: '/orders/v1/items', headers: { Authorization: 'hmac id=x' } }),
    status: 401,
    code: 'Unauthorized',
    reason: 'malformed_credential',
  },
  {
    title: 'a signed header that changed',
    request: () => signed('good', '/orders/v1/items', { headers: { Source: 'changed' } }),
    status: 401,
    code: 'Unauthorized',
    reason: 'bad_signature',
  },
  {
    title: 'a date outside the window',
    request: () => ({
      method: 'GET',
      target: '/orders/v1/items',
      headers: tencentHeaders(KEYS.good, new Date(Date.now() - 16 * 60_000)),
    }),
    status: 401,
    code: 'Unauthorized',
    reason: 'clock_skew',
  },
  {
    title: 'an unknown key',
    request: () => ({
      method: 'GET',
      target: '/orders/v1/items',
      headers: tencentHeaders({ keyId: 'AKIDnobody0000000001', secret: 'x' }),
    }),
    status: 401,
    code: 'Unauthorized',
    reason: 'unknown_key',
  },
  {
    title: 'a disabled key',
    request: () => signed('disabled', '/orders/v1/items'),
    status: 401,
    code: 'Unauthorized',
    reason: 'key_disabled',
  },
  {
    title: 'an expired key',
    request: () => signed('expired', '/orders/v1/items'),
    status: 401,
    code: 'Unauthorized',
    reason: 'key_expired',
  },
  {
    title: 'a second credential header',
    request: () => signed('good', '/orders/v1/items', { headers: { 'Proxy-Authorization': 'Basic eDp5' } }),
    status: 401,
    code: 'Unauthorized',
    reason: 'multiple_credentials',
  },
  {
    title: 'a header that poses as ours',
    request: () => signed('good', '/orders/v1/items', { headers: { X_Countersign_Key_Id: 'root' } }),
    status: 400,
    code: 'BadRequest',
    reason: 'reserved_header',
  },
  {
    title: 'a key without a grant',
    request: () => signed('stranger', '/orders/v1/items'),
    status: 403,
    code: 'Forbidden',
    reason: 'not_authorized',
  },
  {
    title: 'an environment without a grant',
    request: () => signed('good', '/orders/v1/items', { headers: { 'X-Stage': 'TEST' } }),
    status: 403,
    code: 'Forbidden',
    reason: 'not_authorized',
  },
  {
    title: 'an address outside the source ranges',
    request: () => signed('good', '/orders/v1/internal'),
    status: 403,
    code: 'Forbidden',
    reason: 'source_address_denied',
  },
  {
    title: 'a backend key without a Secret',
    request: () => signed('good', '/orders/v1/signed'),
    status: 503,
    code: 'Unavailable',
    reason: 'backend_key_unavailable',
  },
  {
    title: 'an API that has an error, though a broader one without signatures would serve its path',
    request: () => ({ method: 'GET', target: '/edge/admin/users', headers: {} }),
    status: 503,
    code: 'Unavailable',
    reason: 'api_invalid',
  },
  {
    title: 'a plan that the schema refuses',
    request: () => signed('unread', '/orders/v1/items'),
    status: 503,
    code: 'Unavailable',
    reason: 'usage_plan_invalid',
  },
  {
    title: 'an invalid plan',
    request: () => signed('badplan', '/orders/v1/items'),
    status: 503,
    code: 'Unavailable',
    reason: 'usage_plan_invalid',
  },
];

/** So many requests were refused for `reason`, by Envoy itself and by the authorizer. */
async function refusalsOf(reason: string): Promise<{ byEnvoy: number; byAuthorizer: number }> {
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const sum = (series: string): number =>
    metrics
      .split('\n')
      .filter((line) => line.startsWith(series))
      .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
  return {
    byEnvoy: sum(`countersign_gateway_refusals_total{reason="${reason}"}`),
    byAuthorizer: sum(`countersign_requests_total{decision="deny",reason="${reason}",`),
  };
}

/** Status and shape of the answer, one word in log and metric, and nothing at the backend. */
async function expectRefused(
  send: Send,
  request: PlainRequest,
  { status, code, reason, byEnvoy }: Refusal,
): Promise<PlainResponse> {
  const reached = backend.requests.length;
  const before = await refusalsOf(reason);
  const answer = await send(gateway.httpPort, request);
  expect(answer.status).toBe(status);
  if (code !== '') expect(JSON.parse(answer.body)).toMatchObject({ code, requestId: answer.headers['x-request-id'] });
  expect(await gateway.accessLogOf(String(answer.headers['x-request-id']))).toMatchObject({
    status,
    reason,
    decision: 'deny',
  });
  await eventually(async () => {
    const after = await refusalsOf(reason);
    const added = [after.byEnvoy - before.byEnvoy, after.byAuthorizer - before.byAuthorizer];
    if (byEnvoy === 'or the authorizer') expect([...added].sort()).toEqual([0, 1]);
    else expect(added).toEqual(byEnvoy ? [1, 0] : [0, 1]);
  });
  expect(backend.requests).toHaveLength(reached);
  return answer;
}

describe.each(PROTOCOLS)('over %s', (protocol, send) => {
  const limited = protocol === 'HTTP/2' ? 'limited2' : 'limited1';
  const quota = protocol === 'HTTP/2' ? 'quota2' : 'quota1';

  test('serves a signed request and tells the backend who calls', async () => {
    const answer = await send(gateway.httpPort, signed('good', '/orders/v1/items/7?a=1&b=%20x'));
    expect(answer.status).toBe(200);
    expect(backend.last).toMatchObject({ method: 'GET', target: '/v1/items/7?a=1&b=%20x' });
    expect(backend.last?.header('x-countersign-key-id')).toBe(KEYS.good.keyId);
    expect(backend.last?.header('x-countersign-api')).toBe('shop/orders/item');
    expect(backend.last?.header('x-countersign-environment')).toBe('release');
    expect(backend.last?.header('authorization')).toBeUndefined();
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('strips identity headers that the caller made up', async () => {
    const forged = { 'x-countersign-key-id': 'root', 'x-countersign-plan': 'gold', 'x-countersign-other': '1' };
    await send(gateway.httpPort, signed('good', '/orders/v1/items', { headers: forged }));
    expect(backend.last?.header('x-countersign-key-id')).toBe(KEYS.good.keyId);
    expect(backend.last?.header('x-countersign-plan')).toBeUndefined();
    expect(backend.last?.header('x-countersign-other')).toBeUndefined();
    await send(gateway.httpPort, { method: 'GET', target: '/orders/open', headers: forged });
    expect(backend.last?.header('x-countersign-key-id')).toBeUndefined();
  });

  test.each(REFUSALS)('refuses $title with $status $reason', async ({ request, ...refusal }) => {
    const answer = await expectRefused(send, request(protocol), refusal);
    if (refusal.status === 401) expect(answer.headers['www-authenticate']).toBe('hmac');
  });

  test('refuses a body over maxBodySize with 413, in one frame and in many, and passes one at the limit', async () => {
    const post = (size: number) => signed('good', '/orders/v1/items', { method: 'POST', body: 'x'.repeat(size) });
    expect((await send(gateway.httpPort, post(2048))).status).toBe(200);
    expect(backend.last?.body).toHaveLength(2048);
    for (const size of [2049, 9000, 200_000])
      await expectRefused(send, post(size), {
        status: 413,
        code: 'PayloadTooLarge',
        reason: 'body_too_large',
        // Who has seen a byte too many first.
        byEnvoy: 'or the authorizer',
      });
  });

  test('answers 429 with Retry-After and limit headers over a rate', async () => {
    const first = await send(gateway.httpPort, signed(limited, '/orders/v1/items'));
    expect(first.status).toBe(200);
    expect(first.headers).toMatchObject({
      'x-ratelimit-limit': '1',
      'x-ratelimit-used': '1/1',
      'x-secret-id': KEYS[limited].keyId,
    });
    expect(first.headers['x-usageplan-id']).toMatch(/^usagePlan-/);
    expect(backend.last?.header('x-countersign-plan')).toBe(first.headers['x-usageplan-id']);
    const second = await expectRefused(send, signed(limited, '/orders/v1/items'), {
      status: 429,
      code: 'RateLimited',
      reason: 'rate_limited',
    });
    expect(Number(second.headers['retry-after'])).toBeGreaterThan(50);
    expect(Number(second.headers['retry-after'])).toBeLessThanOrEqual(60);
    expect(second.headers['ratelimit-policy']).toBeDefined();
  });

  test('tells a used-up quota from a rate', async () => {
    expect((await send(gateway.httpPort, signed(quota, '/orders/v1/items'))).status).toBe(200);
    const over = await expectRefused(send, signed(quota, '/orders/v1/items'), {
      status: 429,
      code: 'QuotaExceeded',
      reason: 'quota_exceeded',
    });
    expect(Number(over.headers['retry-after'])).toBeLessThanOrEqual(86_400);
  });

  test('answers for a host that nobody claims in the same shape', async () => {
    await expectRefused(send, signed('good', '/orders/v1/items', { headers: { Host: 'other.example.com' } }), {
      status: 404,
      code: 'NotFound',
      reason: 'not_found',
      byEnvoy: true,
    });
  });

  test('answers 503 in the same shape while a backend is away', async () => {
    await expectRefused(
      send,
      { method: 'GET', target: '/away/x' },
      { status: 503, code: 'Unavailable', reason: 'backend_unavailable', byEnvoy: true },
    );
  });
});

test('says on the objects why they cannot serve', async () => {
  await eventually(async () => {
    const { resources } = await gateway.status();
    const condition = (kind: string, name: string, type: string) =>
      resources
        .find((each) => each.kind === kind && each.name === name)
        ?.status.conditions.find((each) => each.type === type);
    expect(condition('SignatureKey', 'half', 'ResolvedRefs')).toMatchObject({ status: 'False' });
    expect(condition('UsagePlan', 'broken', 'Accepted')).toMatchObject({ status: 'False' });
    expect(condition('ApiGroup', 'orders', 'Accepted')).toMatchObject({ status: 'True' });
  });
});
