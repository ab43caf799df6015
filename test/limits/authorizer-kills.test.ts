/** What callers were served is counted afterwards, whichever workers of a real authorizer die behind a real Envoy. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { build, startDataPlane, type DataPlane } from '../support/gateway/data-plane.js';
import { eventually } from '../support/eventually.js';
import { jdcloudHeaders } from '../support/signing/jdcloud-signed.js';
import { must } from '../support/must.js';
import { startRedis, type RedisServer } from '../support/redis/redis.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend, usagePlan } from '../support/resources/resources.js';

const KEY = { keyId: 'AKauthorizerkills001', secret: 'authorizer-kills-secret' };
const KILLS = 50;
/** The supervisor waits longer after each death of one worker: with six, some always serve. */
const WORKERS = 6;
const IN_FLIGHT = 12;

let redis: RedisServer;
let backend: RecordingBackend;
let plane: DataPlane;

beforeAll(async () => {
  await build();
  [redis, backend] = await Promise.all([startRedis(), startBackend()]);
  plane = await startDataPlane({
    workers: WORKERS,
    // Two cores for all of it: what is measured is the count, not a slow machine.
    authorizerFlags: ['--redis-url', redis.url, '--redis-command-timeout', '400ms'],
    controllerFlags: ['--authorizer-timeout', '2s'],
    files: {
      'all.yaml': toYaml(
        ...importedKey('app', KEY.keyId, KEY.secret),
        apiGroup('orders', { verification: { dialects: ['JDCloud'] }, backend: urlBackend(backend.port) }),
        grant('orders', ['app'], 'orders'),
        usagePlan('plan', ['app'], 'orders', { quotas: [{ name: 'all', requests: 100_000_000, period: 'Total' }] }),
      ),
    },
  });
}, 240_000);
afterAll(async () => {
  await plane?.close();
  await backend?.close();
  await redis?.stop();
}, 30_000);

const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
afterAll(() => agent.destroy());

function send(): Promise<number> {
  const headers = jdcloudHeaders(plane.httpPort, '/orders/x', KEY);
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: plane.httpPort, path: '/orders/x', agent, headers }, (response) =>
      response.resume().on('end', () => resolve(response.statusCode ?? 0)),
    )
      .on('error', reject)
      .end();
  });
}

const readyPids = async (): Promise<number[]> =>
  (await plane.workers()).flatMap((worker) => (worker?.ready ? [worker.pid] : []));

async function used(): Promise<number> {
  const [key] = (await redis.command('KEYS', 'countersign:*:q:*')) as string[];
  return Number(await redis.command('GET', must(key)));
}

test(`over ${KILLS} kills of authorizer workers under load every 200 is in the counter, and no refusal twice`, async () => {
  const statuses = new Map<number, number>();
  let busy = true;
  const load = Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (busy) {
        const status = await send();
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    }),
  );
  const served = (): number => statuses.get(200) ?? 0;
  const killed = new Set<number>();
  while (killed.size < KILLS) {
    const before = served();
    // Each death comes under load, and leaves at least one that serves.
    const victim = await eventually(
      async () => {
        const [pid, ...others] = (await readyPids()).filter((each) => !killed.has(each));
        if (others.length === 0 || served() < before + 20) throw new Error('not enough workers, or requests, yet');
        return must(pid);
      },
      { withinMs: 30_000, everyMs: 20 },
    );
    process.kill(victim, 'SIGKILL');
    killed.add(victim);
    await delay(50);
  }
  busy = false;
  await load;

  const failed = [...statuses].reduce((sum, [status, count]) => (status === 200 ? sum : sum + count), 0);
  const share = ((100 * failed) / (failed + served())).toFixed(2);
  process.stderr.write(
    `${KILLS} kills of authorizer workers: ${failed} of ${failed + served()} requests failed (${share} %)\n`,
  );
  // A nonce that was sent once is no replay; what nobody decided is refused with 503.
  expect([...statuses.keys()].filter((status) => status !== 200 && status !== 503)).toEqual([]);
  const found = await used();
  expect(found).toBeGreaterThanOrEqual(served());
  // Envoy's second Check of a request is not counted again: beyond what was served only what failed may be counted.
  expect(found).toBeLessThanOrEqual(served() + failed);
  expect(failed).toBeLessThan(served() * 0.05);
}, 300_000);
