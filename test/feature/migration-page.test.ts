/** docs/migration.md: its objects, served; its script, run; its commands, and those of docs/limits.md, given to the CLI. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redacted } from '../../src/lib/redacted.js';
import type { DialectName } from '../../src/signature/dialect.js';
import { dialectByName } from '../../src/signature/dialects.js';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { runCli, type Finished } from '../support/cli.js';
import { codeBlocks, readPage } from '../support/code-blocks.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { sendHttp1 } from '../support/http.js';
import { startRedis, type RedisServer } from '../support/redis/redis.js';
import { apiGroup, importedKey, toYaml, urlBackend } from '../support/resources/resources.js';
import { tencentHeaders } from '../support/signing/tencent-sample.js';

const page = readPage('migration.md');

const PARTNERS = {
  a: { keyId: 'AKIDpartner0000000000000000000000001', secret: 'an-example-secret-of-partner-a' },
  b: { keyId: 'JDCPARTNER00000000000000000000000B', secret: 'an-example-secret-of-partner-b' },
  c: { keyId: 'HWPARTNER0000000000C', secret: 'a secret, quoted #$%' },
} as const;

let folder: string;
let redis: RedisServer;
let backend: RecordingBackend;
let gateway: TestGateway;

/** What the page's script makes of the page's file. */
function importedKeys(): string {
  writeFileSync(join(folder, 'keys.csv'), codeBlocks(page, 'csv')[0]!);
  writeFileSync(join(folder, 'import-keys.py'), codeBlocks(page, 'python')[0]!);
  const command = /^python3 import-keys\.py shop < keys\.csv/m.exec(page)![0];
  return execFileSync('bash', ['-c', command], { cwd: folder, encoding: 'utf8' });
}

/** The arguments of each `countersign` in shell text, as bash runs it. */
function argumentsIn(shell: string): string[][] {
  const recorded = `countersign() { printf '%s\\0' "$@"; printf '\\n'; }\n${shell}`;
  const output = execFileSync('bash', ['-euc', recorded], { cwd: folder, encoding: 'utf8' });
  return output.split('\0\n').flatMap((line) => (line === '' ? [] : [line.split('\0')]));
}

const usageCommands = (text: string): string =>
  codeBlocks(text, '')
    .filter((block) => /countersign usage .*config\//.test(block))
    .join('');

const runDocumented = (args: readonly string[], configFolder: string): Promise<Finished> =>
  runCli(
    args.map((arg) => (arg === 'config/' ? configFolder : arg.replace('redis://127.0.0.1:6379', redis.url))),
    { terminal: true, stdin: 'y\n' },
  );

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-migration-'));
  [redis, backend] = await Promise.all([startRedis(), startBackend()]);
  const open = (name: string, environments: readonly object[]) =>
    apiGroup(name, { access: { authentication: 'None' }, backend: urlBackend(backend.port), environments });
  gateway = await startGateway({
    flags: { redisUrl: redis.url, service: [`shop/orders:8080=127.0.0.1:${backend.port}`] },
    files: {
      'page.yaml': codeBlocks(page, 'yaml').join('---\n'),
      'keys.yaml': importedKeys(),
      'defaults.yaml': toYaml(
        open('header', [{ name: 'x', default: true, match: { type: 'Header', value: 'Live' } }]),
        open('hostname', [{ name: 'x', default: true, match: { type: 'Hostname', value: 'x.example.com' } }]),
      ),
    },
  });
}, 120_000);
afterAll(async () => {
  await gateway?.close();
  await backend?.close();
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Seen {
  readonly status: number;
  readonly environment?: string | undefined;
  readonly target?: string | undefined;
}

async function call(target: string, headers: Readonly<Record<string, string>>): Promise<Seen> {
  backend.clear();
  const { status } = await sendHttp1(gateway.httpPort, { method: 'GET', target, headers });
  if (status !== 200) return { status };
  return {
    status,
    environment: backend.last?.header('x-countersign-environment'),
    target: backend.last?.target,
  };
}

function signed(dialect: DialectName, key: { keyId: string; secret: string }, host: string, target: string) {
  const headers = dialectByName(dialect).sign(
    { method: 'GET', target, host, signHeaders: [], contentType: undefined, body: Buffer.from('') },
    { keyId: key.keyId, secret: new Redacted(key.secret) },
    { nowMs: Date.now(), nonce: randomUUID() },
  );
  return { ...Object.fromEntries(headers), host };
}

describe('the objects of the page', () => {
  test('are served without a problem, with the keys that the script makes of the CSV file', async () => {
    const { problems, resources } = await gateway.status();
    expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(resources.filter(({ kind }) => kind === 'SignatureKey').map(({ status }) => status['keyID'])).toEqual([
      PARTNERS.a.keyId,
      PARTNERS.b.keyId,
      PARTNERS.c.keyId,
    ]);
  });

  test.each([
    ['/release/v1/orders', { status: 200, environment: 'release', target: '/v1/orders' }],
    ['/v1/orders', { status: 200, environment: 'release', target: '/v1/orders' }],
    ['/test/v1/orders', { status: 200, environment: 'test', target: '/v1/orders' }],
    ['/prepub/v1/orders', { status: 403 }],
  ])('Tencent: %s', async (target, seen) => {
    expect(await call(target, { ...tencentHeaders(PARTNERS.a), host: 'orders.example.com' })).toEqual(seen);
  });

  test.each([
    ['items.example.com', 'online'],
    ['items-test.example.com', 'test'],
    ['items-preview.example.com', undefined],
  ])('JD Cloud: %s', async (host, environment) => {
    const seen = await call('/v1/items', signed('JDCloud', PARTNERS.b, host, '/v1/items'));
    expect([seen.status, seen.environment]).toEqual(environment ? [200, environment] : [401, undefined]);
  });

  test.each([
    [undefined, 200, 'release'],
    ['RELEASE', 200, 'release'],
    ['TEST', 200, 'test'],
    ['test', 404, undefined],
    ['release', 404, undefined],
  ])('Huawei: X-Stage %s', async (stage, status, environment) => {
    const headers = signed('Huawei', PARTNERS.c, 'users.example.com', '/v1/users');
    const seen = await call('/v1/users', stage === undefined ? headers : { ...headers, 'X-Stage': stage });
    expect([seen.status, seen.environment]).toEqual([status, environment]);
  });

  test.each([
    ['Header', '/header/a', {}, 200],
    ['Header', '/header/a', { 'X-Stage': 'Live' }, 200],
    ['Header', '/header/a', { 'X-Stage': 'RELEASE' }, 404],
    ['Hostname', '/hostname/a', {}, 200],
    ['Hostname', '/hostname/a', { host: 'x.example.com' }, 200],
    ['Hostname', '/hostname/a', { 'X-Stage': 'anything' }, 200],
  ])('a default environment with a match of type %s answers %s %j with %d', async (_, target, headers, status) => {
    expect((await call(target, headers)).status).toBe(status);
  });
});

describe('the commands that carry use over', () => {
  test('of the migration page work as printed, the loop included', async () => {
    writeFileSync(join(folder, 'used.csv'), `${PARTNERS.a.keyId},5\npartner-a,7\n`);
    const commands = argumentsIn(usageCommands(page));
    expect(commands.map((args) => args.filter((arg) => /^(set|\d+)$/.test(arg)).join(' '))).toEqual([
      '',
      'set 120000',
      'set 5',
      'set 7',
    ]);
    for (const args of commands) expect(await runDocumented(args, gateway.folder)).toMatchObject({ exitCode: 0 });
    const { stdout } = await runDocumented(commands[0]!, gateway.folder);
    expect(stdout).toMatch(new RegExp(`total \\(shadow\\) +Quota +${PARTNERS.a.keyId} +7 +2000000 +never`));
  });

  test('of the limits page do, too', async () => {
    const limits = readPage('limits.md');
    const config = mkdtempSync(join(tmpdir(), 'countersign-limits-page-'));
    try {
      const [key, secret] = importedKey('mobile-app', 'AKIDmobileapp0000001', 'limits-page-secret-01', {
        allowedAuthorizers: { namespaces: { from: 'All' } },
      }).map((each) => ({ ...each, metadata: { name: 'mobile-app', namespace: 'team-caller' } }));
      const group = apiGroup('orders', { verification: { dialects: ['Tencent'] }, backend: urlBackend(backend.port) });
      writeFileSync(join(config, 'objects.yaml'), toYaml(key!, secret!, group));
      writeFileSync(join(config, 'plan.yaml'), codeBlocks(limits, 'yaml')[0]!);
      const shown = /^\$ (countersign usage .*)$/m.exec(limits)![1]!;
      const changes = codeBlocks(limits, '').find((block) => /countersign usage set config\//.test(block))!;
      const [show, set, reset, ...others] = argumentsIn(`${shown}\n${changes}`);
      expect(others).toEqual([]);
      for (const [args, used] of [
        [set, '120000'],
        [reset, '0'],
      ] as const) {
        expect(await runDocumented(args!, config)).toMatchObject({ exitCode: 0 });
        expect((await runDocumented(show!, config)).stdout).toMatch(
          new RegExp(`monthly +Quota +AKIDmobileapp0000001 +${used} +2000000`),
        );
      }
    } finally {
      rmSync(config, { recursive: true, force: true });
    }
  });

  test('name what is missing where counters are in memory', async () => {
    const { exitCode, stderr } = await runCli(['usage', gateway.folder]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining('counters in memory') });
  });
});
