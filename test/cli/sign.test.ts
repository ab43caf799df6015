import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../support/cli.js';

const SECRET = 'a1B2c3D4e5F6g7H8i9J0kLmN';
const KEY = ['--key-id', '0c1d2e3f4a5b6c7d8e9f', '--secret', SECRET];
const AT = ['--date', '2024-01-02T03:04:05Z', '--nonce', '11111111-2222-4333-8444-000000000001'];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('sign', () => {
  test('prints one header a line, the same for the same inputs', async () => {
    const args = ['sign', '--dialect', 'Huawei', ...KEY, ...AT, 'http://api.example.com/pets?b=2&a=1'];
    const first = await runCli(args);
    expect(first).toMatchObject({ exitCode: 0, stderr: '' });
    expect(first.stdout.split('\n')[0]).toBe('x-sdk-date: 20240102T030405Z');
    expect(first.stdout).toMatch(
      /^authorization: SDK-HMAC-SHA256 Access=0c1d2e3f4a5b6c7d8e9f, SignedHeaders=host;x-sdk-date, Signature=[0-9a-f]{64}$/m,
    );
    expect(await runCli(args)).toEqual(first);
  });

  test.each(['JDCloud', 'Huawei', 'Tencent', 'TencentApplication'])(
    'makes what `verify` accepts, and refuses after a change (%s)',
    async (dialect) => {
      const body = '{"sku":"A-1"}';
      const { stdout } = await runCli([
        'sign',
        '--dialect',
        dialect,
        ...KEY,
        ...AT,
        '-H',
        'Content-Type: application/json',
        '-d',
        body,
        'PUT',
        'https://api.example.com/pets/7?q=a%20b',
      ]);
      const message = (target: string): string => `PUT ${target} HTTP/1.1\nhost: api.example.com\n${stdout}\n${body}`;
      const file = join(folder, `${dialect}.http`);
      const verify = () =>
        runCli(['verify', file, ...KEY, '--dialect', dialect, '--at', '2024-01-02T03:04:05Z'], {
          workingFolder: folder,
        });
      writeFileSync(file, message('/pets/7?q=a%20b'));
      expect(await verify()).toMatchObject({
        exitCode: 0,
        stdout: expect.stringContaining(`signature: valid, dialect ${dialect}`),
      });
      writeFileSync(
        file,
        message('/pets/7?q=a%20b').replace('20240102T030405Z', '20240102T030406Z').replace('03:04:05', '03:04:06'),
      );
      expect(await verify()).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('signature: not valid') });
    },
  );

  test('takes the secret from a file, without its line end, or from a variable', async () => {
    writeFileSync(join(folder, 'secret'), `${SECRET}\n`);
    const sign = (...from: string[]) =>
      runCli(['sign', '--dialect', 'Huawei', '--key-id', 'AK1', ...from, ...AT, 'http://h/'], {
        workingFolder: folder,
        environment: { MY_SECRET: SECRET },
      });
    const direct = await sign('--secret', SECRET);
    expect(await sign('--secret-file', 'secret')).toEqual(direct);
    expect(await sign('--secret-env', 'MY_SECRET')).toEqual(direct);
    expect(await sign('--secret-env', 'OTHER')).toMatchObject({
      exitCode: 2,
      stderr: 'error: --secret-env: there is no variable OTHER\n',
    });
    expect(await sign()).toMatchObject({
      exitCode: 2,
      stderr: 'error: name one of --secret-file, --secret-env, --secret\n',
    });
  });

  test('with --curl prints what a shell hands to curl unchanged', async () => {
    const seen: {
      method: string | undefined;
      url: string | undefined;
      headers: NodeJS.Dict<string | string[]>;
      body: string;
    }[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += String(chunk)));
      request.on('end', () => {
        seen.push({ method: request.method, url: request.url, headers: request.headers, body });
        response.end('ok');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/a?x=1&y=(z)`;
    const { stdout } = await runCli(['sign', '--curl', '--dialect', 'JDCloud', ...KEY, '-d', `{"it's": "$HOME"}`, url]);
    const done = new Promise<void>((resolve) =>
      server.once('request', (_request, response) => void response.once('close', resolve)),
    );
    execFile(
      '/bin/sh',
      [
        '-c',
        `printf '%s' "$0" > /dev/null; eval "set -- $0"; for word; do printf '%s\\n' "$word"; done`,
        stdout.trim(),
      ],
      (_error, words) => {
        const args = words.trimEnd().split('\n');
        const headers = args.flatMap((word, i) =>
          args[i - 1] === '-H' ? [word.split(/: /, 2) as [string, string]] : [],
        );
        void fetch(args.at(-1) ?? '', {
          method: args[1] ?? '',
          headers,
          body: args[args.indexOf('--data-binary') + 1] ?? '',
        });
      },
    );
    await done;
    server.close();
    expect(seen[0]).toMatchObject({
      method: 'POST',
      url: '/a?x=1&y=(z)',
      body: `{"it's": "$HOME"}`,
      headers: {
        authorization: expect.stringContaining('JDCLOUD2-HMAC-SHA256'),
        'content-type': 'application/octet-stream',
      },
    });
  });

  test.each([
    [
      ['sign', '--dialect', 'Amazon', ...KEY, 'http://h/'],
      /Allowed choices are JDCloud, Huawei, Tencent, TencentApplication/,
    ],
    [['sign', '--dialect', 'Huawei', ...KEY, 'ftp://h/'], /the URL must start with http/],
    [['sign', '--dialect', 'Huawei', ...KEY, 'http://h/é'], /percent-encoded/],
    [['sign', '--dialect', 'Huawei', ...KEY, '-H', 'no colon', 'http://h/'], /--header must be "Name: value"/],
    [['sign', '--dialect', 'Huawei', ...KEY, '--date', 'soon', 'http://h/'], /--date must be a time/],
    [['sign', '--dialect', 'Huawei', 'http://h/'], /required option '--key-id <id>' not specified/],
  ])('tells what is wrong with %j', async (args, message) => {
    const { exitCode, stdout, stderr } = await runCli(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });
});
