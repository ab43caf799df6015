/** What the tests of the operator need in an API server: the CRDs, a user with the rights that ship, and namespaces. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { createKubeApi, type KubeApi } from '../../../src/provider/kubernetes/kube-api.js';
import {
  CLUSTER_RULES,
  NAMESPACE_RULES,
  ownNamespaceRules,
  type PolicyRule,
} from '../../../src/provider/kubernetes/rbac.js';
import { eventually } from '../eventually.js';
import type { KubeApiServer } from './kube-api-server.js';
import { projectFolder } from '../project-folder.js';

export const OPERATOR_NAMESPACE = 'countersign-system';
export const LEASE_NAME = 'countersign-controller';

interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly names: { readonly plural: string } };
}

export async function installCrds(server: KubeApiServer): Promise<void> {
  const folder = join(projectFolder, 'crds/');
  for (const file of await readdir(folder)) {
    const definition = parse(await readFile(folder + file, 'utf8')) as Definition;
    await post(server, '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
    const { plural } = definition.spec.names;
    await eventually(
      async () => {
        const { status } = await server.request('GET', `/apis/countersign.dev/v1alpha1/${plural}`);
        if (status !== 200) throw new Error(`${plural} are not served yet`);
      },
      { withinMs: 20_000, everyMs: 50 },
    );
  }
}

export async function createNamespace(
  server: KubeApiServer,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  await post(server, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
}

/** Gives `user` the rights of an operator: in the whole cluster, or in these namespaces. */
export async function grantOperator(
  server: KubeApiServer,
  user: string,
  namespaces?: readonly string[],
): Promise<void> {
  if (namespaces === undefined) await grant(server, user, undefined, CLUSTER_RULES, 'objects');
  else for (const namespace of namespaces) await grant(server, user, namespace, NAMESPACE_RULES, 'objects');
  await grant(server, user, OPERATOR_NAMESPACE, ownNamespaceRules(LEASE_NAME), 'own');
}

async function grant(
  server: KubeApiServer,
  user: string,
  namespace: string | undefined,
  rules: readonly PolicyRule[],
  suffix: string,
): Promise<void> {
  const root = `/apis/rbac.authorization.k8s.io/v1${namespace === undefined ? '' : `/namespaces/${namespace}`}`;
  const [role, binding] =
    namespace === undefined ? ['ClusterRole', 'ClusterRoleBinding'] : (['Role', 'RoleBinding'] as const);
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const metadata = { name: `${user}-${suffix}` };
  await post(server, `${root}/${role.toLowerCase()}s`, { apiVersion, kind: role, metadata, rules });
  await post(server, `${root}/${binding.toLowerCase()}s`, {
    apiVersion,
    kind: binding,
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: role, name: metadata.name },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  });
}

async function post(server: KubeApiServer, path: string, body: unknown): Promise<void> {
  const { status, body: answer } = await server.request('POST', path, body);
  if (status !== 201 && status !== 409) throw new Error(`POST ${path}: ${String(status)} ${String(answer['message'])}`);
}

export interface KubeUser {
  readonly api: KubeApi;
  /** For kubectl. */
  readonly kubeconfig: string;
  /** Where the token is read from, as in a pod. */
  setToken(token: string): Promise<void>;
  close(): Promise<void>;
}

/** A client with a token file, connected to `port` (the server's own, or that of a proxy before it). */
export async function connectAs(server: KubeApiServer, token: string, port = server.port): Promise<KubeUser> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-user-'));
  const tokenFile = join(folder, 'token');
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(tokenFile, token);
  await writeFile(
    kubeconfig,
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'test',
          cluster: {
            server: `https://127.0.0.1:${String(port)}`,
            'certificate-authority-data': Buffer.from(server.certificate).toString('base64'),
          },
        },
      ],
      users: [{ name: 'test', user: { tokenFile: 'token' } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: OPERATOR_NAMESPACE } }],
      'current-context': 'test',
    }),
  );
  const api = await createKubeApi({ kubeconfig });
  return {
    api,
    kubeconfig,
    setToken: (next) => writeFile(tokenFile, next),
    async close() {
      api.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
