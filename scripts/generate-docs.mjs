// Writes the reference pages that come from tables in code. Reads dist, so build first.
// Usage: node scripts/generate-docs.mjs [--check]
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const load = (module) => import(join(root, 'dist', module));
const { REASONS } = await load('lib/reason.js');
const { GATEWAY_REASONS } = await load('app/gateway/access-log.js');
const { CONDITION_TYPES, REASONS: CONDITION_REASONS } = await load('api/conditions.js');
const { METRICS } = await load('telemetry/metrics.js');

/** One row a field of `spec`, depth first, as in the CRD. */
function fieldRows(schema, path = '', required = false) {
  const rows = [];
  const type = schema.enum
    ? schema.enum.map((value) => `\`${value}\``).join(', ')
    : schema.type === 'array'
      ? `list of ${schema.items.type}`
      : schema.type;
  if (path !== '') {
    const fallback = schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``;
    rows.push([
      code(path),
      required ? `${type}, required` : type,
      fallback,
      (schema.description ?? '').replace(/\s+/g, ' '),
    ]);
  }
  const inner = schema.type === 'array' ? schema.items : schema;
  for (const [name, member] of Object.entries(inner.properties ?? {})) {
    rows.push(
      ...fieldRows(
        member,
        `${path}${schema.type === 'array' ? '[]' : ''}${path === '' ? '' : '.'}${name}`,
        inner.required?.includes(name),
      ),
    );
  }
  return rows;
}

const examples = new Map(
  readdirSync(join(root, 'examples/minimal'))
    .map((name) => readFileSync(join(root, 'examples/minimal', name), 'utf8'))
    .map((text) => [parse(text).kind, text.trimEnd()]),
);
const kinds = readdirSync(join(root, 'crds'))
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => parse(readFileSync(join(root, 'crds', name), 'utf8')))
  .map(({ spec }) => ({
    kind: spec.names.kind,
    example: examples.get(spec.names.kind),
    short: spec.names.shortNames[0],
    schema: spec.versions[0].schema.openAPIV3Schema,
  }));

const cell = (text) => String(text).replaceAll('|', '\\|');
const code = (text) => `\`${text}\``;
const table = (heads, rows) => [
  `| ${heads.join(' | ')} |`,
  `|${heads.map(() => '---').join('|')}|`,
  ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
];
const page = (...parts) => `${parts.flat(2).join('\n')}\n`;

const pages = {
  'docs/reference/reasons.md': page(
    '# Reasons of a refusal',
    '',
    'One word from this page is in the access log (`reason`) and in the metric label; the authorizer\u2019s are also in Envoy\u2019s dynamic metadata.',
    'Allowed requests carry `ok`. Generated from the code.',
    '',
    '## Refused by the authorizer',
    '',
    'Status and code are those of `errors: Uniform`; under `errors: Vendor` a dialect answers as its vendor documents.',
    '',
    table(
      ['reason', 'status', 'code', 'cause', 'remedy'],
      Object.entries(REASONS).map(([reason, row]) => [code(reason), row.status, row.code, row.cause, row.remedy]),
    ),
    '',
    '## Refused by Envoy itself',
    '',
    'Always in the Uniform shape. `countersign run` puts these words into the access log and counts them in `countersign_gateway_refusals_total`. In a cluster Envoy writes its own log, where `details` and `flags` say why, and counts in its own metrics: `envoy_http_ext_authz_error` where the authorizer gave no answer, `envoy_http_downstream_rq_xx` by class of status ([operations](../operations.md#metrics-and-logs)).',
    '',
    table(
      ['reason', 'meaning'],
      Object.entries(GATEWAY_REASONS).map(([reason, meaning]) => [code(reason), meaning]),
    ),
  ),
  'docs/reference/conditions.md': page(
    '# Conditions',
    '',
    'What `status.conditions` says, in a cluster and at the admin address under `/status`. Problems that `lint` and `run` print use the same reasons. Generated from the code.',
    '',
    table(
      ['type', 'meaning'],
      Object.entries(CONDITION_TYPES).map(([type, meaning]) => [code(type), meaning]),
    ),
    '',
    table(
      ['reason', 'meaning'],
      Object.entries(CONDITION_REASONS).map(([reason, meaning]) => [code(reason), meaning]),
    ),
  ),
  'docs/reference/resources.md': page(
    '# Resources',
    '',
    'The fields of `spec` of the four kinds, `apiVersion: countersign.dev/v1alpha1`. In a cluster: `kubectl explain signaturekey.spec --recursive`. Generated from `crds/`; the examples are those of `examples/minimal`, which work together.',
    ...kinds.flatMap(({ kind, example, short, schema }) => [
      '',
      `## ${kind}`,
      '',
      `${schema.description.replace(/\s+/g, ' ')} Short name: \`${short}\`.`,
      '',
      '```yaml',
      example,
      '```',
      '',
      table(['field', 'type', 'default', 'meaning'], fieldRows(schema.properties.spec)),
    ]),
  ),
  'docs/reference/metrics.md': page(
    '# Metrics',
    '',
    'At the admin address under `/metrics`, in the Prometheus text format, beside those of the Node process. Labels are closed lists or names of resources. Generated from the code.',
    '',
    table(
      ['metric', 'type', 'labels', 'meaning'],
      Object.values(METRICS).map(({ name, type, labels, help }) => [
        code(name),
        type,
        labels.map(code).join(', '),
        help,
      ]),
    ),
  ),
};

const stale = Object.entries(pages).filter(
  ([path, text]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text,
);
if (process.argv.includes('--check')) {
  if (stale.length > 0) {
    console.error(`${stale.map(([path]) => path).join(', ')} differ from the code. Run: npm run generate`);
    process.exit(1);
  }
} else {
  for (const [path, text] of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    console.log(path);
  }
}
