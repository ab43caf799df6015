/** Who was in a folder first: told from names, dates, files and restarts. Decision 10. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { comparePlans } from '../../../src/model/model.js';
import { Folder } from '../../../src/provider/file/folder.js';
import { type FolderMemory, NO_MEMORY, readMemory, writeMemory } from '../../../src/provider/file/folder-memory.js';
import { translate } from '../../../src/translate/translate.js';
import { apiGroup, importedKey, toYaml, urlBackend, usagePlan } from '../../support/resources/resources.js';

const START_MS = Date.parse('2027-01-01T00:00:00Z');
let path: string;
let state: string;
let nowMs: number;
let folder: Folder;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'countersign-first-seen-'));
  state = join(path, '.countersign');
  nowMs = START_MS;
  folder = new Folder(path, () => nowMs);
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

const write = (file: string, text: string): void => writeFileSync(join(path, file), text);
const remove = (file: string): void => rmSync(join(path, file));
const inNamespace = (text: string, namespace: string): string =>
  text.replaceAll('namespace: shop', `namespace: ${namespace}`);
const group = (name: string, namespace = 'shop', written?: string): string =>
  inNamespace(
    toYaml(
      apiGroup(name, {
        hostnames: ['api.example.com'],
        basePath: '/items',
        access: { authentication: 'None' },
        backend: urlBackend(9000),
      }),
    ),
    namespace,
  ).replace(`name: ${name}\n`, `name: ${name}\n${written === undefined ? '' : `  creationTimestamp: ${written}\n`}`);
const key = (name: string, namespace = 'shop'): string =>
  inNamespace(toYaml(...importedKey(name, 'AKIDfirstseen0000001', 'first-seen-secret-01')), namespace);

interface Seen {
  /** Groups and keys in service. */
  readonly served: readonly string[];
  readonly told: readonly string[];
}

/** What would be served after a look, `seconds` after the last. */
async function look(seconds = 60): Promise<Seen> {
  nowMs += seconds * 1000;
  await folder.scan();
  const { resources, problems } = folder.publication;
  const context = { services: new Map(), allowedBackendHosts: 'Any', hostnameClaims: [], singleOwner: true } as const;
  const { model, problems: translated } = translate(resources, { ...context, nowMs });
  return {
    served: [
      ...model.groups.filter(({ hostnames }) => hostnames.length > 0).map((each) => each.key),
      ...model.callerKeys.map((each) => each.key),
    ],
    told: [...problems, ...translated].map(({ reason, object }) => `${reason} ${object.namespace}/${object.name}`),
  };
}

const restart = (memory: FolderMemory = folder.memory): void => {
  folder = new Folder(path, () => nowMs, memory);
};
const restartFromDisk = async (): Promise<void> => {
  await writeMemory(state, folder.memory);
  restart(await readMemory(state));
};

describe('a newcomer that claims what another serves', () => {
  test.each([
    ['of another namespace', group('items2', 'aaa')],
    ['of the same namespace', group('a')],
    ['with an old date in its metadata', group('items2', 'aaa', '2001-01-01T00:00:00Z')],
    ['that is refused', group('items2', 'aaa').replace('errors:', 'erors:')],
  ])('%s does not get it, after a restart neither', async (_, newcomer) => {
    write('z.yaml', group('items'));
    expect((await look()).served).toEqual(['shop/items']);
    write('a.yaml', newcomer);
    for (let i = 0; i < 2; i += 1) {
      const { served, told } = await look();
      expect(served).toEqual(['shop/items']);
      expect(told).not.toContain('Conflicted shop/items');
      expect(told).toHaveLength(1);
      await restartFromDisk();
    }
  });

  test.each(['aaa', 'shop'])('a key with the same id in namespace %s does not get it', async (namespace) => {
    write('z.yaml', key('k'));
    await look();
    write('a.yaml', key('a', namespace));
    expect(await look()).toEqual({ served: ['shop/k'], told: [`DuplicateKeyID ${namespace}/a`] });
    await restartFromDisk();
    expect((await look()).served).toEqual(['shop/k']);
  });

  test('comes later also where the clock was set back', async () => {
    write('z.yaml', group('items'));
    await look();
    write('a.yaml', group('items2', 'aaa'));
    expect((await look(-7200)).served).toEqual(['shop/items']);
  });

  test('comes later also when it came while nobody looked', async () => {
    write('z.yaml', group('items'));
    await look();
    write('a.yaml', group('items2', 'aaa'));
    restart();
    expect((await look()).served).toEqual(['shop/items']);
  });

  test('serves once the other is gone, and is the elder when that comes back', async () => {
    write('z.yaml', group('items'));
    await look();
    write('a.yaml', group('items2', 'aaa'));
    await look();
    remove('z.yaml');
    expect((await look()).served).toEqual(['aaa/items2']);
    write('z.yaml', group('items'));
    expect(await look()).toEqual({ served: ['aaa/items2'], told: ['Conflicted shop/items'] });
  });
});

test('a plan that comes later, good or refused, does not go before', async () => {
  const plan = (name: string): string =>
    toYaml(usagePlan(name, ['k'], 'items', { quotas: [{ name: 'daily', requests: 5, period: 'Day' }] }));
  write('z.yaml', [group('items'), key('k'), plan('standard')].join('---\n'));
  await look();
  write('a.yaml', [plan('a'), plan('b').replace('quotas:', 'quotes:')].join('---\n'));
  for (let i = 0; i < 2; i += 1) {
    await look();
    const { resources } = folder.publication;
    const context = { services: new Map(), allowedBackendHosts: 'Any', hostnameClaims: [], singleOwner: true } as const;
    const { model } = translate(resources, { ...context, nowMs });
    expect([...model.plans].sort(comparePlans).map(({ name }) => name)).toEqual(['standard', 'a', 'b']);
    await restartFromDisk();
  }
});

describe('a file that defines an object once more', () => {
  const other = group('items').replace('basePath: /items', 'basePath: /other');
  test('does not replace it, whatever its name, after a restart neither', async () => {
    write('z.yaml', group('items'));
    await look();
    write('a.yaml', other);
    for (let i = 0; i < 2; i += 1) {
      expect((await look()).told).toEqual(['Duplicate shop/items']);
      expect(folder.publication.problems[0]).toMatchObject({
        place: { file: 'a.yaml' },
        message: expect.stringMatching(/^is defined in z\.yaml:\d+ already; that one stays$/),
      });
      expect(folder.publication.resources.ApiGroup.get('shop/items')?.spec.basePath).toBe('/items');
      await restartFromDisk();
    }
    remove('z.yaml');
    await look();
    expect(folder.publication.resources.ApiGroup.get('shop/items')?.spec.basePath).toBe('/other');
  });

  test('does not replace it where it came while nothing ran', async () => {
    write('z.yaml', group('items'));
    await look();
    write('a.yaml', other);
    await restartFromDisk();
    expect((await look()).told).toEqual(['Duplicate shop/items']);
    expect(folder.publication.resources.ApiGroup.get('shop/items')?.spec.basePath).toBe('/items');
  });

  test('is the second by path when both are there at the start', async () => {
    write('a.yaml', group('items'));
    write('z.yaml', other);
    await look();
    expect(folder.publication.resources.ApiGroup.get('shop/items')?.spec.basePath).toBe('/items');
  });
});

describe('age', () => {
  const ageOf = (name: string): string | undefined =>
    folder.publication.resources.ApiGroup.get(name)?.metadata.creationTimestamp;

  test('is equal for all that are there at the first start, where names decide', async () => {
    write('a.yaml', group('z', 'aaa'));
    write('z.yaml', group('a'));
    expect((await look()).served).toEqual(['aaa/z']);
    expect(ageOf('shop/a')).toBe(ageOf('aaa/z'));
  });

  test('is what a dump of a cluster says where nothing was there before, but never in the future', async () => {
    write('a.yaml', group('items2', 'aaa', '2026-05-01T00:00:00Z'));
    write('z.yaml', group('items', 'shop', '2026-01-01T00:00:00Z'));
    write('y.yaml', group('items', 'zzz', '2099-01-01T00:00:00Z'));
    expect((await look()).served).toEqual(['shop/items']);
    expect(ageOf('zzz/items')).toBe(new Date(nowMs).toISOString());
  });

  test('outlasts an edit, a file that is broken, and another file name', async () => {
    write('z.yaml', group('items'));
    await look();
    const before = ageOf('shop/items');
    const [object] = folder.publication.resources.ApiGroup.values();
    write('z.yaml', 'a: [');
    await look();
    expect([...folder.publication.resources.ApiGroup.values()]).toEqual([object]);
    write('z.yaml', group('items').replace('kind: ApiGroup', 'kind: ApiGruop'));
    await look();
    write('z.yaml', group('items').replace('errors: Uniform', 'errors: Vendor'));
    await look();
    renameSync(join(path, 'z.yaml'), join(path, 'y.yaml'));
    await look();
    expect(ageOf('shop/items')).toBe(before);
  });

  test('outlasts a restart while the file is broken, the kind misspelt or a subfolder closed', async () => {
    mkdirSync(join(path, 'sub'));
    write('sub/z.yaml', group('items'));
    await look();
    const before = ageOf('shop/items');
    for (const text of ['a: [', group('items').replace('kind: ApiGroup', 'kind: ApiGruop'), 'metadata: {}']) {
      write('sub/z.yaml', text);
      await restartFromDisk();
      await look();
      await restartFromDisk();
    }
    write('sub/z.yaml', group('items'));
    chmodSync(join(path, 'sub'), 0o000);
    await look();
    chmodSync(join(path, 'sub'), 0o755);
    await look();
    expect(ageOf('shop/items')).toBe(before);
  });

  test('begins anew with an object that was gone', async () => {
    write('z.yaml', group('items'));
    await look();
    const before = ageOf('shop/items');
    remove('z.yaml');
    await look();
    write('z.yaml', group('items'));
    write('broken.yaml', 'a: [');
    await look();
    expect(ageOf('shop/items')).not.toBe(before);
  });

  test('keeps the identity of objects and of the memory while nothing changes', async () => {
    const namespace = (labels: object) =>
      write('y.yaml', toYaml({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels } }));
    namespace({});
    write('z.yaml', group('items'));
    await look();
    const { memory, publication } = folder;
    const [object] = publication.resources.ApiGroup.values();
    namespace({ team: 'shop' });
    await look();
    expect(folder.publication.resources.ApiGroup.get('shop/items')).toBe(object);
    expect(folder.memory).toBe(memory);
  });
});

describe('the memory on disk', () => {
  test('is nothing where there is no file', async () => {
    expect(await readMemory(join(path, 'nowhere'))).toBe(NO_MEMORY);
  });

  test.each([
    '',
    '{}',
    '[1]',
    '{"version": 2, "since": {}, "homes": {}}',
    '{"version":1,"since":{"a":"b"},"homes":{}}',
    '{"version":1,"since":{"a":"+275760-09-13T00:00:00.000Z"},"homes":{}}',
  ])('%j is refused', async (text) => {
    mkdirSync(state);
    writeFileSync(join(state, 'first-seen.json'), text);
    await expect(readMemory(state)).rejects.toThrow();
  });
});

describe('a version of a key that stays', () => {
  const told = (): string[] => folder.publication.problems.map(({ message }) => message);
  test.each([
    [
      ' in service',
      'while its Secret is as it was',
      (text: string) => text.replace('keyID: AKIDfirstseen0000001', 'keyID: AKIDfirstseen0000002'),
    ],
    [
      ', but its Secret k holds another keyId now: the key is not in service',
      'when the Secret changed with it',
      (text: string) => text.replaceAll('0000001', '0000002'),
    ],
    [
      ', but its Secret k is gone: the key is not in service',
      'when the Secret went with the edit',
      (text: string) =>
        text.replace('keyID: AKIDfirstseen0000001', 'keyID: AKIDfirstseen0000002').split('---')[0] ?? '',
    ],
  ])('is said to stay %s %s', async (what, _, change) => {
    write('k.yaml', key('k'));
    await look();
    write('k.yaml', change(key('k')));
    for (let i = 0; i < 2; i += 1) {
      await look();
      expect(told()).toHaveLength(1);
      expect(told()[0]?.split('; the version before stays')[1]).toBe(what);
      write('other.yaml', group('other'));
    }
  });
});
