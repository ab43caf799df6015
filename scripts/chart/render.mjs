// Renders the chart by helm, as plain manifests have it.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parse } from 'yaml';

/** Path of a program in KUBEBUILDER_ASSETS or on PATH; `undefined` = not found. */
export function findProgram(name, { KUBEBUILDER_ASSETS, PATH = '' } = process.env) {
  for (const folder of [KUBEBUILDER_ASSETS, ...PATH.split(delimiter)]) {
    if (!folder) continue;
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      continue;
    }
  }
  return undefined;
}

const NAMESPACE = 'countersign-system';

/** The Namespace and what the chart makes by default, without CRDs and tests, and without what only Helm's objects have. */
export function renderObjects(helm, chart) {
  const { status, stdout, stderr } = spawnSync(
    helm,
    [
      ...['template', 'countersign', chart, '--namespace', NAMESPACE, '--kube-version', '1.31.0'],
      ...['--set', 'crds.enabled=false,tests.enabled=false'],
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`helm template: ${stderr}`);
  const objects = stdout
    .split('\n')
    .filter((line) => !/^# Source: |^ +(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): /.test(line))
    .join('\n')
    .split(/^---\n/m)
    .map((text) => text.trim())
    .filter((text) => text.replaceAll(/^#.*$/gm, '').trim() !== '');
  return [`apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${NAMESPACE}`, ...objects];
}

/** manifests/: the whole in one file, and as kustomize bases. Path → text. */
export function manifestsOf(objects, crds) {
  const generated = '# Generated from charts/countersign with its default values.';
  const files = new Map([
    [
      'manifests/install.yaml',
      `${generated} The custom resource definitions are in crds.yaml.\n${objects.join('\n---\n')}\n`,
    ],
    [
      'manifests/kustomization.yaml',
      '# All of Countersign with the default values of the chart: kubectl apply --server-side -k manifests\n' +
        kustomization(Object.keys(BASES).map((base) => `bases/${base}`)),
    ],
  ]);
  // Kustomize reads no file outside of a base's folder, so that each has its objects.
  for (const [base, about] of Object.entries(BASES)) {
    const text =
      base === 'crds' ? crds : `${generated}\n${objects.filter((o) => baseOf(o) === base).join('\n---\n')}\n`;
    files.set(`manifests/bases/${base}/${base}.yaml`, text);
    files.set(`manifests/bases/${base}/kustomization.yaml`, `# ${about}\n${kustomization([`${base}.yaml`])}`);
  }
  return files;
}

const BASES = {
  crds: 'The custom resource definitions.',
  namespace: 'The namespace of everything but the definitions.',
  'user-roles': 'Roles for people: provider, caller, viewer, and what `countersign status` reads.',
  controller: 'The controller with its rights, Service and Lease.',
  gateway: 'Envoy with its authorizer, and the Service that callers reach. Needs the controller.',
  redis:
    'One Valkey without a password, for trials. Who leaves it out sets COUNTERSIGN_REDIS_URL of controller and authorizer.',
};

const kustomization = (resources) =>
  `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n${resources.map((each) => `  - ${each}\n`).join('')}`;

function baseOf(text) {
  const { kind, metadata } = parse(text);
  if (kind === 'Namespace') return 'namespace';
  const component = metadata.labels?.['app.kubernetes.io/component'];
  const base = component ?? (/^(Cluster)?Role$/.test(kind) ? 'user-roles' : undefined);
  if (!Object.hasOwn(BASES, base ?? '')) throw new Error(`${kind} ${metadata.name} belongs to no base of manifests/`);
  return base;
}
