/** An object whose kind is a slip of the pen must neither lose what it was before nor open what it was to close. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Model } from '../../../src/model/model.js';
import type { Publication } from '../../../src/provider/provider.js';
import { Folder } from '../../../src/provider/file/folder.js';
import { translate } from '../../../src/translate/translate.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend, usagePlan } from '../../support/resources/resources.js';

let path: string;
let folder: Folder;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'countersign-misspelt-kind-'));
  folder = new Folder(path);
  write(
    'all.yaml',
    toYaml(
      ...importedKey('app', 'AKIDmisspelt00000001', 'misspelt-secret-001'),
      apiGroup('outer', { basePath: '/', access: { authentication: 'None' }, backend: urlBackend(9000) }),
      grant('orders', ['app'], 'orders'),
    ),
  );
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

const write = (file: string, text: string): void => writeFileSync(join(path, file), text);
const GROUP = toYaml(apiGroup('orders', { verification: { dialects: ['Huawei'] }, backend: urlBackend(9000) }));
const PLAN = toYaml(usagePlan('gold', ['app'], 'orders', { quotas: [{ name: 'daily', requests: 5, period: 'Day' }] }));

interface Seen {
  readonly publication: Publication;
  readonly model: Model;
  readonly told: readonly string[];
}

async function look(): Promise<Seen> {
  await folder.scan();
  const { publication } = folder;
  const context = { nowMs: 0, services: new Map(), allowedBackendHosts: 'Any', hostnameClaims: [] } as const;
  const { model } = translate(publication.resources, context);
  return { publication, model, told: publication.problems.map(({ message }) => message) };
}

const placeOf = ({ model }: Seen, key: string) => model.groups.find((group) => group.key === key);
const PLAN_SLIPS = ['kind: UsagePlans', 'kind: usageplan', 'kidn: UsagePlan', 'Kind: UsagePlan', 'kind:', 'note: none'];
const GROUP_SLIPS = ['kind: APIGroup', 'kind: ApiGruop', 'kidn: ApiGroup', 'kind: 7', 'note: none'];

describe('an edit', () => {
  beforeEach(async () => {
    write('group.yaml', GROUP);
    write('plan.yaml', PLAN);
    await look();
  });

  test.each(PLAN_SLIPS)('with %s keeps the plan, for as long as it stands', async (slip) => {
    write('plan.yaml', PLAN.replace('kind: UsagePlan', slip));
    for (let i = 0; i < 2; i += 1) {
      const { model, publication, told } = await look();
      expect(model.plans).toMatchObject([{ key: 'shop/gold', valid: true, quotas: [{ requests: 5 }] }]);
      expect([...(publication.kept ?? [])]).toEqual(['UsagePlan/shop/gold']);
      expect(publication.resources.refused).toBeUndefined();
      expect(told.at(-1)).toMatch(/; the version before stays in service$/);
      // Something else of the folder changes.
      write('more.yaml', toYaml(grant('more', ['app'], 'orders')));
    }
    write('plan.yaml', '');
    expect((await look()).model.plans).toEqual([]);
  });

  test.each(GROUP_SLIPS)('with %s keeps the group before the one around it', async (slip) => {
    write('group.yaml', GROUP.replace('kind: ApiGroup', slip));
    const seen = await look();
    expect(placeOf(seen, 'shop/orders')?.environments).toHaveLength(1);
    expect(placeOf(seen, 'shop/outer')).toBeDefined();
  });

  test('that loses the apiVersion as well keeps what the file held under the name', async () => {
    write('plan.yaml', PLAN.replace(/^apiVersion: .*\n/, '').replace('kind: UsagePlan', 'kind: UsagePlans'));
    expect((await look()).model.plans).toMatchObject([{ key: 'shop/gold', valid: true }]);
  });

  test('keeps the objects of one name apart', async () => {
    const named = GROUP.replace('name: orders', 'name: gold').replace('/orders', '/gold');
    write('plan.yaml', `${PLAN}---\n${named}`);
    await look();
    // The plan is gone on purpose; what is misspelt is the group.
    write('plan.yaml', named.replace('kind: ApiGroup', 'kind: ApiGroups'));
    const { model, publication } = await look();
    expect(model.plans).toEqual([]);
    expect([...publication.resources.ApiGroup.keys()]).toContain('shop/gold');
    // Of two that say nothing each keeps its own.
    write('plan.yaml', `${PLAN}---\n${named}`);
    await look();
    write('plan.yaml', `${PLAN}---\n${named}`.replace(/kind: (UsagePlan|ApiGroup)\n/g, ''));
    const both = await look();
    expect(both.model.plans).toMatchObject([{ valid: true }]);
    expect([...both.publication.resources.ApiGroup.keys()]).toContain('shop/gold');
  });

  test('that replaces an object by one of somebody else with its name deletes it', async () => {
    write('plan.yaml', 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: gold, namespace: shop}\n');
    expect((await look()).model.plans).toEqual([]);
  });

  test('that defines the object well in another file lets that one serve', async () => {
    write('plan.yaml', PLAN.replace('kind: UsagePlan', 'kind: UsagePlans'));
    write('z.yaml', PLAN.replace('requests: 5', 'requests: 7'));
    expect((await look()).model.plans).toMatchObject([{ valid: true, quotas: [{ requests: 7 }] }]);
  });
});

describe('at start', () => {
  test.each(PLAN_SLIPS)('a plan with %s binds its keys and refuses', async (slip) => {
    write('group.yaml', GROUP);
    write('plan.yaml', PLAN.replace('kind: UsagePlan', slip));
    const { model, publication } = await look();
    expect(model.plans).toMatchObject([{ key: 'shop/gold', valid: false, callerKeys: ['shop/app'] }]);
    expect([...(publication.resources.refused ?? [])]).toContain('UsagePlan/shop/gold');
    write('plan.yaml', PLAN);
    expect((await look()).model.plans).toMatchObject([{ valid: true }]);
  });

  test.each(GROUP_SLIPS)('a group with %s holds its base path before the one around it', async (slip) => {
    write('group.yaml', GROUP.replace('kind: ApiGroup', slip));
    expect(placeOf(await look(), 'shop/orders')).toMatchObject({ basePath: '/orders', environments: [] });
  });

  test('a plan whose apiVersion says nothing either refuses', async () => {
    write('group.yaml', GROUP);
    write('plan.yaml', PLAN.replace(/^apiVersion: .*\n/, '').replace('kind: UsagePlan', 'kind: UsagePlans'));
    expect((await look()).model.plans).toMatchObject([{ valid: false }]);
  });

  test('a plan of another apiVersion refuses', async () => {
    write('group.yaml', GROUP);
    write('plan.yaml', PLAN.replace(/^apiVersion: .*$/m, 'apiVersion: v1'));
    expect((await look()).model.plans).toMatchObject([{ valid: false }]);
  });

  test('a misspelt field kind is told', async () => {
    write('plan.yaml', PLAN.replace('kind: UsagePlan', 'kidn: UsagePlan'));
    expect((await look()).told.join('\n')).toContain('did you mean "kind"?');
  });
});
