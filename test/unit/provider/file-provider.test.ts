import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createFileProvider } from '../../../src/provider/file/file-provider.js';
import type { Provider, Publication } from '../../../src/provider/provider.js';
import { eventually } from '../../support/eventually.js';
import { must } from '../../support/must.js';
import { apiGroup, toYaml, urlBackend } from '../../support/resources/resources.js';

const key = (name: string, spec = 'usage: Backend, type: HMAC') => `apiVersion: countersign.dev/v1alpha1
kind: SignatureKey
metadata: {name: ${name}, namespace: shop}
spec: {${spec}}
`;

let folder: string;
let provider: Provider;
let publications: Publication[];
let forgetful: string[];
let nowMs = 0;
const last = (): Publication => must(publications.at(-1));
const names = (): string[] => [...last().resources.SignatureKey.keys()].sort();
const told = (): string[] =>
  last().problems.map(({ place, message }) => `${place?.file}:${place?.line}:${place?.column}: ${message}`);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-'));
  publications = [];
  forgetful = [];
  nowMs = Date.parse('2027-01-01T00:00:00Z');
});

afterEach(async () => {
  await provider.close();
  await rm(folder, { recursive: true });
});

async function start(
  onError = (error: unknown): void => {
    throw error;
  },
): Promise<void> {
  provider = createFileProvider({
    folder,
    stateFolder: join(folder, '.countersign'),
    onError,
    onForgetful: (message) => void forgetful.push(message),
    clock: () => nowMs,
  });
  await provider.start((publication) => publications.push(publication));
}

describe('a watched folder', () => {
  test('publishes what it holds, then new, changed and removed files', async () => {
    await writeFile(join(folder, 'a.yaml'), key('a'));
    await start();
    expect(names()).toEqual(['shop/a']);
    await mkdir(join(folder, 'deep/er'), { recursive: true });
    await writeFile(
      join(folder, 'deep/er/b.json'),
      JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }),
    );
    await eventually(() => expect([...last().resources.Namespace.keys()]).toEqual(['shop']));
    await writeFile(join(folder, 'a.yaml'), `${key('a')}---\n${key('c')}`);
    await eventually(() => expect(names()).toEqual(['shop/a', 'shop/c']));
    await unlink(join(folder, 'a.yaml'));
    await eventually(() => expect(names()).toEqual([]));
  });

  test('sees a file that an editor replaces by renaming another over it', async () => {
    await writeFile(join(folder, 'a.yaml'), key('a'));
    await start();
    for (const name of ['b', 'c', 'd']) {
      await writeFile(join(folder, '.a.yaml.swp'), key(name));
      await rename(join(folder, '.a.yaml.swp'), join(folder, 'a.yaml'));
      await eventually(() => expect(names()).toEqual([`shop/${name}`]));
    }
  });

  test('follows the ..data link of a mounted ConfigMap when it is swapped', async () => {
    const version = async (name: string): Promise<void> => {
      await mkdir(join(folder, `..${name}`));
      await writeFile(join(folder, `..${name}/keys.yaml`), key(name));
      await symlink(`..${name}`, join(folder, '..data_tmp'));
      await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    await version('one');
    await symlink('..data/keys.yaml', join(folder, 'keys.yaml'));
    await start();
    expect(names()).toEqual(['shop/one']);
    // The old version stays on disk here: nothing tells of the change but the swapped link.
    await version('two');
    await eventually(() => expect(names()).toEqual(['shop/two']));
    await version('three');
    await rm(join(folder, '..one'), { recursive: true });
    await eventually(() => expect(names()).toEqual(['shop/three']));
  });

  test('keeps the last good state of a file that does not parse, and says where it is wrong', async () => {
    await writeFile(join(folder, 'a.yaml'), key('a'));
    await writeFile(join(folder, 'b.yaml'), key('b'));
    await start();
    const before = last().resources.SignatureKey.get('shop/a');
    await writeFile(join(folder, 'a.yaml'), `${key('a')}---\nkind: [unclosed\n`);
    await eventually(() => expect(told()).toEqual([expect.stringMatching(/^a\.yaml:\d+:\d+: ./)]));
    expect(told()[0]).toMatch(/; what the file held before stays in service$/);
    expect([...(last().kept ?? [])]).toEqual(['SignatureKey/shop/a']);
    expect(last().resources.SignatureKey.get('shop/a')).toBe(before);
    expect(names()).toEqual(['shop/a', 'shop/b']);
    await writeFile(join(folder, 'a.yaml'), key('z'));
    await eventually(() => expect([names(), told()]).toEqual([['shop/b', 'shop/z'], []]));
  });

  test('names the files that could not be read since the start, until they are', async () => {
    const unread = (): string[] => (last().unread ?? []).map(({ place }) => `${place?.file}:${place?.line}`);
    await writeFile(join(folder, 'a.yaml'), key('a'));
    await writeFile(join(folder, 'bad.yaml'), `${key('b')}---\nkind: [unclosed\n`);
    await symlink('ring', join(folder, 'ring'));
    await start(() => undefined);
    expect([names(), unread()]).toEqual([['shop/a'], ['ring:1', expect.stringMatching(/^bad\.yaml:\d$/)]]);
    // What comes later is another matter: nothing of it was in force when requests began to be served.
    await writeFile(join(folder, 'later.yaml'), 'kind: [unclosed\n');
    await unlink(join(folder, 'ring'));
    await eventually(() => expect(told().join()).toMatch(/bad\.yaml.*later\.yaml/));
    await eventually(() => expect(unread()).toEqual([expect.stringMatching(/^bad\.yaml/)]));
    await writeFile(join(folder, 'bad.yaml'), 'kind: [still\n');
    await eventually(() => expect(unread()).toEqual(['bad.yaml:2']));
    await writeFile(join(folder, 'bad.yaml'), key('b'));
    await eventually(() => expect(names()).toEqual(['shop/a', 'shop/b']));
    expect(last().unread).toBeUndefined();
    await writeFile(join(folder, 'bad.yaml'), 'kind: [again\n');
    await eventually(() => expect(told()).toHaveLength(2));
    expect(last().unread).toBeUndefined();
  });

  test('keeps the predecessor of an object that the schema or a transition rule refuses', async () => {
    await writeFile(join(folder, 'a.yaml'), `${key('a')}---\n${key('b')}`);
    await start();
    await writeFile(
      join(folder, 'a.yaml'),
      `${key('a', 'usage: Backend, type: Basic')}---\n${key('b', 'usage: Backnd, type: HMAC')}`,
    );
    await eventually(() => expect(told()).toHaveLength(2));
    expect(told()).toEqual([
      expect.stringMatching(/^a\.yaml:4:24: type is immutable/),
      expect.stringMatching(/^a\.yaml:9:8: .*; the version before stays in service$/),
    ]);
    expect([...(last().kept ?? [])]).toEqual(['SignatureKey/shop/a', 'SignatureKey/shop/b']);
    expect(last().resources.refused).toBeUndefined();
    expect([...last().resources.SignatureKey.values()].map(({ spec }) => [spec.usage, spec.type])).toEqual([
      ['Backend', 'HMAC'],
      ['Backend', 'HMAC'],
    ]);
  });

  test('keeps what can be read of a refused plan or group only while it has no predecessor', async () => {
    const plan = (requests: string, keys = 'refs') => `apiVersion: countersign.dev/v1alpha1
kind: UsagePlan
metadata: {name: gold, namespace: shop}
spec:
  rateLimits: [{name: rate, requests: ${requests}, interval: 1s, scope: Key}]
  keys: {${keys}: [{name: a}]}
  targets: [{apiGroup: orders, environment: release, apis: ['*']}]
`;
    await writeFile(join(folder, 'a.yaml'), plan('5', 'ref'));
    await start();
    expect(last().resources.remains).toMatchObject([{ kind: 'UsagePlan', namespace: 'shop', name: 'gold' }]);
    await writeFile(join(folder, 'a.yaml'), plan('5'));
    await eventually(() => expect([...last().resources.UsagePlan.keys()]).toEqual(['shop/gold']));
    expect(last().resources.remains).toBeUndefined();
    await writeFile(join(folder, 'a.yaml'), plan('few', 'ref'));
    await eventually(() => expect(last().problems.length).toBeGreaterThan(0));
    expect([...last().resources.UsagePlan.keys()]).toEqual(['shop/gold']);
    expect(last().resources.remains).toBeUndefined();
    await unlink(join(folder, 'a.yaml'));
    await eventually(() => expect([...last().resources.UsagePlan.keys()]).toEqual([]));
    expect(last().resources.remains).toBeUndefined();
  });
  test('names an object that is refused and has no predecessor, so that others can tell it from none', async () => {
    await writeFile(join(folder, 'a.yaml'), key('a', 'usage: Backnd, type: HMAC'));
    await start();
    expect([...(last().resources.refused ?? [])]).toEqual(['SignatureKey/shop/a']);
    expect(told()[0]).not.toContain('stays in service');
    await unlink(join(folder, 'a.yaml'));
    await eventually(() => expect(last().resources.refused).toBeUndefined());
  });

  test('lets an immutable field change when the object was deleted in between', async () => {
    await writeFile(join(folder, 'a.yaml'), key('a'));
    await start();
    await unlink(join(folder, 'a.yaml'));
    await eventually(() => expect(names()).toEqual([]));
    await writeFile(join(folder, 'a.yaml'), key('a', 'usage: Backend, type: Basic'));
    await eventually(() => expect(last().resources.SignatureKey.get('shop/a')?.spec.type).toBe('Basic'));
    expect(told()).toEqual([]);
  });

  test('keeps the identity of objects that an edit of the same file leaves alone', async () => {
    await writeFile(join(folder, 'a.yaml'), `${key('a')}---\n${key('b')}`);
    await start();
    const before = last().resources.SignatureKey;
    await writeFile(
      join(folder, 'a.yaml'),
      `${key('a')}---\n${key('b', 'usage: Backend, type: HMAC, state: Disabled')}`,
    );
    await eventually(() => expect(last().resources.SignatureKey.get('shop/b')?.spec.state).toBe('Disabled'));
    expect(last().resources.SignatureKey.get('shop/a')).toBe(before.get('shop/a'));
  });

  test('keeps everything while the folder itself is away', async () => {
    await mkdir(join(folder, 'manifests'));
    await writeFile(join(folder, 'manifests/a.yaml'), key('a'));
    const root = folder;
    folder = join(root, 'manifests');
    await start();
    folder = root;
    await rename(join(root, 'manifests'), join(root, 'elsewhere'));
    await eventually(() => expect(told()).toEqual(['.:1:1: the folder does not exist']));
    expect(names()).toEqual(['shop/a']);
  });

  test('keeps what a subfolder held that cannot be read any more', async () => {
    await mkdir(join(folder, '.one'));
    await writeFile(join(folder, '.one/a.yaml'), key('a'));
    await symlink('.one', join(folder, 'sub'));
    // The watcher tells of the ring too.
    await start(() => undefined);
    await unlink(join(folder, 'sub'));
    await symlink('sub', join(folder, 'sub')); // a ring: ELOOP, also for root
    await eventually(() => expect(told()).toEqual(['sub:1:1: is a link that leads in a circle']));
    expect(names()).toEqual(['shop/a']);
    expect([...(last().resources.refused ?? [])]).toEqual(['File//sub']);
    await unlink(join(folder, 'sub'));
    await eventually(() => expect([names(), told()]).toEqual([[], []]));
  });

  test('is not held up by a pipe or a device with the name of a manifest, and closes', async () => {
    await writeFile(join(folder, 'a.yaml'), key('a'));
    await promisify(execFile)('mkfifo', [join(folder, 'pipe.yaml')]);
    await symlink('/dev/zero', join(folder, 'zero.yaml'));
    await symlink('/proc/self/status', join(folder, 'says-empty.yaml'));
    await start();
    expect(names()).toEqual(['shop/a']);
    expect(told()).toEqual([
      'pipe.yaml:1:1: is not a regular file',
      expect.stringMatching(/^says-empty\.yaml:\d+:\d+: /),
      'zero.yaml:1:1: is not a regular file',
    ]);
    await unlink(join(folder, 'a.yaml'));
    await eventually(() => expect(names()).toEqual([]));
    await unlink(join(folder, 'pipe.yaml'));
    await writeFile(join(folder, 'pipe.yaml'), key('b'));
    await eventually(() => expect(names()).toEqual(['shop/b']));
  });

  test('tells the first problems of an object and how many there are more', async () => {
    const unknown = Array.from({ length: 1000 }, (_, i) => `x${i}: 1`).join(', ');
    await writeFile(join(folder, 'a.yaml'), key('a', `usage: Backend, type: HMAC, ${unknown}`));
    await start();
    expect(told()).toHaveLength(21);
    expect(told()[0]).toMatch(/^a\.yaml:4:36: unknown field/);
    expect(told().at(-1)).toBe('a.yaml:1:1: has 980 more problems');
  });
});

describe('who was there first', () => {
  const group = (name: string) =>
    toYaml(apiGroup(name, { basePath: '/', access: { authentication: 'None' }, backend: urlBackend(9000) }));
  const state = (): string => join(folder, '.countersign/first-seen.json');
  const ages = (): Record<string, string | undefined> =>
    Object.fromEntries(
      [...last().resources.ApiGroup.values()].map(({ metadata }) => [metadata.name, metadata.creationTimestamp]),
    );

  test('is in the state folder, for its owner alone, and known after a restart', async () => {
    await writeFile(join(folder, 'b.yaml'), group('b'));
    await start();
    await provider.close();
    expect((await stat(state())).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, '.countersign'))).mode & 0o777).toBe(0o700);
    expect(await readFile(join(folder, '.countersign/.gitignore'), 'utf8')).toBe('*\n');
    nowMs += 1000;
    await writeFile(join(folder, 'a.yaml'), group('a'));
    await start();
    expect(ages()).toEqual({ a: '2027-01-01T00:00:01.000Z', b: '2027-01-01T00:00:00.000Z' });
    nowMs += 1000;
    await writeFile(join(folder, 'c.yaml'), group('c'));
    await eventually(() => expect(ages()['c']).toBe('2027-01-01T00:00:02.000Z'));
    await eventually(async () => expect(await readFile(state(), 'utf8')).toContain('ApiGroup/shop/c'));
    expect(forgetful).toEqual([]);
  });

  test('begins anew where the file is damaged, and says so', async () => {
    await mkdir(join(folder, '.countersign'));
    await writeFile(state(), '{"version": 1, "since');
    await writeFile(join(folder, 'b.yaml'), group('b'));
    await start();
    expect(forgetful).toEqual([expect.stringMatching(/first-seen\.json: .*; it begins anew$/)]);
    await eventually(async () => expect(await readFile(state(), 'utf8')).toContain('ApiGroup/shop/b'));
  });

  test('is known without a file too, until the end, where none can be written', async () => {
    await writeFile(join(folder, '.countersign'), 'no folder');
    await writeFile(join(folder, 'b.yaml'), group('b'));
    await start();
    nowMs += 1000;
    await writeFile(join(folder, 'a.yaml'), group('a'));
    await eventually(() => expect(ages()).toMatchObject({ a: '2027-01-01T00:00:01.000Z' }));
    await provider.close();
    expect(forgetful).toEqual([expect.stringMatching(/first-seen\.json cannot be written: /)]);
  });
});
