/** `countersign usage` beside a running gateway, on the Redis that both use. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { runCli, type Finished } from '../support/cli.js';
import { eventually } from '../support/eventually.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { sendHttp1 } from '../support/http.js';
import { startRedis, type RedisServer } from '../support/redis/redis.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend, usagePlan } from '../support/resources/resources.js';
import { tencentHeaders } from '../support/signing/tencent-sample.js';

const ALICE = { keyId: 'AKIDusagealice000001', secret: 'usage-secret-alice-01' };
const BOB = { keyId: 'AKIDusagebob00000002', secret: 'usage-secret-bob-0002' };

let redis: RedisServer;
let backend: RecordingBackend;
let gateway: TestGateway;

const plan = (monthly: number) =>
  toYaml(
    usagePlan('gold', ['alice', 'bob'], 'orders', {
      rateLimits: [{ name: 'slow', requests: 1, interval: '24h', burst: 100, scope: 'Key' }],
      quotas: [
        { name: 'monthly', requests: monthly, period: 'Month', timeZone: 'Asia/Shanghai', scope: 'Key' },
        { name: 'each', requests: 50, period: 'Day', scope: 'KeyAndApi' },
        { name: 'together', requests: 500, period: 'Total', scope: 'Plan' },
      ],
      responseHeaders: ['Tencent'],
    }),
  );

beforeAll(async () => {
  [redis, backend] = await Promise.all([startRedis(), startBackend()]);
  gateway = await startGateway({
    flags: { redisUrl: redis.url },
    files: {
      'all.yaml': toYaml(
        ...importedKey('alice', ALICE.keyId, ALICE.secret),
        ...importedKey('bob', BOB.keyId, BOB.secret),
        apiGroup('orders', { verification: { dialects: ['Tencent'] }, backend: urlBackend(backend.port) }),
        grant('orders', ['alice', 'bob'], 'orders'),
      ),
      'plan.yaml': plan(10),
    },
  });
}, 120_000);
afterAll(async () => {
  await gateway?.close();
  await backend?.close();
  await redis?.stop();
});

const call = async (key: typeof ALICE) => {
  const { status, headers } = await sendHttp1(gateway.httpPort, {
    method: 'GET',
    target: '/orders/x',
    headers: tencentHeaders(key),
  });
  return { status, used: headers['x-ratelimit-used'] };
};

const usage = (args: readonly string[], io: Parameters<typeof runCli>[1] = {}): Promise<Finished> =>
  runCli(['usage', ...args, '--redis-url', redis.url], io);

interface Row {
  readonly limit: string;
  readonly keyID?: string;
  readonly used: number;
  readonly of: number;
  readonly resetsAt?: string;
}

async function rows(...args: string[]): Promise<Row[]> {
  const { stdout, stderr, exitCode } = await usage([gateway.folder, '--output', 'json', ...args]);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return JSON.parse(stdout) as Row[];
}
const usedBy = async (limit: string, ...args: string[]): Promise<(string | number | undefined)[][]> =>
  (await rows('--limit', limit, ...args)).map(({ keyID, used, of }) => [keyID, used, of]);

describe('usage', () => {
  test('shows what each key has used of each limit, and when it begins anew', async () => {
    for (let i = 0; i < 3; i++) expect((await call(ALICE)).status).toBe(200);
    expect((await call(BOB)).status).toBe(200);
    expect(await usedBy('monthly')).toEqual([
      [ALICE.keyId, 3, 10],
      [BOB.keyId, 1, 10],
    ]);
    expect(await usedBy('slow', '--key', 'alice')).toEqual([[ALICE.keyId, 3, 100]]);
    expect(await usedBy('each', '--key', BOB.keyId)).toEqual([[BOB.keyId, 1, 50]]);
    expect(await usedBy('together', '--key', 'shop/alice')).toEqual([[undefined, 4, 500]]);
    const [monthly] = await rows('--limit', 'monthly', '--key', 'alice');
    expect(monthly?.resetsAt).toMatch(/^\d{4}-\d\d-\d\dT16:00:00Z$/); // midnight in Shanghai

    const { stdout } = await usage([gateway.folder, '--plan', 'gold', '--key', 'alice']);
    expect(stdout.split('\n').map((line) => line.replace(/ +/g, ' ').replace(/\d{4}-[-\dT:]+Z/, 'TIME'))).toEqual([
      'PLAN LIMIT KIND KEY-ID API ENVIRONMENT USED OF RESETS',
      `shop/gold slow Rate ${ALICE.keyId} - - 3 100 TIME`,
      `shop/gold monthly Quota ${ALICE.keyId} - - 3 10 TIME`,
      `shop/gold each Quota ${ALICE.keyId} shop/orders/all release 3 50 TIME`,
      'shop/gold together Quota (all) - - 4 500 never',
      '',
    ]);
  });

  test('looking charges nothing', async () => {
    const before = await rows();
    expect((await rows()).map(({ used }) => used)).toEqual(before.map(({ used }) => used));
  });

  test('set carries over what was used elsewhere, and the gateway counts on from there', async () => {
    const set = ['set', gateway.folder, '--plan', 'gold', '--key', 'alice', '--limit', 'monthly', '--used', '9'];
    expect(await usage(set)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/would set .* from 3 to 9 of 10\n.*nothing was changed: add --yes/),
    });
    expect(await usage(set, { terminal: true, stdin: 'n\n' })).toMatchObject({ exitCode: 1 });
    expect(await usedBy('monthly', '--key', 'alice')).toEqual([[ALICE.keyId, 3, 10]]);
    expect(await usage(set, { terminal: true, stdin: 'y\n' })).toMatchObject({ exitCode: 0 });
    expect(await call(ALICE)).toEqual({ status: 200, used: '10/10' });
    expect(await call(ALICE)).toEqual({ status: 429, used: '10/10' });
    expect((await call(BOB)).status).toBe(200);
    // As long as the window that it was set in.
    const [key] = (await redis.command('KEYS', '*:q:*:Month-*')) as string[];
    expect(Number(await redis.command('PTTL', key ?? ''))).toBeGreaterThan(0);
  });

  test('an edited and a recreated plan keep what was used', async () => {
    await gateway.edit({ 'plan.yaml': plan(12) });
    await eventually(async () => expect(await call(ALICE)).toEqual({ status: 200, used: '11/12' }));
    await gateway.edit({ 'plan.yaml': null });
    await eventually(async () => expect(await call(ALICE)).toEqual({ status: 200, used: undefined }));
    await gateway.edit({ 'plan.yaml': plan(12) });
    await eventually(async () => expect((await call(ALICE)).used).toBe('12/12'));
  });

  test('reset begins anew, within two seconds also for a caller that has just been refused', async () => {
    expect((await call(ALICE)).status).toBe(429);
    expect(await usage(['reset', gateway.folder, '--yes'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('needs --plan or --key'),
    });
    const reset = ['reset', gateway.folder, '--plan', 'shop/gold', '--key', 'alice'];
    expect((await usage(reset)).stderr).toMatch(/would forget what was used of 4 counter\(s\)[\s\S]*add --yes/);
    expect(await usage([...reset, '--limit', 'monthly', '--yes'])).toMatchObject({
      exitCode: 0,
      stdout: '1 counter(s) reset\n',
    });
    await eventually(async () => expect(await call(ALICE)).toEqual({ status: 200, used: '1/12' }), {
      withinMs: 2500,
      everyMs: 100,
    });
    expect((await usedBy('slow', '--key', 'alice'))[0]?.[1]).toBeGreaterThan(3);
    await usage([...reset, '--limit', 'slow', '--yes']);
    expect(await usedBy('slow', '--key', 'alice')).toEqual([[ALICE.keyId, 0, 100]]);
  });
});

describe('what usage refuses', () => {
  test.each([
    [
      'a rate to set',
      ['set', '--plan', 'gold', '--key', 'bob', '--limit', 'slow', '--used', '1', '--yes'],
      /only a quota/,
    ],
    ['several counters to set', ['set', '--plan', 'gold', '--limit', 'monthly', '--used', '1'], /these are 2; narrow/],
    ['a count that is none', ['set', '--plan', 'gold', '--used', '-1', '--yes'], /must be a whole number/],
    ['a plan that does not exist', ['--plan', 'silver'], /--plan silver: no plan of this name .*; there is gold; /],
    ['a misspelt limit', ['--limit', 'monthl'], /--limit monthl: no such limit .*; did you mean "monthly"\?; /],
    ['a misspelt key', ['--key', 'shop/alicia', '--limit', 'each'], /--key shop\/alicia: .*"shop\/alice"\?; /],
    [
      'another API',
      ['--api', 'bills/get', '--limit', 'each'],
      /--api bills\/get: no such API .*; there is orders\/all; /,
    ],
  ])('%s', async (_, args, message) => {
    const [first = '', ...rest] = args;
    const placed = ['set', 'reset'].includes(first) ? [first, gateway.folder, ...rest] : [gateway.folder, ...args];
    const { exitCode, stderr } = await usage(placed);
    expect(stderr).toMatch(message);
    expect(exitCode).not.toBe(0);
  });

  test('counters in memory, and a Redis that is away', async () => {
    const inMemory = await runCli(['usage', gateway.folder]);
    expect(inMemory).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('name the store with --redis-url') });
    const away = await runCli(['usage', gateway.folder, '--redis-url', 'redis://127.0.0.1:1']);
    expect(away).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/Redis cannot be reached: .*ECONNREFUSED/),
    });
  }, 15_000);
});
