import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../support/cli.js';
import { callerKey, ordersGroup } from '../support/resources/manifests.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-lint-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Lints a folder `teams` of these files, as from the root of a repository. */
async function lint(files: Readonly<Record<string, string>>, ...args: string[]) {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const { exitCode, stdout, stderr } = await runCli(['lint', '.', ...args], { workingFolder: folder });
  return { exitCode, stderr, lines: stdout.trimEnd().split('\n') };
}

const key = (spec: string, name = 'app'): string => `apiVersion: countersign.dev/v1alpha1
kind: SignatureKey
metadata: {name: ${name}, namespace: mobile}
spec: {${spec}}
`;
const CALLER = 'usage: Caller, identity: SignatureKeyPair, type: HMAC';

describe('lint --output github', () => {
  test('prints an annotation per problem with its place and reason, and a summary', async () => {
    expect(
      await lint({ 'key.yaml': key(`${CALLER}, keyID: AKGITHUB0001, secretRef: {name: app}`) }, '--output', 'github'),
    ).toEqual({
      exitCode: 1,
      stderr: '',
      lines: [
        '::error file=key.yaml,line=4,col=96,title=SecretNotFound::SignatureKey mobile/app: spec.secretRef.name: Secret app does not exist in this namespace',
        '1 object, 1 error, 0 warnings',
      ],
    });
  });

  test('a warning is an annotation too and no failure', async () => {
    const { exitCode, lines } = await lint(
      { 'group.yaml': ordersGroup(), 'keys.yaml': callerKey() },
      '--output',
      'github',
    );
    expect(exitCode).toBe(0);
    expect(lines[0]).toMatch(
      /^::warning file=group\.yaml,line=11,col=\d+,title=ServiceNotFound::ApiGroup shop\/orders: /,
    );
  });

  test('a problem without a place names the folder and no line', async () => {
    const { lines } = await lint({}, '--output', 'github');
    expect(lines[0]).toMatch(/^::error file=\.,title=RequiredField::/);
  });

  test('nothing that a pull request writes begins a command of its own', async () => {
    const { lines } = await lint(
      {
        'a,b: c%.yaml':
          'apiVersion: countersign.dev/v1alpha1\nkind: UsagePlan\nmetadata: {name: "x\\r\\n::stop-commands::100%"}\n',
      },
      '--output',
      'github',
    );
    expect(lines.slice(0, -1).every((line) => line.startsWith('::error file=a%2Cb%3A c%25.yaml,'))).toBe(true);
    expect(lines.join('\n')).not.toMatch(/^::stop-commands/m);
    expect(lines[0]).toContain('::stop-commands::100%25');
    const text = await lint({ 'a.yaml': 'kind: UsagePlan\nmetadata: {name: "x\\r\\n::stop-commands::1"}\n' });
    expect(text.lines.join('\n')).not.toMatch(/^::stop-commands/m);
  });

  test('as text neither begins with a command of a CI system, nor holds one, nor moves the cursor of a terminal', async () => {
    const name = 'x ##vso[task.setvariable variable=A]b ##[set-output name=c]d \\e[2J\\e]0;title\\a \\u202Egnp';
    const { lines } = await lint({ '::add-mask::a.yaml': `kind: UsagePlan\nmetadata: {name: "${name}"}\n` });
    const text = lines.join('\n');
    expect(text).toContain('add-mask::a.yaml:');
    expect(text).toContain('task.setvariable');
    expect(text).not.toMatch(/^::/m);
    expect(text).not.toMatch(/##\w*\[/);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});

describe('lint of two objects that claim the same', () => {
  const group = (namespace: string, name: string): string => `apiVersion: countersign.dev/v1alpha1
kind: ApiGroup
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  hostnames: [api.example.com]
  basePath: /items
  access: {authentication: None}
  backend: {type: URL, url: "http://127.0.0.1:9000"}
  environments: [{name: release, default: true}]
`;
  const groups = { 'items.yaml': group('shop', 'items'), 'new.yaml': group('aaa', 'items2') };
  const CONFLICT =
    'ApiGroup aaa/items2 serves api.example.com with the same base path /items (new.yaml:3:12); of the two, whichever was served first stays in service';

  test('names both places, and who stays where they are served', async () => {
    const { exitCode, lines } = await lint(groups);
    expect(exitCode).toBe(1);
    expect(lines).toContain(`items.yaml:5:15: error Conflicted: ApiGroup shop/items: spec.hostnames[0]: ${CONFLICT}`);
    const twice = key(`${CALLER}, keyID: AKGITHUB0001, secretRef: {name: app}`);
    const keys = { 'a.yaml': twice, 'b.yaml': twice.replace('namespace: mobile', 'namespace: other') };
    expect((await lint(keys)).lines).toContainEqual(
      expect.stringMatching(
        /^b\.yaml:4:\d+: error DuplicateKeyID: SignatureKey other\/app: spec\.keyID: the id belongs to SignatureKey mobile\/app, which goes before; this key is not used \(a\.yaml:3:12\); of the two, /,
      ),
    );
  });

  test('annotates both, since a pull request may hold either', async () => {
    const { lines } = await lint(groups, '--output', 'github');
    expect(lines.filter((line) => line.includes('title=Conflicted'))).toEqual([
      `::error file=items.yaml,line=5,col=15,title=Conflicted::ApiGroup shop/items: spec.hostnames[0]: ${CONFLICT}`,
      '::error file=new.yaml,line=3,col=12,title=Conflicted::ApiGroup aaa/items2: metadata.name: claims the same as ApiGroup shop/items (items.yaml:5:15), where the error is told',
    ]);
    expect(lines.at(-1)).toMatch(/^2 objects, 1 error, /);
  });

  test('of a repository says what a cluster goes by', async () => {
    const { lines } = await lint(groups, '--gitops');
    expect(lines[0]).toMatch(/\(new\.yaml:3:12\); in a cluster the older of the two is served$/);
    const local = await lint({ 'a.yaml': group('shop', 'b'), 'b.yaml': group('shop', 'a') }, '--gitops');
    expect(local.lines[0]).toMatch(/^a\.yaml:5:15: .* \(b\.yaml:3:12\)$/);
  });

  test('goes by what the state folder remembers, where there is one', async () => {
    const since = {
      'ApiGroup/shop/items': '2027-01-01T00:00:00.000Z',
      'ApiGroup/aaa/items2': '2027-01-02T00:00:00.000Z',
    };
    for (const [name, text] of Object.entries(groups)) writeFileSync(join(folder, name), text);
    const state = mkdtempSync(join(tmpdir(), 'countersign-lint-state-'));
    writeFileSync(join(state, 'first-seen.json'), JSON.stringify({ version: 1, since, homes: {} }));
    const { lines } = await lint(groups, '--state-dir', state);
    expect(lines.find((line) => line.includes('Conflicted'))).toMatch(/^new\.yaml:5:15: /);
    writeFileSync(join(state, 'first-seen.json'), '{');
    expect((await lint(groups, '--state-dir', state)).lines.join('\n')).toContain(CONFLICT);
    rmSync(state, { recursive: true });
  });
});

test('lint places what is said of a plan with a misspelt kind where the plan is', async () => {
  const { lines } = await lint({
    'group.yaml': ordersGroup(),
    'plan.yaml': `apiVersion: countersign.dev/v1alpha1
kind: UsagePlans
metadata: {name: standard, namespace: shop}
spec:
  quotas: [{name: daily, requests: 5, period: Day}]
  keys: {refs: [{name: gone}]}
  targets: [{apiGroup: orders, environment: release, apis: ["*"]}]
`,
  });
  const ofPlan = lines.filter((line) => line.includes('shop/standard'));
  expect(ofPlan[0]).toMatch(/^plan\.yaml:2:1: error UnknownKind: .*did you mean "UsagePlan"/);
  expect(ofPlan.slice(1)).toEqual([
    expect.stringMatching(/^plan\.yaml:4:1: error Invalid: UsagePlan shop\/standard: spec: the plan has errors/),
    expect.stringMatching(/^plan\.yaml:6:17: error KeyNotFound: UsagePlan shop\/standard: spec\.keys\.refs\[0\]: /),
  ]);
});

describe('lint --gitops', () => {
  const others = {
    'kustomization.yaml': 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n',
    'external.yaml':
      'apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: app, namespace: mobile}\n',
    'again.yaml':
      'apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: app, namespace: mobile}\n',
    'config.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: mobile}\n',
    'values.yaml': 'replicas: 2\n',
    'patch.yaml': '- {op: remove, path: /spec}\n',
  };

  test('skips the objects of others, which are errors without it', async () => {
    const files = { ...others, 'key.yaml': key(CALLER) };
    expect(await lint(files, '--gitops')).toMatchObject({ exitCode: 0, lines: ['1 object, 0 errors, 0 warnings'] });
    expect((await lint(files)).exitCode).toBe(1);
  });

  test('takes Secrets that are elsewhere or encrypted to fit their key, of whatever type', async () => {
    const files = {
      'keys.yaml': [
        key(`${CALLER}, keyID: AKGITOPS0001, secretRef: {name: elsewhere}`, 'elsewhere'),
        key(`${CALLER}, keyID: AKGITOPS0002, secretRef: {name: encrypted}`, 'encrypted'),
        key('usage: Backend, type: HMAC, secretRef: {name: backend}', 'backend'),
        key('usage: Backend, type: Basic, secretRef: {name: basic}', 'basic'),
        key('usage: Backend, type: AES, aes: {algorithm: AES128CFB}, secretRef: {name: aes128}', 'aes128'),
        key('usage: Backend, type: AES, aes: {algorithm: AES256CFB}, secretRef: {name: aes256}', 'aes256'),
      ].join('---\n'),
      'encrypted.yaml': `apiVersion: v1
kind: Secret
metadata: {name: encrypted, namespace: mobile}
type: countersign.dev/signature-key
stringData: {keyId: 'ENC[AES256_GCM,data:x]', secret: 'ENC[AES256_GCM,data:y]'}
sops: {version: 3.9.0}
`,
    };
    expect(await lint(files, '--gitops')).toMatchObject({
      exitCode: 0,
      lines: ['6 objects, 0 errors, 0 warnings; 6 Secrets not in the folder, taken to exist'],
    });
    const { lines } = await lint(files);
    expect(lines[0]).toMatch(/encrypted\.yaml:6:1: error InvalidSecret: .*encrypted with SOPS/);
  });

  test('still checks a Secret that is in the folder', async () => {
    const { exitCode, lines } = await lint(
      {
        'key.yaml': `${key(`${CALLER}, keyID: AKGITOPS0001, secretRef: {name: app}`)}---
apiVersion: v1
kind: Secret
metadata: {name: app, namespace: mobile}
type: countersign.dev/signature-key
stringData: {keyId: ANOTHER, secret: some-test-secret-1}
`,
      },
      '--gitops',
    );
    expect(exitCode).toBe(1);
    expect(lines[0]).toContain('InvalidSecret');
  });

  test.each([
    ['a misspelt kind of ours', 'apiVersion: countersign.dev/v1alpha1\nkind: SignatureKeys\nmetadata: {name: x}\n'],
    ['no kind', 'apiVersion: countersign.dev/v1alpha1\nmetadata: {name: x}\n'],
    ['a misspelt group', 'apiVersion: countersing.dev/v1alpha1\nkind: UsagePlan\nmetadata: {name: x}\n'],
    ['a file that does not parse', 'a: {\n'],
    ['one name twice', `${key(CALLER)}---\n${key(CALLER)}`],
  ])('does not skip %s', async (_, text) => {
    expect((await lint({ 'a.yaml': text }, '--gitops')).exitCode).toBe(1);
  });

  test('a folder without any object of ours is nearly always the wrong one', async () => {
    expect((await lint(others, '--gitops')).exitCode).toBe(1);
  });
});
