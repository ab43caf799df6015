import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readHttpMessage } from '../../src/cli/http-file.js';
import { runCli } from '../support/cli.js';

const KEY_ID = '0c1d2e3f4a5b6c7d8e9f';
const SECRET = 'a1B2c3D4e5F6g7H8i9J0kLmN';
// Captured from the vendor's own Node SDK on loopback.
const CAPTURE = {
  at: '2024-01-02T03:04:05Z',
  target: '/',
  headers: [
    ['Content-Type', 'application/json'],
    ['X-Sdk-Date', '20240102T030405Z'],
    ['host', 'api.example.com'],
    [
      'Authorization',
      `SDK-HMAC-SHA256 Access=${KEY_ID}, SignedHeaders=content-type;host;x-sdk-date, Signature=03251a227ed186b295cfd31014a80c07cf78014e159ae418b80ad3df71d87a6e`,
    ],
  ],
} as const;
const CANONICAL = [
  'GET',
  '/',
  '',
  'content-type:application/json',
  'host:api.example.com',
  'x-sdk-date:20240102T030405Z',
  '',
  'content-type;host;x-sdk-date',
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
].join('\n');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-verify-'));
  const head = (target: string): string =>
    `GET ${target} HTTP/1.1\r\n${CAPTURE.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  writeFileSync(join(folder, 'good.http'), head('/'));
  writeFileSync(join(folder, 'changed.http'), head('/?a=1'));
  writeFileSync(join(folder, 'disguised.http'), head('/a/../'));
  writeFileSync(join(folder, 'secret'), SECRET);
  writeFileSync(join(folder, 'mine.txt'), CANONICAL.replace('application/json', 'application/xml'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const verify = (...args: string[]) =>
  runCli(['verify', ...args, '--key-id', KEY_ID, '--secret-file', 'secret', '--at', CAPTURE.at], {
    workingFolder: folder,
  });

describe('verify', () => {
  test('accepts a captured request and shows what it computed', async () => {
    const { exitCode, stdout } = await verify('good.http', '--dialect', 'Huawei');
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`signature: valid, dialect Huawei, key ${KEY_ID}`);
    expect(stdout).not.toContain('guard');
    expect(stdout).toContain(
      CANONICAL.split('\n')
        .map((line) => `  | ${line}`)
        .join('\n'),
    );
    expect(stdout).not.toContain(SECRET);
  });

  test('refuses a changed request, a stale one, and tells why', async () => {
    expect(await verify('changed.http')).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('not valid, bad_signature'),
    });
    expect(
      await runCli(['verify', 'good.http', '--key-id', KEY_ID, '--secret-file', 'secret'], { workingFolder: folder }),
    ).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(
        /not valid, clock_skew: .* \(date 2024-01-02T03:04:05Z, clock \S+: \d+ s apart, the limit is 900 s\)/,
      ),
    });
  });

  test('shows the id that the request carries when it is another one', async () => {
    expect(
      (await runCli(['verify', 'good.http', '--key-id', 'OTHER', '--secret-file', 'secret'], { workingFolder: folder }))
        .stdout,
    ).toContain(`not valid, unknown_key: no key has this id (the request carries "${KEY_ID}", not OTHER)`);
  });

  test('ends with 2 for what it cannot read', async () => {
    writeFileSync(join(folder, 'broken.http'), 'nonsense');
    expect(await verify('broken.http')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('broken.http:1: '),
    });
    expect(await verify('gone.http')).toMatchObject({ exitCode: 2, stderr: 'error: gone.http does not exist\n' });
  });

  test('tells what the guard says', async () => {
    expect((await verify('disguised.http')).stdout).toMatch(
      /^path guard: the gateway refuses the request .*non_canonical_path$/m,
    );
  });

  test('marks the first difference to the canonical request of the client', async () => {
    const { stdout } = await verify('good.http', '--canonical', 'mine.txt');
    expect(stdout).toMatch(
      /your canonical request differs from that of profile \S+ in line 4, column 26:\n {2}gateway \| content-type:application\/json\n {2}yours {3}\| content-type:application\/xml\n {10}\| {26}\^/,
    );
  });

  test('of a signature that matches nowhere says how to find the difference, and when the secret is the difference', async () => {
    const hint =
      'hint: --canonical FILE or --string-to-sign FILE, with what the client computed, shows the first difference\n';
    expect((await verify('changed.http')).stdout).toMatch(new RegExp(`\\n\\n${hint}$`));
    expect((await verify('good.http')).stdout).not.toContain('hint');
    expect((await verify('changed.http', '--canonical', 'mine.txt')).stdout).not.toContain('hint');
    const { stdout: tried } = await verify('changed.http', '--output', 'json');
    const [attempt] = (JSON.parse(tried) as { attempts: { stringToSign: string }[] }).attempts;
    writeFileSync(join(folder, 'string.txt'), attempt?.stringToSign ?? '');
    const { stdout } = await verify('changed.http', '--string-to-sign', 'string.txt');
    expect(stdout).toMatch(
      /your string to sign equals that of profile \S+\nthe client has signed it with another secret/,
    );
    expect((await verify('good.http', '--string-to-sign', 'string.txt')).stdout).not.toContain('another secret');
  });

  test('follows fields of spec.verification, and refuses ones that do not exist', async () => {
    expect(await verify('good.http', '--option', 'requiredSignedHeaders=x-extra')).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('required_header_not_signed'),
    });
    expect(await verify('good.http', '--option', 'colour=red')).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: 'error: verification.colour does not exist\n',
    });
  });

  test('with --stdin-json answers each line with one line', async () => {
    const line = {
      name: 'capture',
      dialect: 'Huawei',
      keyId: KEY_ID,
      secret: SECRET,
      at: CAPTURE.at,
      options: { maxClockSkew: '1m' },
      request: { method: 'GET', target: '/', httpVersion: '1.1', headers: CAPTURE.headers, bodyBase64: '' },
    };
    const stdin = [
      JSON.stringify(line),
      JSON.stringify({ ...line, name: 'late', at: '2024-01-02T03:05:06Z' }),
      '{',
      JSON.stringify({ ...line, name: 'odd', options: { body: 'Maybe' } }),
    ].join('\n');
    const { exitCode, stdout } = await runCli(['verify', '--stdin-json'], { stdin });
    expect(exitCode).toBe(0);
    const answers = stdout
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as Record<string, unknown>);
    expect(answers[0]).toMatchObject({ name: 'capture', valid: true, canonicalRequest: CANONICAL });
    expect(answers[1]).toMatchObject({ name: 'late', valid: false, reason: 'clock_skew' });
    expect(answers[2]).toMatchObject({ valid: false, reason: 'invalid_line' });
    expect(answers[3]).toMatchObject({
      name: 'odd',
      valid: false,
      reason: 'invalid_line',
      message: 'verification.body must be one of Declared, Signed, Streamed',
    });
    expect(answers).toHaveLength(4);
  });
});

describe('verify --stdin-json', () => {
  const answer = async (line: unknown) =>
    JSON.parse((await runCli(['verify', '--stdin-json'], { stdin: JSON.stringify(line) })).stdout) as Record<
      string,
      unknown
    >;

  test('takes :authority of HTTP/2 for the host', async () => {
    const headers = CAPTURE.headers.map(([name, value]) => [name === 'host' ? ':authority' : name, value]);
    expect(
      await answer({
        name: 'h2',
        dialect: 'Huawei',
        keyId: KEY_ID,
        secret: SECRET,
        at: CAPTURE.at,
        request: { method: 'GET', target: '/', headers: [[':method', 'GET'], ...headers] },
      }),
    ).toMatchObject({ valid: true });
  });

  test('verifies what a gateway sends to a backend by Basic and AES', async () => {
    const request = (authorization: string) => ({
      method: 'GET',
      target: '/',
      headers: [
        ['Host', 'h'],
        ['Authorization', authorization],
      ],
    });
    const basic = { name: 'b', dialect: 'Basic', keyId: 'Aladdin', secret: 'open sesame' };
    expect(await answer({ ...basic, request: request('Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==') })).toEqual({
      name: 'b',
      valid: true,
    });
    expect(await answer({ ...basic, request: request('Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==') })).toMatchObject({
      valid: false,
    });
    expect(
      await answer({
        name: 'a',
        dialect: 'AES',
        keyId: 'k'.repeat(16),
        secret: 'v'.repeat(16),
        at: CAPTURE.at,
        request: request('x'),
      }),
    ).toMatchObject({ valid: false, message: 'AES needs keyName and algorithm' });
  });
});

describe('an HTTP message file', () => {
  const read = (text: string) => readHttpMessage(Buffer.from(text, 'latin1'));

  test('keeps repeated headers and every byte of the body', () => {
    expect(read('POST /a HTTP/1.1\nHost: h\nX-A: 1\nX-A:  2 \n\n\u00ff\r\n')).toEqual({
      ok: true,
      request: {
        method: 'POST',
        target: '/a',
        headers: [
          ['host', 'h'],
          ['x-a', '1'],
          ['x-a', '2'],
        ],
        body: Buffer.from([0xff, 0x0d, 0x0a]),
      },
    });
  });

  test('cuts the body to Content-Length, so that an editor\u2019s last line end does no harm', () => {
    expect(read('POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab\n')).toMatchObject({
      request: { body: Buffer.from('ab') },
    });
  });

  test('takes the host from an absolute target', () => {
    expect(read('GET http://h:81?x HTTP/1.1\n\n')).toMatchObject({
      request: { target: '/?x', headers: [['host', 'h:81']] },
    });
  });

  test.each([
    ['GET', 1],
    ['GET / HTTP/1.1\nhost: h\nbroken', 3],
    ['GET / HTTP/1.1\n', 2],
  ])('names the line of a mistake: %j', (text, line) => {
    expect(read(text)).toMatchObject({ ok: false, line });
  });
});
