import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import type { SignatureKey } from '../../../src/api/types.js';
import { completeInMemory, openKeyState, readKeyState, type KeyState } from '../../../src/app/controller/key-state.js';
import { createResourceSet, type ResourceSet } from '../../../src/resources/resource-set.js';
import { generatedSecretName } from '../../../src/translate/keys/generated-keys.js';

const NOW_MS = Date.UTC(2026, 0, 1);
const SECRET = generatedSecretName('partner');

let folder: string;
let generated: string[];
let faults: string[];
let revoked: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-state-'));
  generated = [];
  faults = [];
  revoked = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const resources = (generation?: number): ResourceSet =>
  createResourceSet([
    {
      apiVersion: 'countersign.dev/v1alpha1',
      kind: 'SignatureKey',
      metadata: { name: 'partner', namespace: 'team' },
      spec: {
        usage: 'Caller',
        identity: 'SignatureKeyPair',
        type: 'HMAC',
        state: 'Enabled',
        ...(generation === undefined ? {} : { rotation: { generation, gracePeriod: '1h' } }),
      },
    } as unknown as SignatureKey,
  ]);
const openState = (): Promise<KeyState> =>
  openKeyState(
    join(folder, 'state'),
    {
      onGenerated: ({ kind, key }) => generated.push(`${kind} ${key}`),
      onRevoked: (secret, path) => revoked.push(`${secret} ${path}`),
      onFault: (path, message) => faults.push(`${path}: ${message}`),
    },
    () => NOW_MS,
  );
const file = (): string => join(folder, 'state/keys/team', `${SECRET}.yaml`);
const secretIn = (set: ResourceSet) => set.Secret.get(`team/${SECRET}`);
const mode = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

describe('generated keys', () => {
  test('are written once, for their owner alone, in a folder that Git ignores', async () => {
    const secret = secretIn(await (await openState()).complete(resources()));
    expect(secret?.text('keyId')).toMatch(/^AK[A-Z2-7]{18}$/);
    expect([
      await mode(file()),
      await mode(join(folder, 'state/keys')),
      await mode(join(folder, 'state/keys/team')),
    ]).toEqual(['600', '700', '700']);
    expect(await readFile(join(folder, 'state/.gitignore'), 'utf8')).toBe('*\n');
    expect(await readdir(join(folder, 'state/keys/team'))).toEqual([`${SECRET}.yaml`]);
    expect(parse(await readFile(file(), 'utf8'))).toMatchObject({
      kind: 'Secret',
      metadata: { name: SECRET, namespace: 'team' },
      type: 'countersign.dev/signature-key',
      stringData: { keyId: secret?.text('keyId') },
    });
    expect(generated).toEqual(['create team/partner']);
  });

  test('stay the same after a restart', async () => {
    const before = secretIn(await (await openState()).complete(resources()))?.text('secret');
    const after = secretIn(await (await openState()).complete(resources()))?.text('secret');
    expect(after).toBe(before);
    expect(generated).toHaveLength(1);
  });

  test('rotate when the generation is raised: a new secret, the previous one for the grace period', async () => {
    const state = await openState();
    const before = secretIn(await state.complete(resources()));
    const after = secretIn(await state.complete(resources(2)));
    expect(after?.text('keyId')).toBe(before?.text('keyId'));
    expect(after?.text('secret')).not.toBe(before?.text('secret'));
    expect([after?.text('previousSecret'), after?.text('previousNotAfter'), after?.text('generation')]).toEqual([
      before?.text('secret'),
      '2026-01-01T01:00:00.000Z',
      '2',
    ]);
    expect(secretIn(await (await openState()).complete(resources(2)))?.text('secret')).toBe(after?.text('secret'));
    expect(generated).toEqual(['create team/partner', 'rotate team/partner']);
  });

  test('of two gateways on one folder both use the key of the faster one', async () => {
    const [a, b] = await Promise.all([openState(), openState()]);
    const [one, two] = await Promise.all([a.complete(resources()), b.complete(resources())]);
    expect(secretIn(one)?.text('secret')).toBe(secretIn(two)?.text('secret'));
    expect(faults).toEqual([]);
  });

  test('never overwrite a file that cannot be read: the key stays unready and the fault is told', async () => {
    await mkdir(join(folder, 'state/keys/team'), { recursive: true });
    await writeFile(file(), 'kind: [');
    const set = await (await openState()).complete(resources());
    expect(secretIn(set)).toBeUndefined();
    expect(faults.join('\n')).toContain(file());
    expect(await readFile(file(), 'utf8')).toBe('kind: [');
  });

  test('tighten a keys folder that others could read', async () => {
    await mkdir(join(folder, 'state/keys'), { recursive: true });
    await chmod(join(folder, 'state/keys'), 0o755);
    await (await openState()).complete(resources());
    expect(await mode(join(folder, 'state/keys'))).toBe('700');
  });

  describe('of a SignatureKey that is deleted', () => {
    const aside = (): string => join(folder, 'state/keys/team', `${SECRET}.revoked-20260101T000000000Z.yaml`);
    const nothing = (...refused: string[]): ResourceSet => createResourceSet([], new Set(refused));

    test('are put aside at once: one of the same name gets another id and secret, also after a restart', async () => {
      const state = await openState();
      const before = secretIn(await state.complete(resources()));
      expect(secretIn(await state.complete(nothing()))).toBeUndefined();
      expect(revoked).toEqual([`team/${SECRET} ${aside()}`]);
      expect([await mode(aside()), await readdir(join(folder, 'state/keys/team'))]).toEqual([
        '600',
        [basename(aside())],
      ]);
      const after = secretIn(await state.complete(resources()));
      expect(after?.text('keyId')).not.toBe(before?.text('keyId'));
      expect(after?.text('secret')).not.toBe(before?.text('secret'));
      expect(secretIn(await (await openState()).complete(resources()))?.text('secret')).toBe(after?.text('secret'));
      expect((await readKeyState(join(folder, 'state'))).map(({ path }) => path)).toEqual([file()]);
      expect(faults).toEqual([]);
    });

    test('are put aside at a start without it, and are back when the file has its name again', async () => {
      const before = secretIn(await (await openState()).complete(resources()));
      await (await openState()).complete(nothing());
      expect(revoked).toEqual([`team/${SECRET} ${aside()}`]);
      await rename(aside(), file());
      const state = await openState();
      expect(secretIn(await state.complete(resources()))?.text('secret')).toBe(before?.text('secret'));
      await state.complete(nothing());
      await rename(aside(), file());
      expect(secretIn(await state.complete(resources()))?.text('secret')).toBe(before?.text('secret'));
    });

    test('stay while nobody can tell: a file cannot be read, or the object is there and refused', async () => {
      const before = secretIn(await (await openState()).complete(resources()));
      const state = await openState();
      await state.complete(nothing('File//keys.yaml'));
      await state.complete(nothing('SignatureKey/team/partner'));
      expect(revoked).toEqual([]);
      expect(secretIn(await state.complete(resources()))?.text('secret')).toBe(before?.text('secret'));
      // It was there now: what cannot be read elsewhere does not hold it.
      await state.complete(nothing('File//keys.yaml'));
      expect(revoked).toHaveLength(1);
    });

    test('of another gateway, which was faster and has a new one, stay', async () => {
      const [one, two] = [await openState(), await openState()];
      await one.complete(resources());
      const late = await openState();
      await late.complete(resources());
      await one.complete(nothing());
      const fresh = secretIn(await one.complete(resources()));
      await late.complete(nothing());
      expect(secretIn(await late.complete(resources()))?.text('secret')).toBe(fresh?.text('secret'));
      expect(secretIn(await two.complete(resources()))?.text('secret')).toBe(fresh?.text('secret'));
      expect(revoked).toHaveLength(1);
    });

    test('never come back through a file that cannot be put aside', async () => {
      const state = await openState();
      await state.complete(resources());
      await mkdir(join(aside(), 'in-the-way'), { recursive: true });
      await state.complete(nothing());
      expect(secretIn(await state.complete(resources()))).toBeUndefined();
      expect(faults.join('\n')).toMatch(/cannot be put aside.*\n.*still there/s);
      await rm(aside(), { recursive: true });
      expect(secretIn(await state.complete(resources(1)))).toBeDefined();
      expect(revoked).toHaveLength(1);
    });
  });

  test('are made in memory only for commands that look, from what is on disk where there is something', async () => {
    const fresh = secretIn(completeInMemory(resources(), [], () => NOW_MS));
    expect(fresh?.text('keyId')).toMatch(/^AK/);
    expect(await readdir(folder)).toEqual([]);
    const written = secretIn(await (await openState()).complete(resources()));
    const onDisk = await readKeyState(join(folder, 'state'));
    expect(onDisk.map(({ path }) => path)).toEqual([file()]);
    expect(
      secretIn(
        completeInMemory(
          resources(),
          onDisk.map(({ secret }) => secret),
          () => NOW_MS,
        ),
      )?.text('secret'),
    ).toBe(written?.text('secret'));
  });
});
