// Copies crds/ into the chart (as templates with `crds.enabled` and `crds.keep`) and into manifests/crds.yaml.
// Usage: node scripts/generate-manifests.mjs [--check]
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const crds = readdirSync(join(root, 'crds'))
  .filter((f) => f.endsWith('.yaml'))
  .sort()
  .map((name) => [name, readFileSync(join(root, 'crds', name), 'utf8').trimEnd()]);
const wanted = new Map([['manifests/crds.yaml', `${crds.map(([, text]) => text).join('\n---\n')}\n`]]);
for (const [name, text] of crds) {
  // Braces of CEL and examples must reach the cluster as they are, not as Helm actions.
  const escaped = text.replaceAll('{{', "{{ '{{' }}");
  const kept = /^ {2}annotations:\n/m.test(escaped)
    ? escaped.replace(
        /^ {2}annotations:\n/m,
        '  annotations:\n    {{- if .Values.crds.keep }}\n    helm.sh/resource-policy: keep\n    {{- end }}\n',
      )
    : escaped.replace(
        /^metadata:\n/m,
        'metadata:\n  {{- if .Values.crds.keep }}\n  annotations:\n    helm.sh/resource-policy: keep\n  {{- end }}\n',
      );
  wanted.set(
    `charts/countersign/templates/crd-${name.replace('countersign.dev_', '')}`,
    `{{- if .Values.crds.enabled }}\n${kept}\n{{- end }}\n`,
  );
}
const stale = [...wanted].filter(
  ([path, text]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text,
);
if (process.argv.includes('--check')) {
  if (stale.length > 0) {
    console.error(`${stale.map(([path]) => path).join(', ')} differ from crds/. Run: npm run generate`);
    process.exit(1);
  }
} else {
  for (const [path, text] of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}
