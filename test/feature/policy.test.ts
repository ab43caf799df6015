import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { build, startDataPlane, type DataPlane } from '../support/gateway/data-plane.js';
import { eventually } from '../support/eventually.js';
import { sendHttp1, type PlainResponse } from '../support/http.js';
import { apiGroup, backendKey, grant, importedKey, toYaml, urlBackend } from '../support/resources/resources.js';
import { tencentHeaders } from '../support/signing/tencent-sample.js';

const KEY = { keyId: 'AKIDpolicycaller0001', secret: 'policy-caller-secret-01' };
const OTHER = { keyId: 'AKIDpolicyother00001', secret: 'policy-other-secret-001' };

let backend: RecordingBackend;
let plane: DataPlane;

const group = (name: string, more: object = {}) =>
  apiGroup(name, {
    verification: { dialects: ['Tencent'] },
    backend: urlBackend(backend.port),
    environments: [
      {
        name: 'release',
        default: true,
        match: { type: 'PathPrefix', value: 'release' },
        backendSignature: { type: 'Key', signatureKeyRef: { name: 'backend' }, dialect: 'Huawei' },
      },
    ],
    ...more,
  });
const keysYaml = (state = 'Enabled') => toYaml(...importedKey('caller', KEY.keyId, KEY.secret, { state }));

const othersYaml = (more?: string) =>
  toYaml(
    ...importedKey('other', OTHER.keyId, OTHER.secret),
    ...backendKey('backend', 'backend-key-1', 'policy-backend-secret-1'),
    grant('orders', ['caller', 'other'], 'orders'),
    ...(more === undefined ? [] : importedKey(more, 'AKIDpolicylater00001', OTHER.secret)),
  );

beforeAll(async () => {
  await build();
  backend = await startBackend();
  plane = await startDataPlane({
    files: {
      'keys.yaml': keysYaml(),
      'others.yaml': othersYaml(),
      'orders.yaml': toYaml(group('orders')),
    },
  });
}, 180_000);
afterAll(async () => {
  await plane?.close();
  await backend?.close();
}, 30_000);

const call = (key = KEY, target = '/orders/v1'): Promise<PlainResponse> =>
  sendHttp1(plane.httpPort, { method: 'GET', target, headers: tencentHeaders(key) });

/** Answers of many requests on connections of their own, so that every worker is asked. */
async function statuses(key = KEY, target?: string): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: 20 }, () => call(key, target)));
  return [...new Set(answers.map(({ status }) => status))].sort();
}

const conditionOf = async (kind: string, name: string, type: string) =>
  (await plane.status()).resources
    .find((each) => each.kind === kind && each.name === name)
    ?.status.conditions.find((each) => each.type === type);

describe('controller, authorizer and Envoy', () => {
  test('are told apart by status and metrics: version of each node, what it lacks, and how long changes take', async () => {
    const { nodes } = await plane.status();
    expect(nodes).toEqual([
      {
        kind: 'envoy',
        id: 'node/envoy',
        current: true,
        connected: true,
        lacks: [],
        version: expect.stringMatching(/^1\.40\./),
      },
      {
        kind: 'authorizer',
        id: 'node/0',
        current: true,
        connected: true,
        lacks: [],
        version: expect.stringMatching(/^\d/),
      },
      {
        kind: 'authorizer',
        id: 'node/1',
        current: true,
        connected: true,
        lacks: [],
        version: expect.stringMatching(/^\d/),
      },
    ]);
    const metrics = await (await fetch(`${plane.adminUrl}/metrics`)).text();
    expect(metrics).toContain('countersign_xds_nodes{kind="authorizer",state="connected"} 2');
    const revision = /^countersign_policy_revision (\d+)$/m;
    const served = revision.exec(metrics)?.[1];
    expect(Number(served)).toBeGreaterThan(0);
    expect(revision.exec((await plane.authorizerAdmin('/metrics')).text)?.[1]).toBe(served);
    const timed = async (): Promise<number> => {
      const text = await (await fetch(`${plane.adminUrl}/metrics`)).text();
      return Number(/^countersign_propagation_duration_seconds_count (\d+)$/m.exec(text)?.[1]);
    };
    const before = await timed();
    await plane.edit({ 'others.yaml': othersYaml('later') });
    await eventually(async () => expect(await timed()).toBe(before + 1));
    await plane.edit({ 'others.yaml': othersYaml() });
    await eventually(async () => expect(await timed()).toBe(before + 2));
  });

  test('serve a signed request as the gateway in one process does', async () => {
    const response = await call();
    expect(response.status).toBe(200);
    expect(backend.last?.header('x-countersign-key-id')).toBe(KEY.keyId);
    expect(backend.last?.header('authorization')).toMatch(/^SDK-HMAC-SHA256 Access=backend-key-1,/);
    expect((await sendHttp1(plane.httpPort, { method: 'GET', target: '/orders/v1' })).status).toBe(401);
    expect((await call({ ...KEY, secret: 'wrong-secret-000001' })).status).toBe(401);
    expect((await call(KEY, '/nowhere')).status).toBe(404);
  });

  test('are all named in status, and every object is ready', async () => {
    const { nodes, resources } = await plane.status();
    expect(nodes.map(({ id, kind, current }) => [kind, id, current])).toEqual([
      ['envoy', 'node/envoy', true],
      ['authorizer', 'node/0', true],
      ['authorizer', 'node/1', true],
    ]);
    for (const { kind, name } of resources)
      expect(await conditionOf(kind, name, 'Ready')).toMatchObject({ status: 'True' });
    expect(await plane.authorizerAdmin('/readyz')).toMatchObject({ status: 200 });
    const { text } = await plane.authorizerAdmin('/metrics');
    expect(text).toMatch(/countersign_requests_total\{decision="allow",reason="ok",dialect="Tencent"\} [1-9]/);
  });

  test('take a new group and a changed route into service, and refuse a revoked key on every worker', async () => {
    await plane.edit({ 'more.yaml': toYaml(group('more'), grant('more', ['caller'], 'more')) });
    await eventually(async () => expect(await statuses(KEY, '/more/v1')).toEqual([200]));
    await plane.edit({ 'keys.yaml': keysYaml('Disabled') });
    await eventually(async () => expect(await statuses()).toEqual([401]));
    await eventually(async () =>
      expect(await conditionOf('SignatureKey', 'caller', 'Programmed')).toMatchObject({ status: 'True' }),
    );
    expect(await statuses(OTHER)).toEqual([200]);
    await plane.edit({ 'keys.yaml': keysYaml(), 'more.yaml': null });
    await eventually(async () => expect(await statuses()).toEqual([200]));
    await eventually(async () => expect(await statuses(KEY, '/more/v1')).toEqual([404]));
  });

  test('does not report a revoked key as enforced while a worker is stopped, and names the worker', async () => {
    const [worker] = await plane.workers();
    process.kill(worker!.pid, 'SIGSTOP');
    try {
      await plane.edit({ 'keys.yaml': keysYaml('Disabled') });
      await eventually(async () =>
        expect(await conditionOf('SignatureKey', 'caller', 'Programmed')).toMatchObject({
          status: 'False',
          reason: 'Propagating',
          message: '1/2; waiting for node/0',
        }),
      );
      // Others are not touched by it.
      expect(await conditionOf('SignatureKey', 'other', 'Programmed')).toMatchObject({ status: 'True' });
    } finally {
      process.kill(worker!.pid, 'SIGCONT');
    }
    await eventually(
      async () => expect(await conditionOf('SignatureKey', 'caller', 'Programmed')).toMatchObject({ status: 'True' }),
      { withinMs: 15_000 },
    );
    await plane.edit({ 'keys.yaml': keysYaml() });
    await eventually(async () => expect(await statuses()).toEqual([200]), { withinMs: 15_000 });
  }, 60_000);

  test('serve on while the controller is away, and take an edit once it is back', async () => {
    await plane.stopController('SIGKILL');
    expect(await statuses()).toEqual([200]);
    await plane.edit({ 'keys.yaml': keysYaml('Disabled') });
    await eventually(async () =>
      expect((await plane.workers()).map((worker) => worker?.connected)).toEqual([false, false]),
    );
    expect(await statuses()).toEqual([200]);
    expect(await plane.authorizerAdmin('/readyz')).toMatchObject({ status: 200 });
    await plane.startController();
    await eventually(async () => expect(await statuses()).toEqual([401]), { withinMs: 15_000 });
    await plane.edit({ 'keys.yaml': keysYaml() });
    await eventually(async () => expect(await statuses()).toEqual([200]), { withinMs: 15_000 });
  }, 60_000);

  test('fail no request while workers are ended, start again and routes change, under load', async () => {
    await eventually(
      async () => expect((await plane.status()).nodes.filter(({ current }) => current)).toHaveLength(3),
      { withinMs: 15_000 },
    );
    const answers = new Map<number, number>();
    let running = true;
    const caller = async (): Promise<void> => {
      while (running) {
        const { status } = await call(OTHER);
        answers.set(status, (answers.get(status) ?? 0) + 1);
      }
    };
    const load = Promise.all([caller(), caller(), caller(), caller()]);
    // In turn, as soon as one is back: what Envoy's threads know of the one that is must not be old.
    for (const [round, index] of [0, 1, 0, 1].entries()) {
      const before = await plane.workers();
      process.kill(before[index]!.pid, 'SIGTERM');
      await eventually(
        async () => {
          const now = (await plane.workers())[index];
          expect(now?.pid).not.toBe(before[index]!.pid);
          expect(now?.ready).toBe(true);
        },
        { withinMs: 20_000 },
      );
      await plane.edit({
        'orders.yaml': toYaml(group('orders', { backend: urlBackend(backend.port, { timeout: `${round + 20}s` }) })),
      });
      await eventually(async () => expect((await plane.status()).nodes.every(({ current }) => current)).toBe(true), {
        withinMs: 15_000,
      });
    }
    running = false;
    await load;
    const failed = plane.envoy.accessLog.filter(({ status }) => status === 503);
    expect(failed).toEqual([]);
    expect([...answers.keys()]).toEqual([200]);
    expect(answers.get(200)).toBeGreaterThan(100);
  }, 90_000);

  test('print no secret', () => {
    const output = plane.authorizer.output() + (plane.controller?.output() ?? '') + plane.envoy.log.join('\n');
    expect(output).not.toMatch(/policy-(caller|other|backend)-secret/);
  });
});
