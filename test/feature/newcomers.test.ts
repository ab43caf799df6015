/** What a folder serves stays in service, whoever comes and claims the same, and over a restart. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { eventually } from '../support/eventually.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend, usagePlan } from '../support/resources/resources.js';
import { signedFetch } from '../support/signing/signed-fetch.js';

const CALLER = { keyId: 'AKIDnewcomer00000001', secret: 'newcomer-secret-0001' };
const THIEF = { ...CALLER, secret: 'newcomer-secret-0002' };
const STATE = '.countersign/first-seen.json';

let [own, foreign]: RecordingBackend[] = [];
let gateway: TestGateway;
let files: Record<string, string>;

/** The group that takes requests of anybody, for another backend. */
const open = (name: string): string =>
  toYaml(
    apiGroup(name, { basePath: '/items', access: { authentication: 'None' }, backend: urlBackend(foreign?.port ?? 0) }),
  );
const elsewhere = (text: string): string => text.replaceAll('namespace: shop', 'namespace: aaa');

beforeAll(async () => {
  [own, foreign] = [await startBackend(), await startBackend()];
  files = {
    'shop.yaml': toYaml(
      apiGroup('items', { verification: { dialects: ['Huawei'] }, backend: urlBackend(own.port) }),
      ...importedKey('k', CALLER.keyId, CALLER.secret, { allowedAuthorizers: { namespaces: { from: 'All' } } }),
      grant('items', ['k'], 'items'),
      usagePlan('standard', ['k'], 'items', { quotas: [{ name: 'daily', requests: 500, period: 'Day' }] }),
    ),
  };
  gateway = await startGateway({ files });
}, 120_000);
afterAll(async () => {
  await gateway?.close();
  await Promise.all([own?.close(), foreign?.close()]);
});

const add = async (added: Record<string, string>): Promise<void> => {
  files = { ...files, ...added };
  await gateway.edit(added);
};
const told = async (): Promise<string[]> =>
  (await gateway.status()).problems.map(({ file, reason }) => `${reason} ${file.slice(gateway.folder.length + 1)}`);
const statusOf = async (name: string): Promise<number> => {
  const url = `${gateway.httpUrl}/items/${name}`;
  if (name === 'unsigned') return (await fetch(url)).status;
  return (await signedFetch(url, name === 'thief' ? THIEF : CALLER)).status;
};
const expectUnharmed = async (): Promise<void> => {
  expect(await statusOf('owner')).toBe(200);
  expect(await statusOf('unsigned')).toBe(401);
  expect(await statusOf('thief')).toBe(401);
  expect(foreign?.requests).toHaveLength(0);
};

describe('a group, a key and a plan in service', () => {
  test.each([
    ['a group of another namespace', 'Conflicted', 'aaa-group.yaml', () => elsewhere(open('items2'))],
    ['a group of the same namespace', 'Conflicted', 'aab-group.yaml', () => open('a')],
    ['the same group in another file', 'Duplicate', 'aac-group.yaml', () => open('items')],
    ['a refused group', 'UnknownField', 'aad-group.yaml', () => elsewhere(open('items3').replace('errors:', 'erors:'))],
    [
      'a key of another namespace',
      'DuplicateKeyID',
      'aaa-key.yaml',
      () => elsewhere(toYaml(...importedKey('a', THIEF.keyId, THIEF.secret))),
    ],
    [
      'a key of the same namespace',
      'DuplicateKeyID',
      'aab-key.yaml',
      () => toYaml(...importedKey('a', THIEF.keyId, THIEF.secret)),
    ],
    [
      'a plan that admits nothing',
      'Conflicted',
      'aaa-plan.yaml',
      () => toYaml(usagePlan('a', ['k'], 'items', { quotas: [{ name: 'daily', requests: 0, period: 'Day' }] })),
    ],
    ['a refused plan', 'UnknownField', 'aab-plan.yaml', () => toYaml(usagePlan('a0', ['k'], 'items', { quotes: [] }))],
  ])('stay when %s claims the same', async (_, reason, file, text) => {
    await expectUnharmed();
    await add({ [file]: text() });
    await eventually(async () => expect(await told()).toContain(`${reason} ${file}`));
    await expectUnharmed();
    expect((await told()).filter((line) => line.endsWith(' shop.yaml'))).toEqual([]);
  });

  test('stay over a restart with all of these', async () => {
    const state = await eventually(async () => {
      const text = await readFile(join(gateway.folder, STATE), 'utf8');
      expect(text).toContain('SignatureKey/aaa/a');
      return text;
    });
    const before = (await told()).sort();
    await gateway.close();
    gateway = await startGateway({ files: { ...files, [STATE]: state } });
    expect((await told()).sort()).toEqual(before);
    await expectUnharmed();
  }, 60_000);

  test('make room for the next in age once they are gone', async () => {
    await gateway.edit({ 'shop.yaml': null, 'aac-group.yaml': null });
    await eventually(async () => expect(await statusOf('unsigned')).toBe(200));
    const served = (await gateway.status()).resources.find(({ name }) => name === 'items2');
    expect(served?.status.conditions.find(({ type }) => type === 'Accepted')?.status).toBe('True');
  });
});

test('an id and its Secret that are changed together leave no key in service, and the log says so', async () => {
  const [key, secret] = importedKey('own', 'AKIDnewcomer00000007', 'newcomer-secret-0007');
  await gateway.edit({ 'own.yaml': toYaml(key!, secret!) });
  await eventually(async () =>
    expect((await gateway.status()).resources.find(({ name }) => name === 'own')).toBeDefined(),
  );
  await gateway.edit({ 'own.yaml': toYaml(key!, secret!).replaceAll('00000007', '00000008') });
  const messages = await eventually(async () => {
    const { problems } = await gateway.status();
    const found = problems.filter(({ file }) => file.endsWith('own.yaml'));
    expect(found.map(({ reason }) => reason).sort()).toEqual(['Immutable', 'InvalidSecret']);
    return found.map(({ message }) => message);
  });
  expect(messages.join('\n')).not.toContain('stays in service');
  expect(messages.join('\n')).toContain(
    'the version before stays, but its Secret own holds another keyId now: the key is not in service',
  );
});
