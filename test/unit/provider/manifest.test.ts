import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, expect, test } from '@jest/globals';
import {
  locateInDocument,
  parseManifest,
  pathSegments,
  type ManifestDocument,
} from '../../../src/provider/file/manifest.js';
import { readObjects } from '../../../src/provider/file/manifest-objects.js';
import { must } from '../../support/must.js';

async function documents(text: string, previous?: readonly ManifestDocument[]): Promise<readonly ManifestDocument[]> {
  const manifest = await parseManifest(text, previous);
  if (!manifest.ok) throw new Error(`${manifest.fault.line}:${manifest.fault.column}: ${manifest.fault.message}`);
  return manifest.documents;
}
const fault = async (text: string): Promise<string> => {
  const manifest = await parseManifest(text);
  return manifest.ok ? 'parsed' : `${manifest.fault.line}:${manifest.fault.column}: ${manifest.fault.message}`;
};

describe('a manifest', () => {
  test('may hold several documents, empty ones, comments and JSON', async () => {
    expect((await documents('# only a comment\n---\na: 1\n---\n---\n{"b": [2]}\n')).map(({ value }) => value)).toEqual([
      null,
      { a: 1 },
      null,
      { b: [2] },
    ]);
    expect((await documents('{\n\t"a": "tab-indented JSON"\n}')).map(({ value }) => value)).toEqual([
      { a: 'tab-indented JSON' },
    ]);
  });

  test('reads YAML 1.2: yes and no are text, << is no merge', async () => {
    expect((await documents('a: yes\nb: no\nc: 0o17\n')).map(({ value }) => value)).toEqual([
      { a: 'yes', b: 'no', c: 15 },
    ]);
    expect((await documents('base: &b {x: 1}\nc: {<<: *b}\n'))[0]?.value).toEqual({
      base: { x: 1 },
      c: { '<<': { x: 1 } },
    });
  });

  test('keeps a marker inside a block scalar that is indented', async () => {
    expect((await documents('text: |\n  ---\n  b\n'))[0]?.value).toEqual({ text: '---\nb\n' });
  });

  test.each([
    ['a missing bracket', 'a: 1\n---\nb: [1, 2\nc: 3\n', /^[345]:\d+: /],
    ['a repeated key', 'a: 1\nb: 2\na: 3\n', /^3:1: .*unique/i],
    ['a tab as indentation', 'a:\n\tb: 1\n', /^2:\d+: /],
    ['an unknown alias', 'a: *nowhere\n', /^1:4: /],
    ['text after a document end', 'a: 1\n...\nb: 2\n', /start each document with a line ---/],
    ['a repeated key of a flow map', '# one\na: {b: 1, "b": 2}\n', /^2:11: Map keys must be unique/],
    ['two keys that are one member', 'a:\n  1: x\n  "1": y\n', /^3:3: Map keys must be unique/],
    ['a list as a key', 'a:\n  [x]: 1\n', /^2:3: Map keys must be plain text/],
    ['NUL', 'a: "\\0"\n', /NUL/],
    ['__proto__', 'metadata:\n  labels: {__proto__: {polluted: yes}}\n', /__proto__/],
  ])('with %s is refused with its place', async (_, text, message) => {
    expect(await fault(text)).toMatch(message);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('cannot exhaust us by aliases, nesting or size', async () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`,
    );
    const started = performance.now();
    expect(await fault(['l0: &l0 [lol]', ...levels].join('\n'))).toMatch(/too many aliases/);
    expect(await fault('a: &a [*a]')).toMatch(/nested/);
    expect(await fault('['.repeat(100_000))).not.toBe('parsed');
    expect(await fault(`a: ${'['.repeat(100)}${']'.repeat(100)}`)).toMatch(/nested more than/);
    expect(await fault('#'.repeat(17 * 1024 * 1024))).toMatch(/larger than 16 MiB/);
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  // Each took the library's own checks, or the search for places, time in the square of its size.
  const lines = (count: number, line: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => line(i)).join('\n');
  test.each([
    ['keys', lines(12_000, (i) => `k${i}: 1`), /10001:1: a map with more than 10000 keys/],
    ['keys of a flow map', `{${lines(12_000, (i) => `k${i}: 1,`)}}`, /a map with more than 10000 keys/],
    ['items', lines(40_000, () => '- 1'), /10001:3: a list with more than 10000 items/],
    ['aliases', `a: &a 1\nb:\n${lines(9_000, () => '- *a')}`, /too many aliases/],
    ['aliases of many anchors', lines(9_000, (i) => `k${i}: [&a${i} 1, *a${i}]`), /too many aliases/],
    ['errors', lines(20_000, () => '"a" "b"'), /^\d+:\d+: /],
    ['bytes in one document', `a: "${'x'.repeat(1024 * 1024)}"`, /1:1: a document larger than 1 MiB/],
    ['parts', lines(40_000, (i) => `k${i}: 1`), /a document of too many parts/],
    ['documents', '---\n'.repeat(50_001), /50001:1: more than 50000 documents/],
  ])('of too many %s is refused at once', async (_, text, message) => {
    const started = performance.now();
    expect(await fault(text)).toMatch(message);
    expect(performance.now() - started).toBeLessThan(12_000);
  });

  test('of 20,000 documents lets others run while it is read', async () => {
    const delays = monitorEventLoopDelay({ resolution: 5 });
    delays.enable();
    expect(await documents('---\nkind: Key\nmetadata: {name: a, labels: {b: c}}\n'.repeat(20_000))).toHaveLength(
      20_000,
    );
    delays.disable();
    // A machine that runs other tests too is late at times by itself.
    expect(delays.percentile(90) / 1e6).toBeLessThan(50);
  });

  test('keeps the values of documents whose text did not change', async () => {
    const before = await documents('a: 1\n---\nb: 2\n---\nc: 3\n');
    const after = await documents('a: 1\n---\nb: 4\n---\nc: 3\n', before);
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
  const second = async (): Promise<ManifestDocument> => must((await documents(text))[1]);

  test.each([
    ['spec.apis[1].name', 8, 5],
    ['spec.apis[0].match.path.value', 7, 33],
    ['spec.apis[0]', 6, 5],
    ['metadata.labels["example.com/team"]', 11, 5],
  ])('%s is line %i column %i', async (path, line, column) => {
    expect(locateInDocument(await second(), path)).toEqual({ line, column });
  });

  test('of what is not written is that of the nearest parent', async () => {
    expect(locateInDocument(await second(), 'spec.apis[1].match.path')).toEqual({ line: 8, column: 5 });
    expect(locateInDocument(await second(), 'spec.backend.url')).toEqual({ line: 4, column: 1 });
    expect(locateInDocument(await second(), 'status')).toEqual({ line: 4, column: 1 });
  });

  test('inside a List counts from its item', async () => {
    const list = must(
      (await documents('apiVersion: v1\nkind: List\nitems:\n- kind: A\n- kind: B\n  metadata: {name: b}\n'))[0],
    );
    expect(locateInDocument(list, 'metadata.name', 'items[1]')).toEqual({ line: 6, column: 14 });
  });

  test('paths are cut at dots and brackets, quoted names stay whole', () => {
    expect(pathSegments('spec.apis[2].x["a.b/c"].d')).toEqual(['spec', 'apis', 2, 'x', 'a.b/c', 'd']);
  });
});

describe('objects of a document', () => {
  const problemsOf = async (text: string): Promise<string[]> =>
    (await documents(text))
      .flatMap(readObjects)
      .flatMap(({ problems }) => problems.map(({ path, reason }) => `${path} ${reason}`));

  test('come out of a List, which is not unpacked twice', async () => {
    const text = JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } },
        { apiVersion: 'v1', kind: 'List', items: [] },
      ],
    });
    const objects = (await documents(text)).flatMap(readObjects);
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
  ])('%s is a problem', async (_, text, problems) => {
    expect(await problemsOf(text)).toEqual(problems);
  });

  test('a problem of a Secret does not repeat its data', async () => {
    const text =
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {secret: cAnArY!}\nstringData: {keyId: [cAnArY]}\n';
    expect(JSON.stringify((await documents(text)).flatMap(readObjects).map(({ problems }) => problems))).not.toContain(
      'cAnArY',
    );
  });
});
