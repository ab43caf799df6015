import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

const root = join(import.meta.dirname, '../..');

interface Change {
  readonly name: string;
  /** What `old` and `new` are merged into; default: the schema of the field. */
  readonly at?: 'spec' | 'version' | 'crd' | 'nothing';
  readonly old?: object;
  readonly new?: object | null;
  readonly says: readonly string[];
  /** Of the lines, where they do not begin with it: those about the definition itself. */
  readonly level?: string;
}
const changes = parse(readFileSync(join(import.meta.dirname, 'crd-changes.yaml'), 'utf8')) as Change[];

const crdName = (name: string): string => `${name.toLowerCase().replaceAll(' ', '-')}.test.dev`;

function crd({ name, at }: Change, merged: object | null | undefined): object {
  const more = (level: Change['at']): object => (at === level ? (merged ?? {}) : {});
  const field = at === undefined && merged === null ? {} : { f: { type: 'string', ...more(undefined) } };
  const spec = { type: 'object', properties: field, ...more('spec') };
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
    ...more('version'),
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: crdName(name) },
    spec: {
      group: 'test.dev',
      scope: 'Namespaced',
      names: { kind: 'T', plural: 'ts' },
      versions: [version],
      ...more('crd'),
    },
  };
}

function checkCrds(...args: string[]): { status: number | null; lines: string[]; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/check-crds.mjs', ...args], {
    cwd: root,
    encoding: 'utf8',
  });
  return { status, lines: stdout.trimEnd().split('\n'), stderr };
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-crds-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function files(some: readonly Change[]): [string, string] {
  const [old, next] = [join(folder, 'old.yaml'), join(folder, 'new.yaml')];
  const write = (file: string, objects: object[]): void =>
    writeFileSync(file, objects.map((object) => stringify(object)).join('---\n'));
  write(
    old,
    some.map((change) => crd(change, change.old)),
  );
  write(
    next,
    some.filter(({ at }) => at !== 'nothing').map((change) => crd(change, change.new)),
  );
  return [old, next];
}

describe('check-crds', () => {
  let printed: readonly string[];
  beforeAll(() => {
    printed = checkCrds(...files(changes)).lines;
  });

  test.each(changes)('$name', ({ name, says, level, at }) => {
    const about = printed.flatMap((line) => {
      const [, said, rest] = new RegExp(`^(\\w+) +${crdName(name).replaceAll('.', '\\.')}(.*)$`).exec(line) ?? [];
      return said === undefined || rest === undefined ? [] : { said, rest };
    });
    const short = ({ said, rest }: { said: string; rest: string }): string =>
      at === 'crd' || at === 'nothing' ? rest : `${said} ${rest.replace(/^ v1/, '').replace(/^ /, '')}`;
    expect(about.map(short)).toEqual(says);
    if (level !== undefined) expect(about.map(({ said }) => said)).toEqual([level]);
  });

  test('ends with 1 for a breaking change and for one to be looked at, with 0 for additions and warnings', () => {
    const statusOf = (wanted: (change: Change) => boolean): number | null =>
      checkCrds(...files(changes.filter(wanted))).status;
    expect(statusOf(({ name }) => name === 'field gone')).toBe(1);
    expect(statusOf(({ name }) => name === 'pattern changed')).toBe(1);
    expect(statusOf(({ says }) => says.length === 0)).toBe(0);
    expect(statusOf(({ name }) => name === 'column gone' || name === 'short name gone')).toBe(0);
  });

  test('takes what was decided on from a file, and refuses decisions about nothing', () => {
    const [old, next] = files(changes.filter(({ name }) => name === 'field gone'));
    const accept = join(folder, 'accepted.txt');
    writeFileSync(
      accept,
      `# 0.2.0: nobody used it\nbreaking  ${crdName('field gone')} v1 .spec.f: the field is gone\n`,
    );
    expect(checkCrds('--accept', accept, old, next)).toMatchObject({ status: 0 });
    expect(checkCrds('--accept', accept, old, old)).toMatchObject({ status: 1 });
  });

  test('says how it is used, and ends with 2 where it is used otherwise', () => {
    expect(checkCrds('--help')).toMatchObject({ status: 0 });
    expect(checkCrds('--help').lines[0]).toMatch(/^Usage: /);
    for (const args of [['--unknown'], ['no-such-place', 'crds'], ['a', 'b', 'c'], ['docs', 'crds']])
      expect(checkCrds(...args)).toMatchObject({ status: 2, stderr: expect.stringContaining('Usage: ') });
  });

  test('our definitions are compatible with themselves, from a folder, a file and a revision', () => {
    const all = join(folder, 'all.yaml');
    const texts = readdirSync(join(root, 'crds')).map((name) => readFileSync(join(root, 'crds', name), 'utf8'));
    writeFileSync(all, texts.join('\n---\n'));
    expect(checkCrds('crds', all)).toMatchObject({ status: 0, lines: ['compatible with crds'] });
    expect(checkCrds('HEAD', 'HEAD')).toMatchObject({ status: 0 });
  });

  test('our definitions are compatible with the last release', () => {
    expect(checkCrds()).toMatchObject({ status: 0 });
  });
});
