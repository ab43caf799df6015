// values.yaml → JSON schema and table. Each value has `# -- meaning` above it, and may have `# @schema {…}` before that.
import { isMap, isSeq, parseDocument } from 'yaml';

/** @typedef {{ path: string[], about: string | undefined, value: unknown, schema: Record<string, unknown> | undefined, children: Entry[] }} Entry */

/** @returns {Entry[]} */
function entriesOf(map, path, document, inherited) {
  return map.items.map((pair, index) => {
    const key = String(pair.key.value);
    const here = [...path, key];
    const comment = (pair.key.commentBefore ?? (index === 0 ? inherited : undefined) ?? '')
      .split('\n')
      .map((l) => l.trim());
    const about =
      comment
        .filter((line) => line.startsWith('-- '))
        .map((line) => line.slice(3))
        .join(' ') || undefined;
    const extra = comment.find((line) => line.startsWith('@schema '));
    const schema = extra && JSON.parse(extra.slice('@schema '.length));
    const node = pair.value;
    // A documented map is a value of its own, as Kubernetes has it; the others are groups of values.
    const isGroup = about === undefined && isMap(node);
    if (about === undefined && !isGroup) throw new Error(`${here.join('.')} has no meaning in values.yaml`);
    return {
      path: here,
      about: about ?? comment.filter((l) => l && !l.startsWith('@')).join(' '),
      value: isGroup ? undefined : (node?.toJS?.(document) ?? null),
      schema,
      children: isGroup ? entriesOf(node, here, document, node.commentBefore) : [],
    };
  });
}

function read(text) {
  const document = parseDocument(text);
  const map = document.contents;
  if (!isMap(map)) throw new Error('values.yaml holds no map');
  return entriesOf(map, [], document, map.commentBefore);
}

function typeOf(value) {
  if (Array.isArray(value)) return 'array';
  if (Number.isInteger(value)) return 'integer';
  return value === null ? 'null' : typeof value;
}

const schemaOf = ({ about, value, schema, children }) =>
  children.length > 0
    ? { ...(about && { description: about }), ...closed(children) }
    : { description: about, type: typeOf(value), ...schema };

const closed = (entries) => ({
  type: 'object',
  additionalProperties: false,
  properties: Object.fromEntries(entries.map((entry) => [entry.path.at(-1), schemaOf(entry)])),
});

export function chartSchema(text) {
  const { properties, ...rest } = closed(read(text));
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart countersign',
    ...rest,
    properties: {
      ...properties,
      // A parent chart passes it on to all of its parts.
      global: { description: 'Values of a parent chart; not used.', type: 'object' },
    },
  };
}

const leaves = (entries) => entries.flatMap((entry) => (entry.children.length > 0 ? leaves(entry.children) : [entry]));

const cell = (text) => text.replaceAll('|', '\\|');

export function chartTable(text) {
  const rows = leaves(read(text)).map(
    ({ path, value, about }) => `| \`${path.join('.')}\` | \`${cell(JSON.stringify(value))}\` | ${cell(about)} |`,
  );
  return [
    '# countersign',
    '',
    'Signed-API access control for Kubernetes and Envoy: controller, gateway (Envoy with its authorizer), custom resource definitions.',
    '',
    '```sh',
    'helm install countersign charts/countersign --namespace countersign-system --create-namespace --wait',
    'helm test countersign --namespace countersign-system',
    '```',
    '',
    'Scenarios with their values are in [`ci/`](ci). Needs Kubernetes 1.31 or later.',
    '',
    '## Values',
    '',
    'Generated from `values.yaml`; `values.schema.json` refuses any other name.',
    '',
    '| value | default | meaning |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
