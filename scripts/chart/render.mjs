// Renders the chart by helm, as plain manifests have it.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

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

/** The chart with its defaults, without CRDs and tests, and without what only Helm's own objects have. */
export function renderInstall(helm, chart) {
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
  return [
    '# Generated from charts/countersign with its default values. The custom resource definitions are in crds.yaml.',
    `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${NAMESPACE}`,
    ...objects.map((text) => `---\n${text}`),
    '',
  ].join('\n');
}
