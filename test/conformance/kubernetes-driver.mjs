// Objects in a cluster, through kubectl. With an image for the echo backend it runs there too.
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { KINDS, nameOf } from './objects.mjs';

const run = promisify(execFile);
/** The objects go to kubectl in pieces, so that what refers and what is referred to come at different times. */
const PIECE = 12;

/**
 * @param {{ context?: string, kubeconfig?: string, kubectl?: string, echo?: { image: string, node: string,
 *   services: { namespace: string, name: string, app: string }[] } }} options
 */
export function createKubernetesDriver({ context, kubeconfig, kubectl = 'kubectl', echo }) {
  const connection = [
    ...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]),
    ...(context === undefined ? [] : ['--context', context]),
  ];
  const get = async (...args) => {
    const { stdout } = await run(kubectl, [...connection, 'get', ...args, '-o', 'json'], { maxBuffer: 64 << 20 });
    return JSON.parse(stdout);
  };
  const feed = (args, objects) =>
    new Promise((resolve, reject) => {
      const child = spawn(kubectl, [...connection, ...args, '-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
      let errors = '';
      child.stderr.on('data', (chunk) => (errors += chunk));
      child.once('error', reject);
      child.once('exit', (code) =>
        code === 0 ? resolve() : reject(new Error(`kubectl ${args.join(' ')} ended with ${code}: ${errors}`)),
      );
      child.stdin.end(objects.map((object) => stringify(object)).join('---\n'));
    });
  const removable = (objects) => [
    ...new Map(
      objects
        .filter(({ kind }) => kind !== 'Namespace')
        .flatMap((object) => [object, ...generatedSecretOf(object)])
        .map((object) => [nameOf(object), object]),
    ).values(),
  ];
  const remove = (objects) =>
    feed(['delete', '--ignore-not-found', '--wait=false', '--cascade=background'], removable(objects));
  const backends = () => (echo ? echo.services.flatMap((service) => backendObjects(service, echo)) : []);

  return {
    name: `context ${context ?? 'of the kubeconfig'}`,
    async apply(objects) {
      for (let at = 0; at < objects.length; at += PIECE) await feed(['apply'], objects.slice(at, at + PIECE));
    },
    remove,
    reset: remove,
    async statuses() {
      const { items } = await get(KINDS.map((kind) => `${kind.toLowerCase()}s.countersign.dev`).join(','), '-A');
      return items.map(({ kind, metadata: { namespace, name }, status = {} }) => ({
        kind,
        metadata: { namespace, name },
        status,
      }));
    },
    async secretData(namespace, name) {
      const secret = await get('secret', name, '-n', namespace).catch(() => undefined);
      if (secret === undefined) return undefined;
      return Object.fromEntries(
        Object.entries(secret.data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64').toString()]),
      );
    },
    /** Ready when it resolves. */
    async startBackends() {
      if (!echo) return;
      await feed(['apply'], backends());
      for (const { namespace } of echo.services)
        await run(kubectl, [
          ...connection,
          ...['rollout', 'status', 'deployment/countersign-conformance-echo', '-n', namespace, '--timeout', '120s'],
        ]);
    },
    async stopBackends() {
      if (echo) await remove(backends());
    },
  };
}

/** It has an owner, but the next run may be here before the garbage collector. */
const generatedSecretOf = ({ kind, metadata: { namespace, name }, spec }) =>
  kind === 'SignatureKey' && spec.secretRef === undefined
    ? [{ apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: `${name}-signature-key` } }]
    : [];

/** A Deployment behind the Service of that name, whose selector is `app`. */
function backendObjects({ namespace, app }, { image, node }) {
  const metadata = { name: 'countersign-conformance-echo', namespace };
  const source = readFileSync(fileURLToPath(new URL('echo.mjs', import.meta.url)), 'utf8');
  return [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'echo.mjs': source } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: { app } },
        template: {
          metadata: { labels: { app } },
          spec: {
            automountServiceAccountToken: false,
            terminationGracePeriodSeconds: 1,
            containers: [
              {
                name: 'echo',
                image,
                command: [node, '/echo/echo.mjs', '8080'],
                ports: [{ containerPort: 8080 }],
                readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
                volumeMounts: [{ name: 'echo', mountPath: '/echo' }],
                securityContext: {
                  runAsNonRoot: true,
                  runAsUser: 65532,
                  allowPrivilegeEscalation: false,
                  readOnlyRootFilesystem: true,
                  capabilities: { drop: ['ALL'] },
                  seccompProfile: { type: 'RuntimeDefault' },
                },
              },
            ],
            volumes: [{ name: 'echo', configMap: { name: metadata.name } }],
          },
        },
      },
    },
  ];
}
