import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { KINDS } from '../../src/api/types.js';
import { findEnvoy } from '../../src/app/binaries/envoy.js';
import { runCli } from '../support/cli.js';
import { callerKey, ordersGroup } from '../support/resources/manifests.js';
import { secret, toYaml } from '../support/resources/resources.js';

const root = join(import.meta.dirname, '../..');
const fixtures = join(import.meta.dirname, 'fixtures');
const cli = (...args: string[]) => runCli(args, { workingFolder: fixtures });

/** Compares with a file beside the fixtures; UPDATE_GOLDEN=1 writes it. */
function expectGolden(name: string, text: string): void {
  const file = join(fixtures, name);
  if (process.env['UPDATE_GOLDEN']) writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
}

let temporary: string;
/** Makes `temporary` hold these files. */
function writeFiles(files: Readonly<Record<string, string>>, keep = false): void {
  if (!keep) for (const name of readdirSync(temporary)) rmSync(join(temporary, name), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(temporary, name), text);
}
beforeAll(() => {
  temporary = mkdtempSync(join(tmpdir(), 'countersign-cli-'));
});
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

describe('lint', () => {
  test('finds nothing in a good folder; a key that `run` would generate is no problem', async () => {
    expect(await cli('lint', 'good')).toEqual({ exitCode: 0, stdout: '4 objects, 0 errors, 0 warnings\n', stderr: '' });
  });

  test('prints each problem as file:line:column, severity, reason and message, and a summary', async () => {
    const { exitCode, stdout, stderr } = await cli('lint', 'bad');
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' });
    expectGolden('bad.lint.txt', stdout);
    for (const line of stdout.trim().split('\n').slice(0, -1))
      expect(line).toMatch(/^bad\/[\w.]+:\d+:\d+: (error|warning) [A-Z]\w+: /);
  });

  test('prints the same as JSON', async () => {
    const { exitCode, stdout } = await cli('lint', 'bad', '--output', 'json');
    expect(exitCode).toBe(1);
    expectGolden('bad.lint.json', stdout);
  });

  test.each(['quickstart', 'minimal'])(
    'takes a Service that --service names for resolved, and finds nothing in examples/%s',
    async (name) => {
      const service = 'shop/orders:8080=127.0.0.1:9000';
      const { stdout } = await runCli(['lint', join(root, 'examples', name), '--service', service]);
      expect(stdout).toMatch(/^[1-9]\d* objects, 0 errors, 0 warnings\n$/);
    },
  );

  test('the reference shows the four examples that work together, each under its kind', () => {
    const page = readFileSync(join(root, 'docs/reference/resources.md'), 'utf8');
    const kinds = readdirSync(join(root, 'examples/minimal')).map((name) => {
      const text = readFileSync(join(root, 'examples/minimal', name), 'utf8');
      const { kind } = parse(text) as { kind: string };
      const [, shown] = new RegExp(`^## ${kind}\n[^#]*\`\`\`yaml\n([^]*?)\`\`\``, 'm').exec(page) ?? [];
      expect(shown).toBe(text);
      return kind;
    });
    expect(kinds.sort()).toEqual([...KINDS].sort());
  });

  test('warns of a Service without an address; in a repository for a cluster only of one that it cannot see', async () => {
    writeFiles({ 'group.yaml': ordersGroup(), 'keys.yaml': callerKey() });
    expect(await cli('lint', temporary)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(
        /group\.yaml:11:\d+: warning ServiceNotFound: .*--service shop\/orders:8080=HOST:PORT.*\n3 objects, 0 errors, 1 warning\n$/,
      ),
    });
    const service =
      'apiVersion: v1\nkind: Service\nmetadata: {name: orders, namespace: shop}\nspec: {ports: [{port: 8080}]}\n';
    writeFiles({ 'service.yaml': service }, true);
    expect(await cli('lint', temporary)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(
        /group\.yaml:11:\d+: warning ServiceNotFound: .*in this folder.*--service shop\/orders:8080=HOST:PORT.*\n3 objects, 0 errors, 1 warning\n$/,
      ),
    });
    for (const more of [['--gitops'], ['--service', 'shop/orders:8080=127.0.0.1:9000']])
      expect(await cli('lint', temporary, ...more)).toEqual({
        exitCode: 0,
        stdout: '3 objects, 0 errors, 0 warnings\n',
        stderr: '',
      });
  });

  test('warns of a group that asks for an authorization which nobody gives', async () => {
    writeFiles({ 'group.yaml': ordersGroup() });
    expect((await cli('lint', temporary, '--service', 'shop/orders:8080=127.0.0.1:9000')).stdout).toMatch(
      /group\.yaml:8:3: warning NoAuthorization: ApiGroup shop\/orders: spec\.access: .*nobody may call it/,
    );
  });

  test('warns of a rate of several requests that admits one at a time, as nobody may have meant', async () => {
    const lines = [
      '{name: pair, requests: 2, interval: 1m}',
      '{name: hundred, requests: 100, interval: 1m}',
      ...['{name: meant, requests: 2, interval: 1m, burst: 1}', '{name: single, requests: 1, interval: 1m}'],
      ...['{name: second, requests: 2, interval: 1s}', '{name: many, requests: 120, interval: 1m}'],
    ];
    writeFiles({
      'plan.yaml': `apiVersion: countersign.dev/v1alpha1
kind: UsagePlan
metadata: {name: gold, namespace: shop}
spec:
  keys: {refs: [{name: mobile}]}
  targets: [{apiGroup: orders, environment: release, apis: ['*']}]
  rateLimits:
${lines.map((line) => `    - ${line}\n`).join('')}`,
    });
    const { stdout } = await cli('lint', temporary);
    expect(stdout.split('\n').flatMap((line) => /plan\.yaml:(.*DefaultBurst.*)/.exec(line)?.[1] ?? [])).toEqual([
      '8:7: warning DefaultBurst: UsagePlan shop/gold: spec.rateLimits[0]: admits 1 request at once and the next after 30 s; write burst: 2 where 2 may come together, or burst: 1 where this is meant',
      '9:7: warning DefaultBurst: UsagePlan shop/gold: spec.rateLimits[1]: admits 1 request at once and the next after 600 ms; write burst: 100 where 100 may come together, or burst: 1 where this is meant',
    ]);
  });

  test('fails for a folder without any object of ours, which a check of a pull request would pass for ever', async () => {
    writeFiles({ 'other.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n' });
    expect(await cli('lint', temporary)).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('no SignatureKey, ApiGroup, Authorization or UsagePlan is in this folder'),
    });
  });

  test('says of a reference whether the object is refused or in another namespace', async () => {
    writeFiles({
      'group.yaml': ordersGroup().replace('basePath: /orders', 'basePath: orders'),
      'keys.yaml': callerKey(),
    });
    const { stdout } = await cli('lint', temporary);
    expect(stdout).toMatch(/ApiGroup orders is refused; its own errors say why \(\S+\/group\.yaml:\d+:\d+\)\n/);
    writeFiles({
      'group.yaml': ordersGroup().replace('namespace: shop', 'namespace: store'),
      'keys.yaml': callerKey(),
    });
    expect((await cli('lint', temporary)).stdout).toContain(
      'ApiGroup orders does not exist in namespace shop; namespace store has one of that name',
    );
  });

  test('tells that there is no such folder', async () => {
    expect(await cli('lint', 'nowhere')).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: 'error: nowhere is not a folder\n',
    });
  });
});

describe('render', () => {
  const folders = [
    join(fixtures, 'good'),
    // Others hold objects for other tools too (Deployments, Kustomizations), which only a cluster takes; see below.
    ...readdirSync(join(root, 'examples'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml'))
      .map((entry) => entry.parentPath)
      .filter((folder) => !/\/(gitops|backends)(\/|$)/.test(folder)),
  ];

  async function expectValid(folder: string): Promise<void> {
    const { exitCode, stdout, stderr } = await runCli([
      ...['render', folder, '--service', 'shop/orders:8080=127.0.0.1:9000'],
    ]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const file = join(temporary, 'envoy.yaml');
    writeFileSync(file, stdout);
    const { path } = await findEnvoy({ log: () => undefined });
    const { stdout: verdict } = await promisify(execFile)(path, ['--mode', 'validate', '-c', file]);
    expect(verdict).toContain('OK');
  }

  test.each([...new Set(folders)])('prints what `envoy --mode validate` accepts: %s', expectValid, 60_000);

  test('prints what `envoy --mode validate` accepts: the objects of our kinds, and Namespaces, of examples/gitops', async () => {
    const gitops = join(root, 'examples/gitops');
    const ours = globSync(['teams/**/*.yaml', 'platform/base/namespaces.yaml'], { cwd: gitops }).flatMap((file) =>
      parseAllDocuments(readFileSync(join(gitops, file), 'utf8')).filter((document) => {
        const { apiVersion = '', kind = '' } = (document.toJS() ?? {}) as { apiVersion?: string; kind?: string };
        return apiVersion.startsWith('countersign.dev/') || kind === 'Namespace';
      }),
    );
    const kinds = ours.map((document) => String(document.get('kind')));
    expect([...new Set(kinds)].sort()).toEqual([...KINDS, 'Namespace'].sort());
    // What the vault of the cluster would add: a Secret for each key that names one.
    const secrets = ours.flatMap((document) => {
      const { metadata, spec } = document.toJS() as {
        metadata: { namespace: string };
        spec?: { keyID?: string; secretRef?: { name: string } };
      };
      const name = spec?.secretRef?.name;
      const stringData = { keyId: spec?.keyID ?? 'AKBACKEND00000000001', secret: 'made-up-secret-0000001' };
      return name === undefined ? [] : [{ ...secret(name, stringData), metadata: { ...metadata, name } }];
    });
    expect(secrets).toHaveLength(3);
    const folder = mkdtempSync(join(tmpdir(), 'countersign-gitops-'));
    try {
      writeFileSync(join(folder, 'all.yaml'), [...ours.map(String), toYaml(...secrets)].join('---\n'));
      await expectValid(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 60_000);

  test('is the same for the same folder, byte for byte, and holds no secret', async () => {
    const first = await cli('render', 'good');
    expect(await cli('render', 'good')).toEqual(first);
    expect(first.stdout).not.toContain('never-printed-secret');
  });

  test('with --effective prints the settings after defaults, without secrets and made-up ids', async () => {
    const { exitCode, stdout } = await cli('render', 'good', '--effective');
    expect(exitCode).toBe(0);
    const { callerKeys, groups } = parse(stdout) as {
      callerKeys: { key: string; keyId: string; secrets: unknown }[];
      groups: { environments: { apis: { verification: unknown }[] }[] }[];
    };
    expect(groups[0]?.environments[0]?.apis[0]?.verification).toMatchObject({
      maxClockSkewMs: 300_000,
      compatibility: 'Vendor',
      maxBodyBytes: 4_194_304,
    });
    expect(callerKeys.map(({ key, keyId, secrets }) => [key, keyId, secrets])).toEqual([
      ['shop/generated', '(generated by run)', [{ secret: '[redacted]' }]],
      ['shop/imported', 'IMPORTEDKEYID0000001', [{ secret: '[redacted]' }]],
    ]);
  });

  test('renders what is good and tells the rest on stderr', async () => {
    const { exitCode, stdout, stderr } = await cli('render', 'bad');
    expect(exitCode).toBe(1);
    expect(stdout).toContain('static_resources:');
    expect(stderr).toContain('bad/group.yaml:6:38: error InvalidValue');
  });
});

describe('keys', () => {
  test('lists ids, states and where the secrets are, and never a secret', async () => {
    const { exitCode, stdout } = await cli('keys', 'good');
    expect(exitCode).toBe(0);
    expectGolden('good.keys.txt', stdout);
    const json = await cli('keys', 'good', '--output', 'json');
    expect(JSON.parse(json.stdout)).toHaveLength(2);
    expect(stdout + json.stdout).not.toContain('never-printed-secret');
    expect(readdirSync(join(fixtures, 'good'))).toEqual(['group.yaml', 'keys.yaml']);
  });

  test('says that the Secret of a key was refused', async () => {
    writeFiles({ 'keys.yaml': callerKey().replace(/secret: test\S+\}/, 'secret: 12345}') });
    expect((await cli('keys', temporary)).stdout).toMatch(
      /\(refused: Secret shop\/caller in \S+keys\.yaml:\d+; see lint\)/,
    );
  });
});

describe('a command with settings', () => {
  test('tells every bad setting on a line of its own', async () => {
    expect(await cli('lint', 'good', '--service', 'x', '--hostnames', 'y')).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringMatching(/^error: --service: must be .*\nerror: --hostnames: must be .*\n$/),
    });
  });

  test('warns of a variable that looks like a misspelt setting', async () => {
    const { exitCode, stderr } = await runCli(['lint', 'good'], {
      workingFolder: fixtures,
      environment: { COUNTERSIGN_HTP_PORT: '80', COUNTERSIGN_CONTROLLER_SERVICE_HOST: '10.0.0.1' },
    });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: 'warning: COUNTERSIGN_HTP_PORT is no setting and is not read; is COUNTERSIGN_HTTP_PORT meant?\n',
    });
  });

  test('reads settings from the environment', async () => {
    const { stderr } = await runCli(['lint', 'good'], {
      workingFolder: fixtures,
      environment: { COUNTERSIGN_HTTP_PORT: 'eighty' },
    });
    expect(stderr).toContain('COUNTERSIGN_HTTP_PORT: must be a whole number');
  });
});
