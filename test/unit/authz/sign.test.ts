import { describe, expect, test } from '@jest/globals';
import type { Allow } from '../../../src/authz/decision.js';
import { Redacted } from '../../../src/lib/redacted.js';
import { basic } from '../../../src/signature/basic/scheme.js';
import { VERIFICATION, type ApiInput, type BackendSignatureInput } from '../../support/authz/authz-model.js';
import { verifyRequest } from '../../../src/signature/verify.js';
import type { WireRequest } from '../../../src/signature/dialect.js';
import { createGate, NOW_MS } from '../../support/authz/authz-check.js';
import { APP, EVERYTHING, fixture, GRANT, SIGNED } from '../../support/authz/authz-fixture.js';
import { buildRequest, type RequestInput } from '../../support/authz/authz-request.js';

const TARGET = '/orders/release/x?b=2&a=1%7e';
const at = (seconds: number): string => new Date(NOW_MS + seconds * 1000).toISOString();
const ANONYMOUS = { authentication: 'None', authorization: 'Disabled' } as const;

async function allow(api: Partial<ApiInput>, request: Partial<RequestInput> = SIGNED): Promise<Allow> {
  const decision = await createGate(fixture({ apis: [{ ...EVERYTHING, ...api }] })).send({
    target: TARGET,
    ...request,
  });
  if (decision.outcome === 'deny') throw new Error(`${decision.status} ${decision.reason}`);
  return decision;
}
const sets = (decision: Allow): Record<string, string> => Object.fromEntries(decision.setHeaders);

/** What the backend receives: what Envoy does with the answer. */
function upstream(request: ReturnType<typeof buildRequest>, decision: Allow): WireRequest {
  const set = new Map(decision.setHeaders);
  const headers = request.headers.filter(([name]) => !decision.removeHeaders.includes(name) && !set.has(name));
  for (const [name, value] of set) if (!name.startsWith(':')) headers.push([name, value]);
  return {
    method: set.get(':method') ?? request.method,
    target: set.get(':path') ?? request.target,
    headers,
    body: request.body,
  };
}

describe('the upstream path', () => {
  const path = async (target: string, api: Partial<ApiInput> = {}): Promise<string | undefined> =>
    sets(await allow(api, { ...SIGNED, target }))[':path'];
  test('is the API path without base path and environment, the rest byte for byte', async () => {
    expect(await path('/orders/release/a%20b/c;d=1?q=%2f&flag&&x=')).toBe('/a%20b/c;d=1?q=%2f&flag&&x=');
    expect(await path('/orders/x')).toBe('/x');
    expect(await path('/orders/release')).toBe('/');
    expect(await path('/orders/release/?')).toBe('/?');
  });
  test('is not set where it does not change', async () => {
    const decision = await createGate(fixture({ group: { basePath: '/' } })).send({ target: '/x?y', ...SIGNED });
    expect(decision.outcome === 'allow' && sets(decision)[':path']).toBeUndefined();
  });
  test('a rewrite takes the variables of the template as they came, and keeps the query', async () => {
    const rewrite: Partial<ApiInput> = {
      path: { type: 'Template', value: '/v1/{kind}/{id}' },
      rewrite: { path: '/internal/{id}/of/{kind}/{other}', method: 'PUT', setHeaders: [['X-Source', 'gateway']] },
    };
    const decision = await allow(rewrite, { ...SIGNED, target: '/orders/release/v1/a%20b/7?q=1' });
    expect(sets(decision)).toMatchObject({
      ':path': '/internal/7/of/a%20b/{other}?q=1',
      ':method': 'PUT',
      'x-source': 'gateway',
    });
  });
  test('the host is the client\u2019s or the backend\u2019s fixed one', async () => {
    expect(sets(await allow({}))['host']).toBeUndefined();
    expect(
      sets(
        await allow(
          { backend: { host: { type: 'Fixed', value: 'orders.internal' } }, route: 'own' },
          { ...SIGNED, route: 'own' },
        ),
      )['host'],
    ).toBe('orders.internal');
  });
});

describe('headers towards the backend', () => {
  test('identity is always ours', async () => {
    const forged: [string, string][] = [
      ['x-countersign-key-id', 'forged'],
      ['x-countersign-plan', 'forged'],
      ['x-countersign-previous-authorization', 'forged'],
      ['x-countersign-anything', 'forged'],
    ];
    const decision = await allow({}, { ...SIGNED, headers: forged });
    expect(sets(decision)).toMatchObject({
      'x-countersign-key-id': 'AKok',
      'x-countersign-api': 'team/orders/everything',
      'x-countersign-environment': 'release',
    });
    expect(decision.removeHeaders).toEqual(
      expect.arrayContaining(['x-countersign-plan', 'x-countersign-previous-authorization', 'x-countersign-anything']),
    );
    const anonymous = await allow({ access: ANONYMOUS }, { headers: forged });
    expect(sets(anonymous)).not.toHaveProperty('x-countersign-key-id');
    expect(anonymous.removeHeaders).toContain('x-countersign-key-id');
  });
  test('the plan is named where one applies', async () => {
    const gate = createGate(
      fixture({ plans: [{ key: 'team/plan', planId: 'p-1', callerKeys: [APP.key], targets: GRANT.targets }] }),
    );
    const decision = await gate.send({ target: TARGET, ...SIGNED });
    expect(decision.outcome === 'allow' && sets(decision)['x-countersign-plan']).toBe('p-1');
  });
  test('the caller\u2019s credential stays behind, an unread one of an open API goes on', async () => {
    expect((await allow({})).removeHeaders).toEqual(expect.arrayContaining(['authorization', 'x-sdk-date']));
    const open = await allow({ access: ANONYMOUS }, { headers: [['authorization', 'Bearer x']] });
    expect(open.removeHeaders).toEqual([]);
  });
  test('method overrides go unless they are signed', async () => {
    const override = ['x-http-method-override', 'DELETE'] as const;
    expect((await allow({}, { ...SIGNED, headers: [override] })).removeHeaders).toContain('x-http-method-override');
    expect((await allow({}, { sign: { ...SIGNED.sign, headers: [override] } })).removeHeaders).not.toContain(
      'x-http-method-override',
    );
  });
  test('the Tencent gateway\u2019s request headers where the backend lists them', async () => {
    const decision = await allow(
      { backend: { headers: ['Tencent'] }, route: 'own' },
      {
        ...SIGNED,
        route: 'own',
        headers: [
          ['x-forwarded-proto', 'https'],
          ['x-real-ip', 'forged'],
        ],
        requestId: 'a-b',
      },
    );
    expect(sets(decision)).toMatchObject({
      'x-client-proto': 'https',
      'x-client-proto-ver': 'HTTP/1.1',
      'x-real-ip': '192.0.2.7',
      'x-b3-traceid': 'ab',
      'x-api-requestid': 'a-b',
      'x-api-scheme': 'https',
    });
  });
});

describe('the backend signature', () => {
  const HMAC: BackendSignatureInput = {
    type: 'HMAC',
    dialect: 'Huawei',
    keyId: 'backend-key',
    secret: 'backend-secret',
  };
  const post: Partial<RequestInput> = {
    ...SIGNED,
    method: 'POST',
    body: '{"a":1}',
    headers: [['content-type', 'application/json']],
  };
  const verifyAtBackend = (
    wire: WireRequest,
    secret: string,
    dialect: 'Huawei' | 'JDCloud' | 'Tencent' | 'TencentApplication',
  ) =>
    verifyRequest(
      wire,
      { ...VERIFICATION, dialects: [dialect] },
      {},
      (keyId) => (keyId === 'backend-key' ? { keyId, secrets: [{ secret: new Redacted(secret) }] } : undefined),
      NOW_MS,
    );

  test.each(['Huawei', 'JDCloud', 'Tencent', 'TencentApplication'] as const)(
    '%s covers what the backend receives',
    async (dialect) => {
      const gate = createGate(fixture({ apis: [{ ...EVERYTHING, backendSignature: { ...HMAC, dialect } }] }));
      const request = buildRequest({ target: TARGET, ...post }, NOW_MS);
      const decision = await gate.check(request);
      if (decision.outcome === 'deny') throw new Error(decision.reason);
      const wire = upstream(request, decision);
      expect(verifyAtBackend(wire, 'backend-secret', dialect)).toMatchObject({ ok: true, keyId: 'backend-key' });
      expect(verifyAtBackend({ ...wire, target: `${wire.target}1` }, 'backend-secret', dialect).ok).toBe(false);
    },
  );
  test('covers the identity headers', async () => {
    const authorization = sets(await allow({ backendSignature: HMAC })).authorization!;
    for (const name of ['host', 'x-countersign-api', 'x-countersign-environment', 'x-countersign-key-id'])
      expect(authorization).toContain(name);
  });
  test('sends the query in the form that was signed', async () => {
    expect(sets(await allow({ backendSignature: HMAC }))[':path']).toBe('/x?a=1~&b=2');
    expect(sets(await allow({ backendSignature: HMAC }, { ...SIGNED, target: '/orders/release/x?' }))[':path']).toBe(
      '/x',
    );
    expect(sets(await allow({ backendSignature: { ...HMAC, type: 'Basic' } }))[':path']).toBe('/x?b=2&a=1%7e');
  });
  test('Basic and AES write Authorization', async () => {
    const { authorization } = sets(await allow({ backendSignature: { ...HMAC, type: 'Basic' } }));
    const key = { keyId: 'backend-key', secret: new Redacted('backend-secret') };
    expect(
      basic.verify(authorization!, { method: 'GET', target: '/', headers: [], body: undefined }, [key], {
        nowMs: NOW_MS,
        maxClockSkewMs: 0,
      }),
    ).toMatchObject({ ok: true });
    const aes = await allow({
      backendSignature: {
        type: 'AES',
        aesAlgorithm: 'AES128CFB',
        keyId: 'k'.repeat(16),
        secret: 'v'.repeat(16),
        key: 'team/aes',
      },
    });
    expect(sets(aes).authorization).toMatch(/^SDK-AES-128-CFB Access=team\/aes, /);
    expect(JSON.stringify(aes)).not.toContain('kkkk');
  });
  test('replaces any credential the caller sent, also to an open API', async () => {
    const decision = await allow(
      { access: ANONYMOUS, backendSignature: HMAC },
      {
        headers: [
          ['authorization', 'Bearer x'],
          ['x-hw-appkey', 'y'],
          ['x-jdcloud-date', 'z'],
        ],
      },
    );
    expect(sets(decision).authorization).toMatch(/^SDK-HMAC-SHA256 /);
    expect(decision.removeHeaders).toEqual(expect.arrayContaining(['x-hw-appkey', 'x-jdcloud-date']));
  });
  test('in rotation the previous secret signs too, until its grace ends', async () => {
    const rotating = (notAfter: string) =>
      allow({ backendSignature: { ...HMAC, previous: { secret: 'old-secret', notAfter } } });
    const during = sets(await rotating(at(0)));
    expect(during['x-countersign-previous-authorization']).toMatch(/^SDK-HMAC-SHA256 Access=backend-key/);
    expect(during['x-countersign-previous-authorization']).not.toBe(during.authorization);
    expect(sets(await rotating(at(-1)))).not.toHaveProperty('x-countersign-previous-authorization');
  });
  test.each<[string, BackendSignatureInput]>([
    ['no material', { type: 'HMAC', dialect: 'Huawei' }],
    ['not yet valid', { ...HMAC, notBefore: at(1) }],
    ['expired', { ...HMAC, expiration: at(0) }],
    ['no dialect', { type: 'HMAC', keyId: 'a', secret: 'b' }],
    [
      'an AES key of a wrong length',
      { type: 'AES', aesAlgorithm: 'AES256CFB', keyId: 'short', secret: 'v'.repeat(16) },
    ],
    ['no AES algorithm', { type: 'AES', keyId: 'k'.repeat(16), secret: 'v'.repeat(16) }],
    ['a type that nobody knows', { ...HMAC, type: 'RSA' as 'HMAC' }],
  ])('with %s is 503, never unsigned', async (_name, backendSignature) => {
    await expect(allow({ backendSignature })).rejects.toThrow('503 backend_key_unavailable');
  });
});
