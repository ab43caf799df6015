import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { eventually } from '../support/eventually.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { sendHttp1 } from '../support/http.js';
import { CALLER_KEY, callerKey, ordersGroup } from '../support/resources/manifests.js';
import { signedFetch } from '../support/signing/signed-fetch.js';

let backend: RecordingBackend;
let gateway: TestGateway;
beforeAll(async () => {
  backend = await startBackend();
  gateway = await startGateway({
    files: { 'group.yaml': ordersGroup(), 'keys.yaml': callerKey() },
    flags: { service: [`shop/orders:8080=127.0.0.1:${String(backend.port)}`] },
  });
}, 60_000);
afterAll(async () => {
  await gateway.close();
  await backend.close();
});

const status = async (path: string): Promise<number> => (await signedFetch(gateway.httpUrl + path, CALLER_KEY)).status;
const readyOf = async (kind: string, name: string) => {
  const found = (await gateway.status()).resources.find((each) => each.kind === kind && each.name === name);
  return found?.status.conditions.find(({ type }) => type === 'Ready');
};
const metric = async (line: RegExp): Promise<string | undefined> =>
  line.exec(await (await fetch(`${gateway.adminUrl}/metrics`)).text())?.[0];

describe('the gateway', () => {
  test('serves a signed request, tells the backend who called, and logs it', async () => {
    const response = await signedFetch(`${gateway.httpUrl}/orders/v1/orders/7?a=1`, CALLER_KEY);
    expect(response.status).toBe(200);
    expect(backend.last).toMatchObject({ method: 'GET', target: '/v1/orders/7?a=1' });
    expect(backend.last?.header('x-countersign-key-id')).toBe(CALLER_KEY.keyId);
    expect(await gateway.accessLogOf(response.headers.get('x-request-id') ?? '')).toMatchObject({
      status: 200,
      decision: 'allow',
      api: 'shop/orders/orders',
      key_id: CALLER_KEY.keyId,
    });
  });

  test('gives every refusal its reason, its own as well as the authorizer\u2019s, in log and metric', async () => {
    const unsigned = await fetch(`${gateway.httpUrl}/orders/v1/orders`);
    expect(unsigned.status).toBe(401);
    expect(await gateway.accessLogOf(unsigned.headers.get('x-request-id') ?? '')).toMatchObject({
      decision: 'deny',
      reason: 'missing_credential',
    });
    const disguised = await fetch(`${gateway.httpUrl}/orders/v1/x%2Fy`);
    expect(disguised.status).toBe(400);
    expect(await gateway.accessLogOf(disguised.headers.get('x-request-id') ?? '')).toMatchObject({
      decision: 'deny',
      reason: 'non_canonical_path',
    });
    const traced = await sendHttp1(gateway.httpPort, { method: 'TRACE', target: '/orders/v1/x' });
    expect(traced.status).toBe(405);
    await eventually(() =>
      expect(gateway.accessLog.at(-1)).toMatchObject({ decision: 'deny', reason: 'method_not_allowed' }),
    );
    expect(await metric(/countersign_gateway_refusals_total\{reason="method_not_allowed"\} 1/)).toBeDefined();
    expect(
      await metric(/countersign_requests_total\{decision="deny",reason="missing_credential",dialect="none"\} \d+/),
    ).toBeDefined();
    expect(await metric(/countersign_gateway_refusals_total\{reason="non_canonical_path"\} \d+/)).toBeDefined();
  });

  test('reports every object as ready once Envoy has acknowledged it', async () => {
    expect((await fetch(`${gateway.adminUrl}/readyz`)).status).toBe(200);
    const { resources, problems } = await gateway.status();
    expect(problems).toEqual([]);
    expect(resources.map(({ kind }) => kind)).toEqual(['SignatureKey', 'ApiGroup', 'Authorization']);
    for (const { kind, name } of resources)
      expect(await readyOf(kind, name)).toMatchObject({ status: 'True', reason: 'Ready' });
  });

  test('takes an edit into service in less than a second', async () => {
    expect(await status('/orders/v2/orders')).toBe(404);
    await gateway.edit({ 'group.yaml': ordersGroup({ path: '/v2' }) });
    const editedMs = performance.now();
    await eventually(async () => expect(await status('/orders/v2/orders')).toBe(200));
    expect(performance.now() - editedMs).toBeLessThan(1000);
    expect(await status('/orders/v1/orders')).toBe(404);
    await gateway.edit({ 'group.yaml': ordersGroup() });
    await eventually(async () => expect(await status('/orders/v1/orders')).toBe(200));
  });

  test('names file, line and column of a broken edit, goes on with the last good state, and tells when it is mended', async () => {
    await gateway.edit({ 'group.yaml': 'kind: ApiGroup\nspec: [1,\n' });
    const line = await eventually(() => {
      const found = gateway.logs.find(({ msg }) => msg.includes('group.yaml:'));
      if (!found) throw new Error('not reported yet');
      return found;
    });
    expect(line).toMatchObject({ level: 'error', msg: expect.stringMatching(/group\.yaml:\d+:\d+: error /) });
    expect(line.msg).toContain('what the file held before stays in service');
    expect((await gateway.status()).resources.find(({ kind }) => kind === 'ApiGroup')).toMatchObject({
      edit: 'refused; the version before stays in service',
    });
    expect(await status('/orders/v1/orders')).toBe(200);
    await gateway.edit({ 'group.yaml': ordersGroup() });
    await eventually(() => expect(gateway.logs.map(({ msg }) => msg)).toContain('no problems are left'));
  });

  test('reports an object that loses what it refers to, and its recovery', async () => {
    const told = (text: RegExp) => eventually(() => expect(gateway.logs.some(({ msg }) => text.test(msg))).toBe(true));
    await gateway.edit({
      'group.yaml': ordersGroup().replace('name: orders, port: 8080', 'name: nowhere, port: 8080'),
    });
    await told(/^ApiGroup shop\/orders: not Ready, ServiceNotFound/);
    expect(await readyOf('ApiGroup', 'orders')).toMatchObject({ status: 'False', reason: 'ServiceNotFound' });
    await gateway.edit({ 'group.yaml': ordersGroup() });
    await told(/^ApiGroup shop\/orders: Ready$/);
    await eventually(async () => expect(await status('/orders/v1/orders')).toBe(200));
  });

  test('tells once what is live after each change that Envoy has, what is gone, and that nothing is left', async () => {
    const from = gateway.logs.length;
    const lines = (): string[] => gateway.logs.slice(from).map(({ msg }) => msg);
    await gateway.edit({ 'group.yaml': `# a comment changes nothing\n${ordersGroup()}` });
    await gateway.edit({ 'group.yaml': ordersGroup({ path: '/v3' }) });
    await eventually(() => expect(lines()).toContain('live: 1 group, 1 API, 1 caller key, 0 problems'));
    expect(await status('/orders/v3')).toBe(200);
    expect(lines().filter((line) => line.startsWith('live: '))).toHaveLength(1);
    await gateway.edit({ 'group.yaml': null });
    await eventually(() => expect(lines()).toContain('nothing is served any more: no ApiGroup with an API is good'));
    expect(lines()).toContain('ApiGroup shop/orders: gone');
    await gateway.edit({ 'group.yaml': ordersGroup() });
    await eventually(async () => expect(await status('/orders/v1/orders')).toBe(200));
  });

  test('reports what Envoy rejects as a problem of the group, until it is mended', async () => {
    const broken =
      'apiVersion: v1\nkind: Secret\nmetadata: {name: ca, namespace: shop}\nstringData:\n  ca.crt: |\n    -----BEGIN CERTIFICATE-----\n    AAAA\n    -----END CERTIFICATE-----\n';
    const group = ordersGroup()
      .replace('name: orders, namespace: shop', 'name: rejected, namespace: shop')
      .replace('/orders\n', '/rejected\n')
      .replace(/backend: .*/, "backend: {type: URL, url: 'https://127.0.0.1:1', tls: {caSecretRef: {name: ca}}}");
    await gateway.edit({ 'ca.yaml': broken, 'rejected.yaml': group });
    const problem = await eventually(async () => {
      const found = (await gateway.status()).problems.find(({ reason }) => reason === 'Rejected');
      if (!found) throw new Error('not reported yet');
      return found;
    });
    expect(problem).toMatchObject({ severity: 'error', object: { kind: 'ApiGroup', name: 'rejected' } });
    expect(problem.file).toMatch(/rejected\.yaml$/);
    expect(gateway.gateway.summary()).toMatch(/, [12] problems?$/);
    await gateway.edit({ 'ca.yaml': null, 'rejected.yaml': null });
    await eventually(async () => expect((await gateway.status()).problems).toEqual([]));
  });

  test('revokes a key whose file is deleted', async () => {
    await gateway.edit({ 'keys.yaml': null });
    await eventually(async () => expect(await status('/orders/v1/orders')).toBe(401));
    await gateway.edit({ 'keys.yaml': callerKey() });
    await eventually(async () => expect(await status('/orders/v1/orders')).toBe(200));
  });

  test('generates the key of a SignatureKey without secretRef, once, into the state folder', async () => {
    await gateway.edit({
      'generated.yaml':
        'apiVersion: countersign.dev/v1alpha1\nkind: SignatureKey\nmetadata: {name: partner, namespace: shop}\nspec: {usage: Caller, identity: SignatureKeyPair, type: HMAC}\n',
    });
    await eventually(async () =>
      expect(await readdir(join(gateway.folder, '.countersign/keys/shop'))).toEqual(['partner-signature-key.yaml']),
    );
    await eventually(async () => expect(await readyOf('SignatureKey', 'partner')).toMatchObject({ status: 'True' }));
    expect(JSON.stringify(gateway.logs)).toContain('generated the key of SignatureKey shop/partner');
  });

  test('restarts an Envoy that dies, and serves again', async () => {
    const pid = gateway.gateway.envoyPid ?? 0;
    process.kill(pid, 'SIGKILL');
    await eventually(() => expect(gateway.gateway.envoyPid).not.toBe(pid));
    await eventually(async () => expect(await status('/orders/v1/orders')).toBe(200), { withinMs: 15_000 });
    await eventually(async () => expect((await fetch(`${gateway.adminUrl}/readyz`)).status).toBe(200));
    expect(await metric(/countersign_envoy_restarts_total 1/)).toBeDefined();
    expect(gateway.logs.map(({ msg }) => msg)).toContain('Envoy is back');
  });

  test('prints no secret of a caller or a backend, at trace level either', async () => {
    const [keyId, secret] = ['gateway-user', 'gateway-password-0123'];
    const traced = await startGateway({
      files: {
        'group.yaml': ordersGroup().replace(
          /(?=match: \{type: PathPrefix)/,
          'backendSignature: {type: Key, signatureKeyRef: {name: backend}}, ',
        ),
        'keys.yaml': callerKey(),
        'backend.yaml': `
apiVersion: countersign.dev/v1alpha1
kind: SignatureKey
metadata: {name: backend, namespace: shop}
spec: {usage: Backend, type: Basic, keyID: ${keyId}, secretRef: {name: backend}}
---
apiVersion: v1
kind: Secret
metadata: {name: backend, namespace: shop}
type: countersign.dev/signature-key
stringData: {keyId: ${keyId}, secret: ${secret}}
`,
      },
      flags: { service: [`shop/orders:8080=127.0.0.1:${String(backend.port)}`], logLevel: 'trace' },
    });
    try {
      expect((await signedFetch(`${traced.httpUrl}/orders/v1/orders`, CALLER_KEY)).status).toBe(200);
      const credentials = Buffer.from(`${keyId}:${secret}`).toString('base64');
      expect(backend.last?.header('authorization')).toBe(`Basic ${credentials}`);
      const printed = [gateway, traced].map(({ logs, accessLog }) => JSON.stringify([logs, accessLog])).join('');
      for (const each of [CALLER_KEY.secret, secret, credentials]) expect(printed).not.toContain(each);
    } finally {
      await traced.close();
    }
  });

  test('tells that an address is not one of this machine, and that a bundle is not there', async () => {
    await expect(startGateway({ files: {}, flags: { httpAddress: '192.0.2.1' } })).rejects.toThrow(
      '192.0.2.1 is no address of this machine; choose another with --http-address',
    );
    await expect(startGateway({ files: {}, flags: { caBundle: 'gone.pem' } })).rejects.toThrow(
      /--ca-bundle \S+gone\.pem does not exist/,
    );
  });

  test('tells that a port is in use', async () => {
    await expect(startGateway({ files: {}, flags: { httpPort: String(gateway.httpPort) } })).rejects.toThrow(
      /port \d+ on 127\.0\.0\.1 is in use by another program; choose another with --http-port/,
    );
  });
});
