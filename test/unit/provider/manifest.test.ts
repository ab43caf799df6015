import { describe, expect, test } from '@jest/globals';
import {
  locateInDocument,
  parseManifest,
  pathSegments,
  type ManifestDocument,
} from '../../../src/provider/file/manifest.js';
import { readObjects } from '../../../src/provider/file/manifest-objects.js';
import { must } from '../../support/must.js';

function documents(text: string, previous?: readonly ManifestDocument[]): readonly ManifestDocument[] {
  const manifest = parseManifest(text, previous);
  if (!manifest.ok) throw new Error(`${manifest.fault.line}:${manifest.fault.column}: ${manifest.fault.message}`);
  return manifest.documents;
}
const fault = (text: string): string => {
  const manifest = parseManifest(text);
  return manifest.ok ? 'parsed' : `${manifest.fault.line}:${manifest.fault.column}: ${manifest.fault.message}`;
};

describe('a manifest', () => {
  test('may hold several documents, empty ones, comments and JSON', () => {
    expect(documents('# only a comment\n---\na: 1\n---\n---\n{"b": [2]}\n').map(({ value }) => value)).toEqual([
      null,
      { a: 1 },
      null,
      { b: [2] },
    ]);
    expect(documents('{\n\t"a": "tab-indented JSON"\n}').map(({ value }) => value)).toEqual([
      { a: 'tab-indented JSON' },
    ]);
  });

  test('reads YAML 1.2: yes and no are text, << is no merge', () => {
    expect(documents('a: yes\nb: no\nc: 0o17\n').map(({ value }) => value)).toEqual([{ a: 'yes', b: 'no', c: 15 }]);
    expect(documents('base: &b {x: 1}\nc: {<<: *b}\n')[0]?.value).toEqual({ base: { x: 1 }, c: { '<<': { x: 1 } } });
  });

  test('keeps a marker inside a block scalar that is indented', () => {
    expect(documents('text: |\n  ---\n  b\n')[0]?.value).toEqual({ text: '---\nb\n' });
  });

  test.each([
    ['a missing bracket', 'a: 1\n---\nb: [1, 2\nc: 3\n', /^[345]:\d+: /],
    ['a repeated key', 'a: 1\nb: 2\na: 3\n', /^3:1: .*unique/i],
    ['a tab as indentation', 'a:\n\tb: 1\n', /^2:\d+: /],
    ['an unknown alias', 'a: *nowhere\n', /^1:4: /],
    ['text after a document end', 'a: 1\n...\nb: 2\n', /start each document with a line ---/],
    ['NUL', 'a: "\\0"\n', /NUL/],
    ['__proto__', 'metadata:\n  labels: {__proto__: {polluted: yes}}\n', /__proto__/],
  ])('with %s is refused with its place', (_, text, message) => {
    expect(fault(text)).toMatch(message);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('cannot exhaust us by aliases, nesting or size', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`,
    );
    const started = performance.now();
    expect(fault(['l0: &l0 [lol]', ...levels].join('\n'))).toMatch(/too many aliases/);
    expect(fault('a: &a [*a]')).toMatch(/nested/);
    expect(fault('['.repeat(100_000))).not.toBe('parsed');
    expect(fault(`a: ${'['.repeat(100)}${']'.repeat(100)}`)).toMatch(/nested more than/);
    expect(fault('#'.repeat(17 * 1024 * 1024))).toMatch(/larger than 16 MiB/);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test('keeps the values of documents whose text did not change', () => {
    const before = documents('a: 1\n---\nb: 2\n---\nc: 3\n');
    const after = documents('a: 1\n---\nb: 4\n---\nc: 3\n', before);
    expect(after[0]?.value).toBe(before[0]?.value);
    expect(after[1]?.value).toEqual({ b: 4 });
    expect(after[2]?.value).toBe(before[2]?.value);
  });
});

describe('the place of a field', () => {
  const text = `# comment
kind: First
---
spec:
  apis:
  - name: a
    match: {path: {type: Exact, value: /a}}
  - name: b
metadata:
  labels:
    example.com/team: x
`;
  const document = must(documents(text)[1]);

  test.each([
    ['spec.apis[1].name', 8, 5],
    ['spec.apis[0].match.path.value', 7, 33],
    ['spec.apis[0]', 6, 5],
    ['metadata.labels["example.com/team"]', 11, 5],
  ])('%s is line %i column %i', (path, line, column) => {
    expect(locateInDocument(document, path)).toEqual({ line, column });
  });

  test('of what is not written is that of the nearest parent', () => {
    expect(locateInDocument(document, 'spec.apis[1].match.path')).toEqual({ line: 8, column: 5 });
    expect(locateInDocument(document, 'spec.backend.url')).toEqual({ line: 4, column: 1 });
    expect(locateInDocument(document, 'status')).toEqual({ line: 4, column: 1 });
  });

  test('inside a List counts from its item', () => {
    const list = must(
      documents('apiVersion: v1\nkind: List\nitems:\n- kind: A\n- kind: B\n  metadata: {name: b}\n')[0],
    );
    expect(locateInDocument(list, 'metadata.name', 'items[1]')).toEqual({ line: 6, column: 14 });
  });

  test('paths are cut at dots and brackets, quoted names stay whole', () => {
    expect(pathSegments('spec.apis[2].x["a.b/c"].d')).toEqual(['spec', 'apis', 2, 'x', 'a.b/c', 'd']);
  });
});

describe('objects of a document', () => {
  const problemsOf = (text: string): string[] =>
    documents(text)
      .flatMap(readObjects)
      .flatMap(({ problems }) => problems.map(({ path, reason }) => `${path} ${reason}`));

  test('come out of a List, which is not unpacked twice', () => {
    const text = JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } },
        { apiVersion: 'v1', kind: 'List', items: [] },
      ],
    });
    const objects = documents(text).flatMap(readObjects);
    expect(objects.map(({ root, resource }) => [root, resource?.kind])).toEqual([
      ['items[0]', 'Namespace'],
      ['items[1]', undefined],
    ]);
  });

  test.each([
    ['another API', 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}', ['apiVersion UnknownKind']],
    ['another kind of v1', 'apiVersion: v1\nkind: Pod\nmetadata: {name: a}', ['kind UnknownKind']],
    ['no object', '- just\n- a list', [' InvalidValue']],
    [
      'a Secret with loose base64',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {keyId: QUs_, secret: "!!"}',
      ['data.keyId InvalidValue', 'data.secret InvalidValue'],
    ],
    [
      'a Secret with a number',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {keyId: 12}',
      ['stringData.keyId InvalidValue'],
    ],
    ['a nameless Namespace', 'apiVersion: v1\nkind: Namespace\nmetadata: {}', ['metadata.name RequiredField']],
    [
      'a Service without a port number',
      'apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: http}]}',
      ['spec.ports[0].port InvalidValue'],
    ],
  ])('%s is a problem', (_, text, problems) => {
    expect(problemsOf(text)).toEqual(problems);
  });

  test('a problem of a Secret does not repeat its data', () => {
    const text =
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {secret: cAnArY!}\nstringData: {keyId: [cAnArY]}\n';
    expect(
      JSON.stringify(
        documents(text)
          .flatMap(readObjects)
          .map(({ problems }) => problems),
      ),
    ).not.toContain('cAnArY');
  });
});
