import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { networkInterfaces, tmpdir, hostname } from 'node:os';
import { join } from 'node:path';
import type { ControllerProcess } from '../../src/app/controller/controller-process.js';
import { statusRules, USER_ROLES, userClusterRole } from '../../src/provider/kubernetes/rbac.js';
import { createAdminServer, type AdminServer } from '../../src/telemetry/admin-server.js';
import { createHealth } from '../../src/telemetry/health.js';
import { createMetrics } from '../../src/telemetry/metrics.js';
import { runCli } from '../support/cli.js';
import { eventually } from '../support/eventually.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { startController } from '../support/kubernetes/controller.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import {
  connectAs,
  createNamespace,
  grantOperator,
  installCrds,
  type KubeUser,
  LEASE_NAME,
  OPERATOR_NAMESPACE,
} from '../support/kubernetes/kube-operator.js';
import { freePort } from '../support/ports.js';
import { apiGroup, backendKey, grant, importedKey, toYaml, urlBackend } from '../support/resources/resources.js';

describe('of a running gateway', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({
      files: {
        'all.yaml': toYaml(
          ...importedKey('alice', 'AKIDstatusalice00001', 'status-secret-alice-1'),
          ...importedKey('bob', 'AKIDstatusbob0000001', 'status-secret-bob-001', { state: 'Disabled' }),
          apiGroup('orders', { verification: { dialects: ['Tencent'] }, backend: urlBackend(1) }),
          grant('orders', ['alice', 'bob'], 'orders'),
        ),
      },
    });
  }, 120_000);
  afterAll(async () => gateway?.close());
  const status = (...flags: string[]) => runCli(['status', '--url', gateway.adminUrl, ...flags]);

  test('says that all is ready, and exits with 0', async () => {
    await eventually(async () => expect((await status()).exitCode).toBe(0), { withinMs: 10_000 });
    const { stdout, stderr } = await status();
    expect(stderr).toBe('');
    const text = stdout
      .replaceAll(gateway.adminUrl, 'URL')
      .replace(/process \d+ +/, 'process PID  ')
      .replace(/NODE +/, 'NODE         ');
    expect(text.replace(/^Countersign \d+\.\d+\.\d+/, 'Countersign X.Y.Z')).toBe(`Countersign X.Y.Z, URL

KIND           READY  TOTAL  STATES
SignatureKey   2      2      1 Disabled, 1 Ready
ApiGroup       1      1      1 Ready
Authorization  1      1      1 Ready
UsagePlan      0      0

DATA PLANE  NODE         VERSION  STATE
Envoy       process PID  1.40.0   current

Limiter: Memory, healthy

All is ready.
`);
  });

  test('names what is not ready and what is wrong with files, and exits with 1', async () => {
    await gateway.edit({
      'more.yaml': toYaml(...backendKey('half', 'half-backend-key-1', 'x').slice(0, 1)),
      'broken.yaml': 'a: [',
    });
    await eventually(async () => expect((await status()).stdout).toContain('SecretNotFound'), { withinMs: 10_000 });
    const { stdout, exitCode } = await status();
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/SignatureKey +2 +3 +1 Disabled, 1 Ready, 1 SecretNotFound/);
    expect(stdout).toMatch(
      /NOT READY \(1\)\n {2}\S+\/more\.yaml:10:5: SignatureKey shop\/half {2}SecretNotFound {2}.*Secret half does not exist/,
    );
    expect(stdout).toMatch(/PROBLEMS \(1\)\n {2}\S+\/broken\.yaml:1:5: error {2}Invalid {2}[^/]+\n/);
    expect(stdout).toContain('Not all is ready: 1 of 5 objects, 1 error.\n');
    const { stdout: json } = await status('--output', 'json');
    expect(JSON.parse(json)).toMatchObject({
      ok: false,
      notReady: [{ kind: 'SignatureKey', namespace: 'shop', name: 'half', ready: 'False', reason: 'SecretNotFound' }],
      problems: [{ object: '', place: { file: expect.stringMatching(/broken\.yaml$/), line: 1, column: 5 } }],
      limiter: { mode: 'Memory', healthy: true },
      unknown: [],
    });
    expect(json).not.toContain('status-secret');
  });
});

test('without a cluster says how a folder that is served is asked', async () => {
  const { stderr, exitCode } = await runCli(['status'], { environment: { KUBECONFIG: '', HOME: '/nonexistent' } });
  expect(exitCode).toBe(1);
  expect(stderr).toContain(
    'no kubeconfig is given; for a folder that `countersign run` serves: --url http://127.0.0.1:8081',
  );
});

test('a folder is told what to ask instead', async () => {
  const { stderr, exitCode } = await runCli(['status', 'config/']);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/takes no folder; .*--url http:\/\/127\.0\.0\.1:8081; .*countersign lint config\//);
});

describe('of a page', () => {
  let admin: AdminServer | undefined;
  const metrics = createMetrics({ processMetrics: false });
  async function statusOf(page: unknown, ...flags: string[]) {
    await admin?.close();
    admin = createAdminServer({
      ...{ address: '127.0.0.1', port: 0, health: createHealth([]), metrics, version: {} },
      status: () => page,
    });
    return runCli(['status', '--url', await admin.start(), ...flags]);
  }
  afterAll(async () => admin?.close());
  const object = (name: string, ready: object) => ({
    kind: 'ApiGroup',
    namespace: 'shop',
    name,
    status: { conditions: [{ type: 'Ready', ...ready }] },
  });
  const controller = {
    ready: true,
    missing: [],
    versions: { countersign: '9.9.9', envoy: '1.40.0' },
    leader: true,
    nodes: [
      { kind: 'envoy', id: 'gateway-0', version: '1.40.0', connected: true, current: true },
      { kind: 'envoy', id: 'gateway-1', connected: false, current: false },
      {
        ...{ kind: 'authorizer', id: 'gateway-0/0', version: '9.9.8', connected: true, current: false },
        lacks: ['Key', 'Grant'],
      },
    ],
    limiter: { mode: 'Sentinel', healthy: false, message: 'it does not answer' },
    problems: [],
    resources: [],
  };

  test('tells that the counter store may lose what it counts, which is no failure', async () => {
    const message = 'appendonly is off: a restart loses counters; set appendonly yes';
    const page = {
      ...{ ready: true, missing: [], versions: {}, envoy: { pid: 7, version: '1.40.0', connected: true } },
      limiter: { mode: 'Single', healthy: true, message: 'connected', flaws: [{ check: 'persistence', message }] },
      ...{ problems: [], resources: [] },
    };
    const { stdout, exitCode } = await statusOf(page);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`\nLimiter: Single, healthy, MISCONFIGURED\n  ${message}\n`);
    expect(stdout).toMatch(/There are no objects yet, but the counter store is misconfigured\.\n$/);
    const { stdout: json } = await statusOf(page, '--output', 'json');
    expect(JSON.parse(json)).toMatchObject({ ok: true, limiter: { healthy: true, flaws: [message] } });
  });

  test('tells each data plane with its version and what it lacks', async () => {
    const resources = Array.from({ length: 13 }, (_, i) =>
      object(`orders-${String(i).padStart(2, '0')}`, {
        status: 'False',
        reason: 'Propagating',
        message: `authorizer gateway-0/0\u001b[2J lacks it`,
      }),
    );
    const { stdout, exitCode } = await statusOf({ ...controller, resources });
    expect(exitCode).toBe(1);
    const lines = stdout.split('\n');
    expect(lines.slice(8, 20)).toEqual([
      'NOT READY (13)',
      ...Array.from(
        { length: 10 },
        (_, i) => `  ApiGroup shop/orders-0${String(i)}  Propagating  authorizer gateway-0/0 [2J lacks it`,
      ),
      '  … and 3 more: kubectl get countersign -A -o wide, or --output json',
    ]);
    expect(lines.slice(21)).toEqual([
      'DATA PLANE  NODE         VERSION  STATE',
      'Envoy       gateway-0    1.40.0   current',
      'Envoy       gateway-1    -        vanished',
      'authorizer  gateway-0/0  9.9.8    behind: Key, Grant',
      '',
      'Limiter: Sentinel, NOT healthy',
      '',
      'Fault: envoy gateway-1 vanished and is still expected to come back',
      'Fault: the counter store is not healthy: it does not answer',
      '',
      'Not all is ready: 13 of 13 objects, 2 faults.',
      '',
    ]);
  });

  test('whatever nodes, reasons and faults hold moves no cursor', async () => {
    const evil = 'a\u001b[2J\u202eb\nc';
    const { stdout } = await statusOf({
      ...controller,
      versions: { countersign: evil },
      missing: [evil],
      ready: false,
      nodes: [{ kind: evil, id: evil, version: evil, connected: false, current: false, lacks: [evil] }],
      limiter: { mode: evil, healthy: false, message: evil },
      problems: [{ severity: evil, reason: evil, path: evil, message: evil }],
      resources: [object(evil, { status: 'False', reason: evil, message: evil })],
    });
    expect(stdout).toContain('a [2J b c');
    expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(stdout).not.toMatch(/^c/m);
  });

  test('a controller that stands by says so, and lacks no Envoy', async () => {
    const { stdout, exitCode } = await statusOf({
      ...controller,
      leader: false,
      nodes: [],
      limiter: { ...controller.limiter, healthy: true },
      resources: [object('orders', { status: 'True', reason: 'Ready', message: '' })],
    });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Not known: this controller does not lead');
    expect(stdout).toContain('All is ready, as far as is known.');
  });

  test.each([
    ['lacks no Envoy: theirs do not connect', [{ atPort: true }], 0],
    ['lacks one that is beside another', [{ atPort: true }, {}], 1],
    ['lacks everything when they are gone', [], 1],
  ])('a controller whose authorizers are for Envoys of somebody’s own %s', async (_, authorizers, code) => {
    const { stdout, exitCode } = await statusOf({
      ...controller,
      nodes: authorizers.map((more, i) => ({
        ...{ kind: 'authorizer', id: `authorizer-${String(i)}/0`, connected: true, current: true },
        ...more,
      })),
      limiter: null,
      resources: [object('orders', { status: 'True', reason: 'Ready', message: '' })],
    });
    expect(exitCode).toBe(code);
    expect(stdout.includes('Fault: no Envoy is connected')).toBe(code === 1);
  });

  test('warnings are told and change nothing', async () => {
    const about = { kind: 'ApiGroup', namespace: 'shop', name: 'orders' };
    const problems = [{ severity: 'warning', reason: 'NoAuthorization', object: about, path: 'spec', message: 'open' }];
    const { stdout, exitCode } = await statusOf({
      ...controller,
      nodes: controller.nodes.slice(0, 1),
      limiter: null,
      problems,
    });
    expect(stdout).toContain('PROBLEMS (1)\n  warning  NoAuthorization  ApiGroup shop/orders: spec: open\n');
    expect(exitCode).toBe(0);
  });

  test.each([
    ['nothing', null],
    ['a list', []],
    ['another page', { ready: true }],
  ])('%s is refused as no status page', async (_what, page) => {
    const { stderr, exitCode } = await statusOf(page);
    expect(stderr).toContain('this is no status page of a controller or of run');
    expect(exitCode).toBe(1);
  });

  test('an address where nobody listens is told with its cause', async () => {
    const { stderr, exitCode } = await runCli(['status', '--url', `http://127.0.0.1:${String(await freePort())}`]);
    expect(stderr).toMatch(/^error: http:\/\/127\.0\.0\.1:\d+\/status: .*ECONNREFUSED/);
    expect(exitCode).toBe(1);
  });

  test('a URL that is none is wrong usage', async () => {
    const { stderr, exitCode } = await runCli(['status', '--url', '127.0.0.1:8081']);
    expect(stderr).toContain('--url: must be a URL such as http://127.0.0.1:8081');
    expect(exitCode).toBe(2);
  });
});

const binaries = findKubeBinaries();
/** API servers reach pods, and never the loopback address. */
const address = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;
const pod = hostname();
const notRun =
  typeof binaries === 'string'
    ? binaries
    : address === undefined
      ? 'this machine has no address but loopback'
      : /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(pod)
        ? undefined
        : `${pod} is no name of a pod`;

if (notRun !== undefined || typeof binaries === 'string') {
  describe.skip(`of a cluster: not run, ${String(notRun)}`, () => test('status', () => undefined));
} else {
  describe('of a cluster', () => {
    let server: KubeApiServer;
    let folder: string;
    let controller: ControllerProcess | undefined;
    let adminPort: number;
    const users: Record<string, KubeUser> = {};

    beforeAll(async () => {
      const names = ['operator', 'reader', 'viewer', 'shop-viewer', 'stranger'];
      [server, folder, adminPort] = await Promise.all([
        startKubeApiServer(binaries, { users: Object.fromEntries(names.map((name) => [`token-${name}`, name])) }),
        mkdtemp(join(tmpdir(), 'countersign-status-')),
        freePort(),
      ]);
      for (const name of ['shop', OPERATOR_NAMESPACE, 'empty']) await createNamespace(server, name);
      for (const name of names) users[name] = await connectAs(server, `token-${name}`);
    }, 120_000);
    afterAll(async () => {
      await controller?.close();
      await Promise.all(Object.values(users).map((user) => user.close()));
      await server?.stop();
      await rm(folder, { recursive: true, force: true });
    });

    const status = (user: string, ...flags: string[]) =>
      runCli(['status', '--kubeconfig', users[user]?.kubeconfig ?? '', '--admin-port', String(adminPort), ...flags]);
    async function post(path: string, body: unknown): Promise<void> {
      const { status: code, body: answer } = await server.request('POST', path, body);
      expect({ code, message: answer['message'] }).toEqual({ code: 201, message: undefined });
    }
    const RBAC = '/apis/rbac.authorization.k8s.io/v1';
    const bind = (user: string, kind: string, name: string, namespace?: string) =>
      post(`${RBAC}/${namespace === undefined ? 'clusterrolebindings' : `namespaces/${namespace}/rolebindings`}`, {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding',
        metadata: { name: `${user}-${name}` },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
      });

    test('without CRDs and controllers it says what to install', async () => {
      await bind('reader', 'ClusterRole', 'cluster-admin');
      const { stdout, exitCode } = await status('reader');
      expect(stdout).toContain('Fault: the API server has no apigroups.countersign.dev, ');
      expect(stdout).toContain(`Fault: there is no Lease ${LEASE_NAME} in namespace ${OPERATOR_NAMESPACE}`);
      expect(exitCode).toBe(1);
      await server.request('DELETE', `${RBAC}/clusterrolebindings/reader-cluster-admin`);
    });

    test('the leader is found by its Lease and asked through the API server, with the rights that ship', async () => {
      await installCrds(server);
      await grantOperator(server, 'operator');
      for (const role of USER_ROLES) await post(`${RBAC}/clusterroles`, userClusterRole(role, 'countersign', false));
      await post(`${RBAC}/namespaces/${OPERATOR_NAMESPACE}/roles`, {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { name: 'countersign-status' },
        rules: statusRules(LEASE_NAME),
      });
      for (const user of ['reader', 'viewer']) await bind(user, 'ClusterRole', 'countersign-viewer');
      await bind('shop-viewer', 'ClusterRole', 'countersign-viewer', 'shop');
      await bind('reader', 'Role', 'countersign-status', OPERATOR_NAMESPACE);
      await startControllerInPod();
      for (const name of ['mobile', 'tablet'])
        await post('/apis/countersign.dev/v1alpha1/namespaces/shop/signaturekeys', {
          apiVersion: 'countersign.dev/v1alpha1',
          kind: 'SignatureKey',
          metadata: { name },
          spec: { usage: 'Caller', identity: 'SignatureKeyPair', type: 'HMAC', state: 'Disabled' },
        });

      await eventually(
        async () => expect((await status('reader')).stdout).toMatch(/SignatureKey +\d +2 +2 NoDataPlane/),
        { withinMs: 20_000, everyMs: 200 },
      );
      const { stdout, exitCode } = await status('reader');
      expect(stdout).toMatch(
        new RegExp(`^Countersign \\d+\\.\\d+\\.\\d+, namespace ${OPERATOR_NAMESPACE}, led by ${pod}\n`),
      );
      expect(stdout).toContain('Limiter: Memory, healthy');
      expect(stdout).toContain('Fault: no Envoy is connected');
      expect(stdout).not.toContain('Not known');
      expect(exitCode).toBe(1);
    });

    test('who may not ask the leader sees the objects, and how to see the rest', async () => {
      const { stdout } = await status('viewer');
      expect(stdout).toMatch(/SignatureKey +\d +2 /);
      expect(stdout).toContain('Not known: the Lease cannot be read');
      expect(stdout).not.toContain('Limiter');
    });

    test('who sees one namespace is told to name it', async () => {
      expect((await status('shop-viewer')).stdout).toContain(
        'may not be listed; name namespaces with --watch-namespace',
      );
      const { stdout } = await status('shop-viewer', '--watch-namespace', 'shop');
      expect(stdout).toMatch(/SignatureKey +\d +2 /);
      expect(stdout).not.toContain('may not be listed');
    });

    test('a user without rights learns nothing, and that is not called ready', async () => {
      const { stdout, exitCode } = await status('stranger');
      expect(stdout).not.toContain('mobile');
      expect(exitCode).toBe(1);
    });

    test('a namespace without controllers is told', async () => {
      const { stdout, exitCode } = await status('operator', '--namespace', 'empty');
      expect(stdout).toContain('Not known: the Lease cannot be read');
      expect(exitCode).toBe(1);
    });

    test('an API server that is away is one line', async () => {
      await server.stopApiServer();
      const { stdout, stderr, exitCode } = await status('reader');
      expect(stdout).toBe('');
      expect(stderr).toMatch(/^error: GET .*ECONNREFUSED.*\n$/);
      expect(exitCode).toBe(1);
    });

    /** With a pod for it, as which the controller is asked. */
    async function startControllerInPod(): Promise<void> {
      controller = await startController({
        kubeconfig: users['operator']?.kubeconfig,
        folder,
        adminPort,
        adminAddress: address,
      });
      const pods = `/api/v1/namespaces/${OPERATOR_NAMESPACE}/pods`;
      await post(pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: pod },
        spec: { nodeName: 'node', containers: [{ name: 'controller', image: 'countersign' }] },
      });
      const placed = await server.request(
        'PATCH',
        `${pods}/${pod}/status`,
        { status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] } },
        'application/merge-patch+json',
      );
      expect(placed.status).toBe(200);
    }
  });
}
