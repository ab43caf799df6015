// Makes what the chart takes from elsewhere: RBAC rules and the admission policy (from dist/), values.schema.json and
// README.md (from values.yaml), and of manifests/ all but crds.yaml (by helm, where it is found on PATH or in
// KUBEBUILDER_ASSETS). Usage: node scripts/generate-chart.mjs [--check]. Needs: npm run build.
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { keyDeletionPolicy } from '../dist/provider/kubernetes/admission-policy.js';
import * as rbac from '../dist/provider/kubernetes/rbac.js';
import { chartTable, chartSchema } from './chart/values.mjs';
import { findProgram, manifestsOf, renderObjects } from './chart/render.mjs';

const root = join(import.meta.dirname, '..');
const CHART = 'charts/countersign';
const helm = findProgram('helm');
const yaml = (value) => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
const FULLNAME = '{{ include "countersign.fullname" . }}';
const wanted = new Map([
  [`${CHART}/templates/_rules.tpl`, rulesTemplate()],
  [`${CHART}/templates/access/user-roles.yaml`, userRolesTemplate()],
  [`${CHART}/templates/access/admission-policy.yaml`, admissionPolicyTemplate()],
]);
const values = readFileSync(join(root, CHART, 'values.yaml'), 'utf8');
wanted.set(`${CHART}/values.schema.json`, `${JSON.stringify(chartSchema(values), null, 2)}\n`);
wanted.set(`${CHART}/README.md`, chartTable(values));

/** Helm actions inside of `text` that were put there as plain words. */
function rulesTemplate() {
  const define = (name, rules) => `{{- define "countersign.rules.${name}" -}}\n${yaml(rules)}{{- end }}\n`;
  const LEASE = '{{ include "countersign.controller.fullname" . }}';
  return [
    '{{/* Generated from src/provider/kubernetes/rbac.ts. */}}\n',
    define('cluster', rbac.CLUSTER_RULES),
    define('namespace', rbac.NAMESPACE_RULES),
    define('ownNamespace', rbac.ownNamespaceRules(LEASE)),
    define('certificates', rbac.certificateRules(FULLNAME)),
    define('status', rbac.statusRules(LEASE)),
  ].join('');
}

/** The object with the chart's metadata in place of its own. */
function asTemplate({ apiVersion, kind, metadata, ...rest }, suffix, namespace = 'none') {
  const { annotations, labels } = metadata;
  const scope = [
    '"root" $ "component" ""',
    `"namespace" ${namespace === 'none' ? '"none"' : namespace}`,
    `"name" (printf "%s${suffix}" (include "countersign.fullname" $))`,
    ...(annotations ? [`"annotations" (${dict(annotations)})`] : []),
    ...(labels ? [`"labels" (ternary (${dict(labels)}) dict $.Values.userRoles.aggregate)`] : []),
  ].join(' ');
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata:\n  {{- include "countersign.metadata" (dict ${scope}) | nindent 2 }}\n${yaml(rest)}`;
}

function dict(entries) {
  return `dict ${Object.entries(entries)
    .flatMap((pair) => pair.map((text) => JSON.stringify(text)))
    .join(' ')}`;
}

function userRolesTemplate() {
  const roles = rbac.USER_ROLES.map((role) => asTemplate(rbac.userClusterRole(role, '', true), `-${role.name}`));
  const status = asTemplate(
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: {} },
    '-status',
    '$.Release.Namespace',
  ).replace('{}\n', '');
  return [
    '{{- /* Generated from src/provider/kubernetes/rbac.ts. */}}\n{{- if .Values.userRoles.create }}\n',
    roles.join('---\n'),
    '---\n# For `countersign status`, besides the viewer.\n',
    status,
    'rules:\n  {{- include "countersign.rules.status" . | trim | nindent 2 }}\n',
    '{{- end }}\n',
  ].join('');
}

function admissionPolicyTemplate() {
  const [policy, binding] = structuredClone(keyDeletionPolicy('NAME'));
  // By name: whoever may write a key could give it any label or annotation.
  const ofTest = [
    '{{- if include "countersign.test.enabled" . }}',
    '    # `helm test` makes this key and deletes it.',
    '    - name: not-of-helm-test',
    `      expression: "!(oldObject.metadata.namespace == '{{ include "countersign.test.namespace" . }}' && oldObject.metadata.name == '${FULLNAME}-test')"`,
    '{{- end }}',
  ].join('\n');
  binding.spec.policyName = `${FULLNAME}-keys`;
  const text = [policy, binding]
    .map((object) => asTemplate(object, '-keys'))
    .join('---\n')
    .replace(/^ {2}validations:$/m, () => `${ofTest}\n  validations:`);
  return `{{- /* Generated from src/provider/kubernetes/admission-policy.ts. */}}\n{{- if .Values.admissionPolicy.enabled }}\n${text}{{- end }}\n`;
}

/** `whole`: a folder that holds nothing else. */
function settle(files, whole) {
  const stale = [...files].filter(
    ([path, text]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text,
  );
  const extra =
    whole === undefined ? [] : globSync(`${whole}/**/*.yaml`, { cwd: root }).filter((path) => !files.has(path));
  if (process.argv.includes('--check')) {
    const wrong = [...stale.map(([path]) => path), ...extra];
    if (wrong.length === 0) return;
    console.error(`${wrong.join(', ')}: not what they are made of. Run: npm run generate`);
    process.exit(1);
  }
  for (const [path, text] of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  for (const path of extra) rmSync(join(root, path));
}

settle(wanted);
if (helm === undefined) console.error('manifests/ is not looked at: helm is neither on PATH nor in KUBEBUILDER_ASSETS');
else {
  const crds = readFileSync(join(root, 'manifests/crds.yaml'), 'utf8');
  settle(manifestsOf(renderObjects(helm, join(root, CHART)), crds), 'manifests/bases');
}
