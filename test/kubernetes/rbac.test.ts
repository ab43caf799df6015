import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KINDS } from '../../src/api/types.js';
import { hasStatus } from '../../src/provider/kubernetes/kube-api.js';
import {
  CLUSTER_RULES,
  NAMESPACE_RULES,
  ownNamespaceRules,
  statusRules,
  USER_ROLES,
  userClusterRole,
} from '../../src/provider/kubernetes/rbac.js';
import { OUR_TYPES, SECRET } from '../../src/provider/kubernetes/resource-types.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';
import {
  connectAs,
  createNamespace,
  grantOperator,
  installCrds,
  LEASE_NAME,
  OPERATOR_NAMESPACE,
} from '../support/kubernetes/kube-operator.js';
import { must } from '../support/must.js';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'] as const;
/** `group/plural[/subresource][:name]`, in each of which every verb is tried. */
const OURS = KINDS.map((kind) => OUR_TYPES[kind].plural);
const RESOURCES = [
  ...OURS.flatMap((plural) => [`countersign.dev/${plural}`, `countersign.dev/${plural}/status`]),
  ...[
    'secrets',
    'services',
    'namespaces:NS',
    'configmaps',
    'endpoints',
    'pods',
    'pods/proxy',
    'pods/exec',
    'pods/log',
  ].map((each) => `/${each}`),
  ...['serviceaccounts/token', 'nodes', 'nodes/proxy', 'events', 'services/proxy'].map((each) => `/${each}`),
  'events.k8s.io/events',
  `coordination.k8s.io/leases:${LEASE_NAME}`,
  'coordination.k8s.io/leases:other',
  'rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/rolebindings',
  'apiextensions.k8s.io/customresourcedefinitions',
  'admissionregistration.k8s.io/validatingadmissionpolicies',
  'apps/deployments',
] as const;
/** `shop` is the namespace that a restricted operator watches and in which people have their roles. */
const NAMESPACES = ['shop', 'other', OPERATOR_NAMESPACE] as const;

const all = (plurals: readonly string[], verbs: string, suffix = ''): Record<string, string> =>
  Object.fromEntries(plurals.map((plural) => [`countersign.dev/${plural}${suffix}`, verbs]));
const WRITE = 'get list watch create update patch delete';

const OBJECTS = {
  ...all(OURS, 'list watch'),
  ...all(OURS, 'patch', '/status'),
  '/secrets': 'get list watch create patch',
  '/services': 'list watch',
  'events.k8s.io/events': 'get create patch',
};
const OWN = {
  'events.k8s.io/events': 'get create patch',
  [`coordination.k8s.io/leases:${LEASE_NAME}`]: 'get update create',
  // The right to create knows no names.
  'coordination.k8s.io/leases:other': 'create',
};

/** All that a user may do, by namespace; everything else is refused. */
const ALLOWED: Readonly<
  Record<string, Partial<Record<(typeof NAMESPACES)[number], Readonly<Record<string, string>>>>>
> = {
  operator: {
    shop: { ...OBJECTS, '/namespaces:NS': 'list watch' },
    other: { ...OBJECTS, '/namespaces:NS': 'list watch' },
    [OPERATOR_NAMESPACE]: { ...OBJECTS, '/namespaces:NS': 'list watch', ...OWN },
  },
  'shop-operator': {
    shop: { ...OBJECTS, '/namespaces:NS': 'get watch' },
    [OPERATOR_NAMESPACE]: OWN,
  },
  provider: { shop: { ...all(OURS, WRITE), ...all(OURS, 'get', '/status') } },
  caller: { shop: { ...all(['signaturekeys'], WRITE), ...all(['signaturekeys'], 'get', '/status') } },
  viewer: { shop: { ...all(OURS, 'get list watch'), ...all(OURS, 'get', '/status') } },
  'status-reader': {
    [OPERATOR_NAMESPACE]: { [`coordination.k8s.io/leases:${LEASE_NAME}`]: 'get', '/pods/proxy': 'get' },
  },
  stranger: {},
};

const binaries = findKubeBinaries();

describe('the rules', () => {
  const rules = [
    ...CLUSTER_RULES,
    ...NAMESPACE_RULES,
    ...ownNamespaceRules(LEASE_NAME),
    ...statusRules(LEASE_NAME),
    ...USER_ROLES.flatMap((role) => role.rules),
  ];
  test('hold no wildcard', () => {
    const texts = rules.flatMap(({ apiGroups, resources, verbs, resourceNames = [] }) => [
      ...apiGroups,
      ...resources,
      ...verbs,
      ...resourceNames,
    ]);
    expect(texts.filter((text) => text.includes('*'))).toEqual([]);
  });
  test('give people no Secret', () => {
    expect(USER_ROLES.flatMap((role) => role.rules).flatMap(({ resources }) => resources)).not.toContain('secrets');
  });
  test('join the roles of Kubernetes only where that is wanted', () => {
    const labels = (aggregate: boolean) =>
      USER_ROLES.map((role) => Object.keys(userClusterRole(role, 'countersign', aggregate).metadata.labels ?? {}));
    const to = (...names: string[]) => names.map((name) => `rbac.authorization.k8s.io/aggregate-to-${name}`);
    expect(labels(true)).toEqual([to('edit', 'admin'), to('edit', 'admin'), to('view', 'edit', 'admin')]);
    expect(labels(false)).toEqual([[], [], []]);
  });
});

if (typeof binaries === 'string') {
  describe.skip(`rights in a real API server: not run, ${binaries}`, () => test('verdicts', () => undefined));
} else {
  describe('in a real API server', () => {
    let server: KubeApiServer;

    beforeAll(async () => {
      server = await startKubeApiServer(binaries, {
        users: Object.fromEntries(Object.keys(ALLOWED).map((user) => [`token-${user}`, user])),
      });
      await installCrds(server);
      for (const name of NAMESPACES) await createNamespace(server, name);
      await grantOperator(server, 'operator');
      await grantOperator(server, 'shop-operator', ['shop']);
      for (const role of USER_ROLES) {
        const manifest = userClusterRole(role, 'countersign', true);
        await post(`${RBAC}/clusterroles?fieldValidation=Strict`, manifest);
        await bind('shop', role.name, 'ClusterRole', manifest.metadata.name);
      }
      const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role' };
      await post(`${RBAC}/namespaces/${OPERATOR_NAMESPACE}/roles?fieldValidation=Strict`, {
        ...role,
        metadata: { name: 'countersign-status' },
        rules: statusRules(LEASE_NAME),
      });
      await bind(OPERATOR_NAMESPACE, 'status-reader', 'Role', 'countersign-status');
    }, 120_000);
    afterAll(async () => server?.stop());

    async function post(path: string, body: unknown) {
      const { status, body: answer } = await server.request('POST', path, body);
      expect({ status, message: answer['message'] }).toEqual({ status: 201, message: undefined });
      return answer;
    }
    const bind = (namespace: string, user: string, kind: string, name: string) =>
      post(`${RBAC}/namespaces/${namespace}/rolebindings`, {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: { name: user },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
      });

    async function may(user: string, namespace: string, verb: string, resource: string): Promise<boolean> {
      const [, group, plural, subresource, name] = /^([^/]*)\/([^/:]+)(?:\/([^:]+))?(?::(.+))?$/.exec(resource) ?? [];
      const { status } = await post('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: {
          user,
          groups: ['system:authenticated'],
          resourceAttributes: {
            namespace,
            verb,
            group,
            resource: plural,
            subresource,
            name: name === 'NS' ? namespace : name,
          },
        },
      });
      return (status as { allowed: boolean }).allowed;
    }

    /** The verbs that the server grants, by namespace and resource. */
    async function grantsOf(user: string) {
      const found: Record<string, Record<string, string>> = {};
      await Promise.all(
        NAMESPACES.flatMap((namespace) =>
          RESOURCES.map(async (resource) => {
            const verdicts = await Promise.all(VERBS.map((verb) => may(user, namespace, verb, resource)));
            const granted = VERBS.filter((_, i) => verdicts[i]);
            if (granted.length > 0) (found[namespace] ??= {})[resource] = [...granted].sort().join(' ');
          }),
        ),
      );
      return found;
    }

    test.each(Object.keys(ALLOWED))('%s may do this and nothing else', async (user) => {
      const wanted = Object.fromEntries(
        Object.entries(must(ALLOWED[user])).map(([namespace, grants]) => [
          namespace,
          Object.fromEntries(Object.entries(grants).map(([each, verbs]) => [each, verbs.split(' ').sort().join(' ')])),
        ]),
      );
      expect(await grantsOf(user)).toEqual(wanted);
    });

    test('the verdicts hold for requests', async () => {
      const users = await Promise.all(
        ['operator', 'shop-operator', 'provider', 'caller', 'viewer'].map(async (name) => [
          name,
          await connectAs(server, `token-${name}`),
        ]),
      );
      const byName = Object.fromEntries(users) as Record<string, Awaited<ReturnType<typeof connectAs>>>;
      const api = (name: string) => must(byName[name]).api;
      const denied = async (call: Promise<unknown>) => hasStatus(await call.catch((error: unknown) => error), 403);
      const key = (namespace: string, name: string) => ({
        apiVersion: 'countersign.dev/v1alpha1',
        kind: 'SignatureKey',
        metadata: { name, namespace },
        spec: { usage: 'Backend', type: 'HMAC' },
      });
      const path = { type: OUR_TYPES.SignatureKey, namespace: 'shop', name: 'mine' };
      try {
        await api('caller').create(OUR_TYPES.SignatureKey, key('shop', 'mine'));
        expect(await denied(api('caller').create(OUR_TYPES.SignatureKey, key('other', 'mine')))).toBe(true);
        expect(await denied(api('caller').list(OUR_TYPES.ApiGroup, { namespace: 'shop' }))).toBe(true);
        expect(await denied(api('viewer').create(OUR_TYPES.SignatureKey, key('shop', 'seen')))).toBe(true);
        for (const name of ['provider', 'caller', 'viewer']) {
          expect((await api(name).get(path))['kind']).toBe('SignatureKey');
          expect(await denied(api(name).list(SECRET, { namespace: 'shop' }))).toBe(true);
          const status = {
            apiVersion: 'countersign.dev/v1alpha1',
            kind: 'SignatureKey',
            status: { pairID: 'mine-now' },
          };
          expect(await denied(api(name).patch(path, status, { patchType: 'Merge', subresource: 'status' }))).toBe(true);
        }
        expect((await api('shop-operator').list(SECRET, { namespace: 'shop' })).items).toEqual([]);
        expect(await denied(api('shop-operator').list(SECRET, { namespace: 'other' }))).toBe(true);
        expect(await denied(api('shop-operator').list(SECRET))).toBe(true);
        expect(await denied(api('operator').replace(OUR_TYPES.SignatureKey, key('shop', 'mine')))).toBe(true);
      } finally {
        await Promise.all(Object.values(byName).map((user) => user.close()));
      }
    });
  });
}
