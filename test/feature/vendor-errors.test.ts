import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { sendHttp1 } from '../support/http.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend, usagePlan } from '../support/resources/resources.js';
import { signedFetch } from '../support/signing/signed-fetch.js';
import { tencentHeaders } from '../support/signing/tencent-sample.js';

const KEY = { keyId: 'VENDORERRORS00000001', secret: 'vendor-errors-secret-1' };

let backend: RecordingBackend;
let gateway: TestGateway;
beforeAll(async () => {
  backend = await startBackend();
  const groups = ['JDCloud', 'Huawei', 'Tencent'].map((dialect) => [dialect.toLowerCase(), dialect] as const);
  gateway = await startGateway({
    files: {
      'all.yaml': toYaml(
        ...importedKey('caller', KEY.keyId, KEY.secret),
        ...groups.flatMap(([name, dialect]) => [
          apiGroup(name, {
            verification: { dialects: [dialect] },
            errors: 'Vendor',
            backend: urlBackend(backend.port),
            apis: [{ name: 'items', match: { path: { type: 'Exact', value: '/items' }, methods: ['GET'] } }],
          }),
          grant(name, ['caller'], name),
          usagePlan(name, ['caller'], name, {
            rateLimits: [{ name: 'rate', requests: 1, interval: '1h', burst: 1, scope: 'KeyAndApi' }],
          }),
        ]),
      ),
    },
  });
}, 120_000);
afterAll(async () => {
  await gateway?.close();
  await backend?.close();
});

const plain = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
  const answer = await sendHttp1(gateway.httpPort, { method, target: path, headers });
  return {
    ...answer,
    json: JSON.parse(answer.body) as Record<string, unknown>,
    id: String(answer.headers['x-request-id']),
  };
};

describe('errors: Vendor', () => {
  test('answers JD Cloud callers in the shape of its table', async () => {
    const none = await plain('/jdcloud/items');
    expect(none.status).toBe(401);
    expect(none.json).toEqual({
      requestId: none.id,
      error: { code: 401, status: 'ACCESS_ERROR', message: 'lack of header authorization' },
    });
    const malformed = await plain('/jdcloud/items', {
      Authorization: `JDCLOUD2-HMAC-SHA256 SignedHeaders=host, Signature=${'0'.repeat(64)}`,
    });
    expect(malformed.json).toMatchObject({ error: { message: 'lack of credential in the header authorization' } });
    expect((await plain('/jdcloud/other')).json).toMatchObject({ error: { code: 404, status: 'NOT_FOUND' } });
  });

  test('answers Huawei callers in the shape of its table, an unknown key like a wrong signature', async () => {
    const none = await plain('/huawei/items');
    expect(none.status).toBe(401);
    expect(none.json).toMatchObject({ error_code: 'APIG.0303', request_id: none.id });
    const answers = [];
    for (const key of [
      { ...KEY, secret: 'wrong-secret-000001' },
      { ...KEY, keyId: 'NOBODY00000000000001' },
    ]) {
      const { status, ...rest } = await signedFetch(`${gateway.httpUrl}/huawei/items`, key).then(async (response) => ({
        status: response.status,
        body: { ...((await response.json()) as object), request_id: '' },
      }));
      answers.push({ status, ...rest });
    }
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]).toMatchObject({ status: 401, body: { error_code: 'APIG.0303' } });
    expect((await signedFetch(`${gateway.httpUrl}/huawei/items`, KEY)).status).toBe(200);
    const over = await signedFetch(`${gateway.httpUrl}/huawei/items`, KEY);
    expect(over.status).toBe(429);
    expect(await over.json()).toMatchObject({ error_code: 'APIG.0308' });
    expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('answers Tencent callers in the words of its table', async () => {
    const none = await plain('/tencent/items');
    expect(none.status).toBe(401);
    expect(none.json).toMatchObject({
      message: 'HMAC signature cannot be verified, a validate authorization header is required',
    });
    const changed = await plain('/tencent/items', { ...tencentHeaders(KEY), Source: 'changed' });
    expect(changed.json).toMatchObject({ message: 'HMAC signature does not match.' });
    expect((await plain('/tencent/items', tencentHeaders(KEY))).status).toBe(200);
    const over = await plain('/tencent/items', tencentHeaders(KEY));
    expect([over.status, over.json['message']]).toEqual([429, 'API rate limit exceeded.']);
  });

  test('keeps Envoy\u2019s own refusals in the Uniform shape', async () => {
    expect((await plain('/tencent/%2e%2e/items')).json).toMatchObject({ code: 'BadRequest' });
  });
});
