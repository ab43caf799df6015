/** A plan in a file that does not parse at the start must not set its keys free. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Folder } from '../../../src/provider/file/folder.js';
import { tornObjects } from '../../../src/provider/file/torn-manifest.js';
import { translate } from '../../../src/translate/translate.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend } from '../../support/resources/resources.js';

let path: string;
const write = (file: string, text: string) => writeFileSync(join(path, file), text);
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'countersign-torn-plan-'));
  write(
    'all.yaml',
    toYaml(
      ...importedKey('app', 'AKIDtorn000000000001', 'torn-secret-00000001'),
      ...importedKey('other', 'AKIDtorn000000000002', 'torn-secret-00000002'),
      apiGroup('orders', { verification: { dialects: ['Huawei'] }, backend: urlBackend(9000) }),
      grant('orders', ['app', 'other'], 'orders'),
    ),
  );
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

async function served(folder: Folder) {
  await folder.scan();
  const { resources, problems } = folder.publication;
  const context = { nowMs: 0, services: new Map(), allowedBackendHosts: 'Any', hostnameClaims: [] } as const;
  const { model, problems: told } = translate(resources, context);
  return {
    plans: model.plans.map(({ key, valid, callerKeys }) => ({ key, valid, callerKeys })),
    told: [...problems, ...told].map(({ message }) => message).join('\n'),
    places: told.map(({ object, path: at }) => folder.locate(object, at)?.file),
  };
}

const plan = (spec: string) => `apiVersion: countersign.dev/v1alpha1
kind: UsagePlan
metadata: {name: gold, namespace: shop}
spec:
${spec}`;
const BINDINGS = `  keys: {refs: [{name: app}]}
  targets: [{apiGroup: orders, environment: release, apis: ["*"]}]
`;
const refusing = (...names: readonly string[]) => [
  { key: 'shop/gold', valid: false, callerKeys: names.map((name) => `shop/${name}`) },
];

describe('a plan in a file that does not parse at the start', () => {
  test.each<[string, string, readonly string[]]>([
    ['after its bindings', plan(`${BINDINGS}  quotas: [{name: daily, requests: 0, period: Day]\n`), ['app']],
    ['before its bindings', plan(`  quotas: [{name: daily, requests: 0\n${BINDINGS}`), ['app', 'other']],
    ['among its bindings', plan('  keys: {refs: [{name: app}\n  targets: []\n'), ['app', 'other']],
    ['at its first line', `apiVersion: a: b\n${plan(BINDINGS).replace(/^.*\n/, '')}`, ['app', 'other']],
    ['in another object', `${plan(`${BINDINGS}  quotas: []\n`)}---\nkind: Secret\nstringData: {a: [\n`, ['app']],
    ['in a document too large to be looked at', `${plan(BINDINGS)}# ${'x'.repeat(70_000)}\n  a: [\n`, ['app', 'other']],
  ])('refuses the calls of the keys that it can have bound, where the fault is %s', async (_where, text, names) => {
    write('plan.yaml', text);
    const folder = new Folder(path);
    const { plans, told, places } = await served(folder);
    expect(plans).toEqual(refusing(...names));
    expect(told).toContain('the plan has errors; it refuses its requests until they are mended');
    expect(places).toContain('plan.yaml');
    // The same while the text changes and is none yet, until it is one, or is gone.
    write('plan.yaml', `${text}# more\n`);
    expect((await served(folder)).plans).toEqual(refusing(...names));
    write('plan.yaml', plan(`${BINDINGS}  quotas: [{name: daily, requests: 5, period: Day}]\n`));
    expect((await served(folder)).plans).toMatchObject([{ key: 'shop/gold', valid: true, callerKeys: ['shop/app'] }]);
  });

  test('refuses in its own namespace, whatever other names its text says', async () => {
    write(
      'plan.yaml',
      `kind: UsagePlan
metadata: {name: silver}
spec:
  keys: {refs: [{name: app, namespace: shop}]}
  targets: [{apiGroup: orders, environment: release, apis: ["*"]}]
  quotas: [{name: daily, requests: 5
`,
    );
    const folder = new Folder(path);
    await folder.scan();
    expect(folder.publication.resources.remains).toMatchObject([{ namespace: 'default', name: 'silver' }]);
    write(
      'plan.yaml',
      `kind: UsagePlan\nmetadata: {name: silver, : [\nspec:\n  keys: {refs: [{name: app, namespace: shop}]}\n`,
    );
    const other = new Folder(path);
    await other.scan();
    expect(other.publication.resources.remains).toMatchObject([{ namespace: 'default', name: 'silver' }]);
  });

  test('refuses no more when the file is gone', async () => {
    write('plan.yaml', plan('  keys: ['));
    const folder = new Folder(path);
    expect((await served(folder)).plans).toHaveLength(1);
    rmSync(join(path, 'plan.yaml'));
    expect((await served(folder)).plans).toEqual([]);
  });

  test('is no matter where another file has the plan', async () => {
    write('plan.yaml', plan('  keys: ['));
    write('good.yaml', plan(`${BINDINGS}  quotas: [{name: daily, requests: 5, period: Day}]\n`));
    expect((await served(new Folder(path))).plans).toMatchObject([{ key: 'shop/gold', valid: true }]);
  });
});

test('wherever a fault is put into the text, what is read of the bindings is all of them or unknown', async () => {
  const text = plan(`  keys: {refs: [{name: app}, {name: other}]}
  targets:
  - apiGroup: orders
    environment: release
    apis: [list, get]
  quotas: [{name: daily, requests: 5, period: Day}]
`);
  const seen = new Set<string>();
  for (const fault of ['}', '"', ': [', '\n- x\n'])
    for (let at = 0; at <= text.length; at += 1)
      for (const { remains } of await tornObjects(text.slice(0, at) + fault + text.slice(at))) {
        if (remains?.kind !== 'UsagePlan' || remains.name !== 'gold') continue;
        const { keys, targets } = remains;
        seen.add(JSON.stringify([keys?.refs?.length, targets?.length, targets?.[0]?.apis?.length]));
      }
  for (const each of seen) expect(each).toMatch(/^\[(2|null),(1|null),(2|null)\]$/);
  expect([...seen]).toEqual(expect.arrayContaining(['[2,1,2]', '[2,null,null]', '[null,null,null]']));
}, 60_000);

test('a file that comes broken later stops nothing', async () => {
  const folder = new Folder(path);
  expect((await served(folder)).plans).toEqual([]);
  write('plan.yaml', plan('  keys: ['));
  expect((await served(folder)).plans).toEqual([]);
});

test('a group in a file that does not parse at the start holds its base path', async () => {
  write(
    'group.yaml',
    'kind: ApiGroup\nmetadata: {name: inner, namespace: shop}\nspec:\n  hostnames: [api.example.com]\n  basePath: /orders/inner\n  apis: [\n',
  );
  const folder = new Folder(path);
  await folder.scan();
  const context = { nowMs: 0, services: new Map(), allowedBackendHosts: 'Any', hostnameClaims: [] } as const;
  const { model } = translate(folder.publication.resources, context);
  expect(model.groups.find(({ name }) => name === 'inner')).toMatchObject({
    basePath: '/orders/inner',
    environments: [],
  });
  // Also where the fault is before it.
  write(
    'group.yaml',
    'kind: ApiGroup\nmetadata: {name: inner, namespace: shop}\nspec:\n  hostnames: [a\n  basePath: /orders/inner\n',
  );
  const torn = new Folder(path);
  await torn.scan();
  expect(torn.publication.resources.remains).toMatchObject([
    { name: 'inner', namespace: 'shop', basePath: '/orders/inner', unreadHostnames: true },
  ]);
});
