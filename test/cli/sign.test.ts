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
const AT = ['--date', '2024-01-02T03:04:05Z'];
const NONCE = ['--nonce', '11111111-2222-4333-8444-000000000001'];

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

  test('takes id and secret from a Secret manifest, as the state folder holds it', async () => {
    const manifest = (fields: string): string =>
      `apiVersion: v1\nkind: "Secret"\nmetadata: {name: a, namespace: shop}\ntype: countersign.dev/signature-key\n${fields}\n`;
    const sign = (...from: string[]) =>
      runCli(['sign', '--dialect', 'Huawei', ...from, ...AT, 'http://h/'], { workingFolder: folder });
    const expected = await sign('--key-id', 'AK1', '--secret', SECRET);
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    for (const fields of [
      `stringData: {keyId: AK1, secret: ${SECRET}}`,
      `data: {keyId: ${base64('AK1')}, secret: ${base64(SECRET)}}`,
    ]) {
      writeFileSync(join(folder, 'key.yaml'), manifest(fields));
      expect(await sign('--secret-file', 'key.yaml')).toEqual(expected);
    }
    expect((await sign('--secret-file', 'key.yaml', '--key-id', 'AK2')).stderr).toContain('no key with the id AK2');
    writeFileSync(
      join(folder, 'key.yaml'),
      manifest('stringData: {keyId: AK1, secret: x}').replace('type: countersign.dev/signature-key', 'type: Opaque'),
    );
    expect(await sign('--secret-file', 'key.yaml')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('no good Secret of type countersign.dev/signature-key'),
    });
  });

  test('signs for a method that HTTP does not define, with a warning, and takes a nonce where there is one', async () => {
    expect(await runCli(['sign', '--dialect', 'Huawei', ...KEY, 'GTE', 'http://h/'])).toMatchObject({
      exitCode: 0,
      stderr: 'warning: GTE is no method that HTTP defines\n',
    });
    expect((await runCli(['sign', '--dialect', 'JDCloud', ...KEY, ...NONCE, 'http://h/'])).stdout).toContain(NONCE[1]);
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
    [['sign', '--dialect', 'Huawei', '--secret', SECRET, 'http://h/'], /name the key with --key-id/],
    [['sign', '--dialect', 'Huawei', ...KEY, '-H', 'Authorization: x', 'http://h/'], /--header authorization: is the/],
    [['sign', '--dialect', 'Huawei', ...KEY, '-H', 'x-sdk-date: x', 'http://h/'], /sets it itself; give --date/],
    [['sign', '--dialect', 'Tencent', ...KEY, '-H', 'Content-Length: 1', 'http://h/'], /the client that sends/],
    [['sign', '--dialect', 'Huawei', ...KEY, '-H', 'a: 1', '-H', 'A: 2', 'http://h/'], /--header a: is given twice/],
    [['sign', '--dialect', 'Huawei', ...KEY, ...NONCE, 'http://h/'], /--nonce: the dialect Huawei has none/],
    [
      ['sign', '--dialect', 'Tencent', ...KEY, '--unsigned-payload', 'http://h/'],
      /--unsigned-payload: the dialect Tencent/,
    ],
    [['sign', '--dialect', 'Huawei', '--key-id', 'A', '--secret-file', 'gone', 'http://h/'], /gone does not exist/],
  ])('tells what is wrong with %j', async (args, message) => {
    const { exitCode, stdout, stderr } = await runCli(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });
});
