/** What one request makes Redis do, as Redis itself tells it (MONITOR). */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { Redacted } from '../../src/lib/redacted.js';
import type { DialectName } from '../../src/signature/dialect.js';
import { dialectByName } from '../../src/signature/dialects.js';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { eventually } from '../support/eventually.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { sendHttp1 } from '../support/http.js';
import { startRedis, type RedisServer } from '../support/redis/redis.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend, usagePlan } from '../support/resources/resources.js';

const LIMITED = { keyId: 'AKroundtrips00000001', secret: 'round-trips-secret-01' };
const FREE = { keyId: 'AKroundtrips00000002', secret: 'round-trips-secret-02' };

let redis: RedisServer;
let backend: RecordingBackend;
let gateway: TestGateway;
let monitor: Socket;
const seen: string[] = [];

beforeAll(async () => {
  [redis, backend] = await Promise.all([startRedis(), startBackend()]);
  gateway = await startGateway({
    flags: { redisUrl: redis.url },
    files: {
      'all.yaml': toYaml(
        ...importedKey('limited', LIMITED.keyId, LIMITED.secret),
        ...importedKey('free', FREE.keyId, FREE.secret),
        apiGroup('orders', { verification: { dialects: ['JDCloud', 'Huawei'] }, backend: urlBackend(backend.port) }),
        grant('orders', ['limited', 'free'], 'orders'),
        usagePlan('plan', ['limited'], 'orders', {
          rateLimits: [
            { name: 'rps', requests: 100, interval: '1s' },
            { name: 'together', requests: 1000, interval: '1s', scope: 'Plan' },
          ],
          quotas: [
            { name: 'daily', requests: 5, period: 'Day', timeZone: 'Europe/Berlin' },
            { name: 'weekly', requests: 500, period: 'Week' },
            { name: 'monthly', requests: 1000, period: 'Month', scope: 'KeyAndApi' },
            { name: 'ever', requests: 10_000, period: 'Total', scope: 'Plan' },
          ],
        }),
      ),
    },
  });
  monitor = connect(redis.port, '127.0.0.1');
  createInterface({ input: monitor }).on('line', (line) => seen.push(line));
  monitor.write('MONITOR\r\n');
  await eventually(() => expect(seen).toEqual(['+OK']));
}, 120_000);
afterAll(async () => {
  monitor?.destroy();
  await gateway?.close();
  await backend?.close();
  await redis?.stop();
});

async function send(dialect: DialectName, { keyId, secret }: typeof LIMITED): Promise<number> {
  const host = `127.0.0.1:${gateway.httpPort}`;
  const headers = dialectByName(dialect).sign(
    { method: 'GET', target: '/orders/x', host, signHeaders: [], contentType: undefined, body: Buffer.alloc(0) },
    { keyId, secret: new Redacted(secret) },
    { nowMs: Date.now(), nonce: randomUUID() },
  );
  return (
    await sendHttp1(gateway.httpPort, {
      method: 'GET',
      target: '/orders/x',
      headers: { Host: host, ...Object.fromEntries(headers) },
    })
  ).status;
}

/** Commands that a client sent, not those that a script ran. */
async function commandsOf(requests: () => Promise<unknown>): Promise<string[]> {
  seen.length = 0;
  await requests();
  const mark = randomUUID();
  await redis.command('ECHO', mark);
  await eventually(() => expect(seen.join('\n')).toContain(mark));
  return seen
    .map((line) => /^\+[\d.]+ \[\d+ (?<client>[^\]]+)\] "(?<command>\w+)"/.exec(line)?.groups)
    .flatMap((found) => (found && found['client'] !== 'lua' ? [(found['command'] ?? '').toUpperCase()] : []))
    .filter((command) => !['ECHO', 'INFO'].includes(command));
}

describe('a request', () => {
  test('with a nonce, two rates and four quotas is one command', async () => {
    expect(await send('JDCloud', LIMITED)).toBe(200);
    expect(
      await commandsOf(async () => {
        for (let i = 0; i < 3; i++) expect(await send('JDCloud', LIMITED)).toBe(200);
      }),
    ).toEqual(['EVALSHA', 'EVALSHA', 'EVALSHA']);
  });

  test('with neither plan nor replay check is none', async () => {
    expect(await commandsOf(async () => expect(await send('Huawei', FREE)).toBe(200))).toEqual([]);
  });

  test('with a replay check alone is one', async () => {
    expect(await commandsOf(async () => expect(await send('JDCloud', FREE)).toBe(200))).toEqual(['EVALSHA']);
  });

  test('of a caller that was refused just now is none, unless only Redis can tell whether it is a replay', async () => {
    expect(await send('Huawei', LIMITED)).toBe(200);
    expect(await send('Huawei', LIMITED)).toBe(429);
    expect(
      await commandsOf(async () => {
        for (let i = 0; i < 5; i++) expect(await send('Huawei', LIMITED)).toBe(429);
      }),
    ).toEqual([]);
    expect(await commandsOf(async () => expect(await send('JDCloud', LIMITED)).toBe(429))).toEqual(['EVALSHA']);
  });

  test('leaves no text of a user in Redis', async () => {
    const all = (await redis.command('KEYS', '*')) as string[];
    // The probe of a connection is there for a second.
    const keys = all.filter((key) => !key.includes('0000000000000000'));
    expect(keys.length).toBeGreaterThan(6);
    for (const key of keys)
      expect(key).toMatch(
        /^countersign:\{[0-9a-f]{32}\}:(n:[0-9a-f]{32}|r:[0-9a-f]{32}|q:[0-9a-f]{32}:[A-Za-z]+[-\d]*)$/,
      );
  });
});
