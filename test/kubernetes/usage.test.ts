/** `countersign usage` without a folder: plans of a Kubernetes API, with the rights of people, and counters of a Redis. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControllerProcess } from '../../src/app/controller/controller-process.js';
import { counterName, keySubject } from '../../src/authz/counters.js';
import { USER_ROLES, userClusterRole } from '../../src/provider/kubernetes/rbac.js';
import { createRedisStore, type RedisStore } from '../../src/ratelimit/redis/store.js';
import { runCli } from '../support/cli.js';
import { eventually } from '../support/eventually.js';
import { startController } from '../support/kubernetes/controller.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import {
  connectAs,
  createNamespace,
  grantOperator,
  installCrds,
  type KubeUser,
  OPERATOR_NAMESPACE,
} from '../support/kubernetes/kube-operator.js';
import { freePort } from '../support/ports.js';
import { startRedis, type RedisServer } from '../support/redis/redis.js';
import { apiGroup, importedKey, urlBackend, usagePlan } from '../support/resources/resources.js';

const ALICE = 'AKIDclusteralice0001';
const ALICE_SECRET = 'cluster-secret-alice-1';
const USERS = ['operator', 'viewer', 'labels-viewer', 'shop-viewer', 'stranger'] as const;
const OURS = '/apis/countersign.dev/v1alpha1/namespaces';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

const binaries = findKubeBinaries();

if (typeof binaries === 'string') {
  describe.skip(`usage of a cluster: not run, ${binaries}`, () => test('usage', () => undefined));
} else {
  describe('usage of a cluster', () => {
    let server: KubeApiServer;
    let redis: RedisServer;
    let store: RedisStore;
    let folder: string;
    let controller: ControllerProcess;
    /** Ids that the controller generated. */
    let ids: Record<'bob' | 'dave', string>;
    const users: Record<string, KubeUser> = {};

    beforeAll(async () => {
      [server, redis, folder] = await Promise.all([
        startKubeApiServer(binaries, { users: Object.fromEntries(USERS.map((name) => [`token-${name}`, name])) }),
        startRedis(),
        mkdtemp(join(tmpdir(), 'countersign-usage-')),
      ]);
      store = createRedisStore({ url: redis.url, commandTimeoutMs: 5000 });
      for (const name of USERS) users[name] = await connectAs(server, `token-${name}`);
      await createNamespace(server, 'shop', { tier: 'trusted' });
      for (const name of ['partner', OPERATOR_NAMESPACE]) await createNamespace(server, name);
    }, 120_000);
    afterAll(async () => {
      await controller?.close();
      await store?.close();
      await Promise.all(Object.values(users).map((user) => user.close()));
      await Promise.all([server?.stop(), redis?.stop()]);
      await rm(folder, { recursive: true, force: true });
    });

    const usage = (user: (typeof USERS)[number], ...args: readonly string[]) =>
      runCli(['usage', ...args, '--kubeconfig', users[user]?.kubeconfig ?? '', '--redis-url', redis.url]);

    async function rows(user: (typeof USERS)[number], ...args: readonly string[]): Promise<(string | number)[][]> {
      const { stdout, stderr } = await usage(user, '--output', 'json', ...args);
      if (stdout === '') throw new Error(stderr);
      return (JSON.parse(stdout) as { limit: string; key?: string; keyID?: string; used: number; of: number }[]).map(
        ({ limit, key = '', keyID = '', used, of }) => [limit, key, keyID, used, of],
      );
    }

    /** As an authorizer counts a request of this key under shop/gold. */
    async function countRequest(keyId: string): Promise<string> {
      const place = { plan: 'shop/gold', limit: 'monthly', scope: 'Key', keyId, api: '', environment: '' } as const;
      const { outcome } = await store.admit({
        subject: keySubject(keyId),
        token: '',
        rates: [],
        quotas: [
          { counter: counterName('quota', place), limit: 5, period: 'Month', timeZone: 'Asia/Shanghai', shadow: false },
        ],
      });
      return outcome;
    }

    async function post(path: string, body: unknown): Promise<void> {
      const { status, body: answer } = await server.request('POST', path, body);
      expect({ status, message: answer['message'] }).toEqual({ status: 201, message: undefined });
    }
    const apply = (object: { readonly kind?: unknown; readonly metadata?: unknown }): Promise<void> => {
      const { namespace } = object.metadata as { readonly namespace: string };
      return post(
        object.kind === 'Secret'
          ? `/api/v1/namespaces/${namespace}/secrets`
          : `${OURS}/${namespace}/${String(object.kind).toLowerCase()}s`,
        object,
      );
    };
    const generatedKey = (namespace: string, name: string, allowed?: object) => ({
      apiVersion: 'countersign.dev/v1alpha1',
      kind: 'SignatureKey',
      metadata: { namespace, name },
      spec: {
        ...{ usage: 'Caller', identity: 'SignatureKeyPair', type: 'HMAC' },
        ...(allowed && { allowedAuthorizers: { namespaces: allowed } }),
      },
    });
    const idOf = async (namespace: string, name: string): Promise<string> =>
      eventually(
        async () => {
          const { body } = await server.request('GET', `${OURS}/${namespace}/signaturekeys/${name}`);
          const id = (body['status'] as { keyID?: string } | undefined)?.keyID;
          if (id === undefined) throw new Error(`${name} has no id yet`);
          return id;
        },
        { withinMs: 15_000, everyMs: 50 },
      );

    test('before the CRDs are there says what to install', async () => {
      await post(`${RBAC}/clusterrolebindings`, binding('labels-viewer', 'ClusterRole', 'cluster-admin'));
      expect(await usage('labels-viewer')).toEqual({
        exitCode: 1,
        stdout: '',
        stderr: expect.stringMatching(
          /^error: the API server has no signaturekeys\.countersign\.dev, .*install the CRDs\n$/,
        ),
      });
      await server.request('DELETE', `${RBAC}/clusterrolebindings/labels-viewer-cluster-admin`);
    });

    test('shows a viewer what every key has used, generated ones and those of other namespaces too', async () => {
      await installCrds(server);
      await grantOperator(server, 'operator');
      for (const role of USER_ROLES) await post(`${RBAC}/clusterroles`, userClusterRole(role, 'countersign', false));
      await post(`${RBAC}/clusterroles`, {
        ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'namespaces' } },
        rules: [{ apiGroups: [''], resources: ['namespaces'], verbs: ['list'] }],
      });
      for (const user of ['viewer', 'labels-viewer'])
        await post(`${RBAC}/clusterrolebindings`, binding(user, 'ClusterRole', 'countersign-viewer'));
      await post(`${RBAC}/clusterrolebindings`, binding('labels-viewer', 'ClusterRole', 'namespaces'));
      await post(`${RBAC}/namespaces/shop/rolebindings`, binding('shop-viewer', 'ClusterRole', 'countersign-viewer'));
      controller = await startController({
        kubeconfig: users['operator']?.kubeconfig,
        folder,
        adminAddress: undefined,
      });

      for (const object of importedKey('alice', ALICE, ALICE_SECRET)) await apply(object);
      await apply(generatedKey('shop', 'bob'));
      await apply(
        generatedKey('partner', 'dave', { from: 'Selector', selector: { matchLabels: { tier: 'trusted' } } }),
      );
      ids = { bob: await idOf('shop', 'bob'), dave: await idOf('partner', 'dave') };
      await apply(apiGroup('orders', { verification: { dialects: ['Tencent'] }, backend: urlBackend(1) }));
      await apply(
        usagePlan('gold', [], 'orders', {
          keys: { refs: [{ name: 'alice' }, { name: 'bob' }], ids: [{ keyID: ids.dave }] },
          rateLimits: [{ name: 'rps', requests: 5, interval: '1s', burst: 5, scope: 'Key' }],
          quotas: [
            { name: 'monthly', requests: 5, period: 'Month', timeZone: 'Asia/Shanghai', scope: 'Key' },
            { name: 'each', requests: 50, period: 'Day', scope: 'KeyAndApi' },
          ],
        }),
      );
      for (const keyId of [ALICE, ALICE, ALICE, ids.bob, ids.dave]) expect(await countRequest(keyId)).toBe('admitted');

      const expected = [
        ['monthly', 'partner/dave', ids.dave, 1, 5],
        ['monthly', 'shop/alice', ALICE, 3, 5],
        ['monthly', 'shop/bob', ids.bob, 1, 5],
      ];
      expect(await rows('labels-viewer', '--limit', 'monthly')).toEqual(expected);
      expect(await rows('viewer', '--limit', 'monthly')).toEqual(expected);
      expect(await rows('viewer', '--key', 'alice', '--plan', 'shop/gold')).toEqual([
        ['rps', 'shop/alice', ALICE, 0, 5],
        ['monthly', 'shop/alice', ALICE, 3, 5],
        ['each', 'shop/alice', ALICE, 0, 50],
      ]);
      const { stdout, stderr, exitCode } = await usage('viewer', '--key', ids.dave, '--limit', 'monthly');
      expect(stdout).toMatch(
        new RegExp(`^PLAN .*\\nshop/gold +monthly +Quota +${ids.dave} +1 +5 +\\d{4}-.*16:00:00Z\\n$`),
      );
      expect(stderr).toBe(
        'note: Namespaces may not be read, so keys are taken to admit the plans that name them: partner/dave\n',
      );
      expect(exitCode).toBe(0);
    }, 60_000);

    test('needs one namespace only of who names it, and says which keys it does not see', async () => {
      expect(await usage('shop-viewer')).toEqual({
        exitCode: 1,
        stdout: '',
        stderr:
          'error: you may not list signaturekeys.countersign.dev, apigroups.countersign.dev, usageplans.countersign.dev in all namespaces; name yours with --watch-namespace, or ask for the role viewer\n',
      });
      const { stdout, stderr } = await usage('shop-viewer', '--watch-namespace', 'shop', '--limit', 'monthly');
      expect(stdout).toContain(ALICE);
      expect(stdout).not.toContain(ids.dave);
      expect(stderr).toMatch(
        new RegExp(
          `^error KeyNotFound: UsagePlan shop/gold: spec\\.keys\\.ids\\[0\\]: there is no key with keyID ${ids.dave}`,
        ),
      );
    });

    test('set and reset ask with the name of the cluster, and authorizers count on from there', async () => {
      const set = ['set', '--plan', 'gold', '--key', 'bob', '--limit', 'monthly', '--used', '4'];
      expect(await usage('viewer', ...set)).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining(
          `would set shop/gold monthly, ${ids.bob} from 1 to 4 of 5 (cluster ${server.url})`,
        ),
      });
      expect(await usage('viewer', ...set, '--yes')).toMatchObject({
        exitCode: 0,
        stdout: expect.stringContaining('4 of 5'),
      });
      expect([await countRequest(ids.bob), await countRequest(ids.bob)]).toEqual(['admitted', 'quota_exceeded']);
      expect(await usage('viewer', 'reset', '--plan', 'gold', '--key', 'bob', '--yes')).toMatchObject({
        exitCode: 0,
        stdout: '3 counter(s) reset\n',
      });
      expect(await countRequest(ids.bob)).toBe('admitted');
      expect(await rows('viewer', '--limit', 'monthly', '--key', 'bob')).toEqual([
        ['monthly', 'shop/bob', ids.bob, 1, 5],
      ]);
    });

    test('a plan that refuses its requests is told, and hides no other', async () => {
      await apply(
        usagePlan('broken', ['alice'], 'orders', {
          quotas: [{ name: 'daily', requests: 5, period: 'Day', timeZone: 'Mars/Olympus' }],
        }),
      );
      const { stdout, stderr, exitCode } = await usage('viewer', '--key', 'alice');
      expect(stdout).toContain('shop/gold');
      expect(stdout).not.toContain('shop/broken');
      expect(stderr).toMatch(/^error InvalidTimeZone: UsagePlan shop\/broken: spec\.quotas\[0\]\.timeZone: .*\n$/);
      expect(exitCode).toBe(0);
    });

    test('what is in the way is told in words', async () => {
      const failed = async (...args: readonly string[]): Promise<string> => {
        const { exitCode, stdout, stderr } = await runCli(['usage', ...args], {
          environment: { KUBECONFIG: '', HOME: '/nonexistent' },
        });
        expect({ stdout, failed: exitCode !== 0 }).toEqual({ stdout: '', failed: true });
        return stderr;
      };
      const viewer = ['--kubeconfig', users['viewer']?.kubeconfig ?? ''];
      const store = ['--redis-url', redis.url];
      expect(await failed(...viewer, ...store, '--context', 'production')).toMatch(
        /kubeconfig: there is no context production; it has test; for a folder: countersign usage DIR\n$/,
      );
      expect((await usage('stranger')).stderr).toContain('you may not list');
      expect(await failed(...viewer, ...store, '--plan', 'silver')).toContain('`kubectl describe usageplan` tells');
      expect(await failed('/', ...viewer, ...store)).toContain('--kubeconfig: of a cluster, and / is a folder');
      expect(await failed(...viewer)).toMatch(/name the store with --redis-url.*kubectl port-forward/);
      const away = `redis://127.0.0.1:${String(await freePort())}`;
      expect(await failed(...viewer, '--redis-url', away)).toMatch(
        /error: Redis cannot be reached: .*ECONNREFUSED.*kubectl port-forward -n NAMESPACE service\/REDIS 6379/,
      );
      const expired = await connectAs(server, 'token-of-nobody');
      expect(await failed('--kubeconfig', expired.kubeconfig, ...store)).toContain('does not know this user (401)');
      await expired.close();
    }, 30_000);

    function binding(user: string, kind: string, name: string) {
      return {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        // The server reads the kind from the path.
        metadata: { name: `${user}-${name}` },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
      };
    }
  });
}
