import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { eventually } from '../support/eventually.js';
import { CALLER_KEY, callerKey, ordersGroup } from '../support/resources/manifests.js';
import { freePort } from '../support/ports.js';
import { signedFetch } from '../support/signing/signed-fetch.js';

const root = join(import.meta.dirname, '../..');

interface Running {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly exit: Promise<[code: number | null, signal: string | null]>;
}

/** As from a checkout: `npm run -s countersign -- ARGS`, which also builds. */
function countersign(...args: string[]): Running {
  const child = spawn(process.execPath, [join(root, 'scripts/countersign.mjs'), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, as a shell gives to each job.
    detached: true,
    env: { ...process.env, INIT_CWD: root },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  return { child, stdout: () => stdout, stderr: () => stderr, exit: once(child, 'exit') as Running['exit'] };
}

let folder: string;
let backend: RecordingBackend;
let ports: { http: number; admin: number };
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-run-'));
  backend = await startBackend();
  ports = { http: await freePort(), admin: await freePort() };
  writeFileSync(join(folder, 'group.yaml'), ordersGroup());
  writeFileSync(join(folder, 'keys.yaml'), callerKey());
  // Builds when dist is old, so that the tests below measure the program alone.
  await countersign('version').exit;
}, 180_000);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await backend.close();
});

const run = (...more: string[]): Running =>
  countersign(
    'run',
    folder,
    '--http-port',
    String(ports.http),
    '--admin-port',
    String(ports.admin),
    '--service',
    `shop/orders:8080=127.0.0.1:${String(backend.port)}`,
    ...more,
  );
const url = (path: string): string => `http://127.0.0.1:${String(ports.http)}${path}`;
const ready = (running: Running): Promise<void> =>
  eventually(
    () => {
      if (!running.stderr().includes('"msg":"ready: ')) throw new Error(`not ready:\n${running.stderr()}`);
    },
    { withinMs: 30_000 },
  );

describe('countersign run', () => {
  test('serves, takes an edit, logs requests on stdout, and ends cleanly on SIGTERM', async () => {
    const running = run();
    await ready(running);
    expect(running.stderr()).toContain(
      `"http":"http://127.0.0.1:${String(ports.http)}","admin":"http://127.0.0.1:${String(ports.admin)}"`,
    );
    expect((await signedFetch(url('/orders/v1/orders'), CALLER_KEY)).status).toBe(200);

    writeFileSync(join(folder, 'group.yaml'), ordersGroup({ path: '/v2' }));
    await eventually(async () => expect((await signedFetch(url('/orders/v2'), CALLER_KEY)).status).toBe(200), {
      withinMs: 1000,
    });
    await eventually(() => expect(running.stdout()).toContain('"api":"shop/orders/orders"'));
    const envoyPid = (
      (await (await fetch(`http://127.0.0.1:${String(ports.admin)}/status`)).json()) as { envoy: { pid: number } }
    ).envoy.pid;

    running.child.kill('SIGTERM');
    expect(await running.exit).toEqual([0, null]);
    expect(running.stderr()).toContain('"msg":"stopped"');
    expect(isAlive(envoyPid)).toBe(false);
    await expect(fetch(url('/'))).rejects.toThrow();
    for (const line of running.stdout().trim().split('\n'))
      expect(JSON.parse(line)).toMatchObject({ status: expect.any(Number) });
    writeFileSync(join(folder, 'group.yaml'), ordersGroup());
  }, 60_000);

  test('lets a request in flight finish before it ends', async () => {
    const slow = await startBackend((_request, response) => void setTimeout(() => response.end('late'), 600));
    const running = countersign(
      'run',
      folder,
      '--http-port',
      String(ports.http),
      '--admin-port',
      String(ports.admin),
      '--service',
      `shop/orders:8080=127.0.0.1:${String(slow.port)}`,
    );
    await ready(running);
    const answer = signedFetch(url('/orders/v1/orders'), CALLER_KEY);
    await eventually(() => expect(slow.requests).toHaveLength(1));
    // As a terminal does: the wrapper gets it, passes it on, and its child has got it already.
    process.kill(-(running.child.pid ?? 0), 'SIGINT');
    await eventually(() => expect(running.stderr()).toContain('SIGINT: stopping'));
    process.kill(-(running.child.pid ?? 0), 'SIGINT');
    expect(await (await answer).text()).toBe('late');
    expect(await running.exit).toEqual([0, null]);
    await slow.close();
  }, 60_000);

  test('ends at once on a signal that comes well after the first', async () => {
    const stuck = await startBackend(() => undefined);
    const running = run('--drain-time', '60s', '--service', `shop/orders:8080=127.0.0.1:${String(stuck.port)}`);
    await ready(running);
    const call = async (): Promise<void> => {
      // Two endpoints: every other request reaches the one that never answers.
      while (stuck.requests.length === 0) await signedFetch(url('/orders/v1/orders'), CALLER_KEY);
    };
    const cut = call().catch(() => undefined);
    await eventually(() => expect(stuck.requests).toHaveLength(1));
    process.kill(-(running.child.pid ?? 0), 'SIGINT');
    await eventually(() => expect(running.stderr()).toContain('SIGINT: stopping'));
    const again = setInterval(() => process.kill(-(running.child.pid ?? 0), 'SIGINT'), 200);
    expect(await running.exit).toEqual([130, null]);
    clearInterval(again);
    await cut;
    await stuck.close();
  }, 60_000);

  test('takes its Envoy along when it is killed', async () => {
    const running = run('--log-level', 'error');
    await eventually(
      async () => expect((await fetch(`http://127.0.0.1:${String(ports.admin)}/readyz`)).status).toBe(200),
      { withinMs: 30_000 },
    );
    const { envoy } = (await (await fetch(`http://127.0.0.1:${String(ports.admin)}/status`)).json()) as {
      envoy: { pid: number };
    };
    const gatewayPid = childOf(running.child.pid ?? 0);
    process.kill(gatewayPid, 'SIGKILL');
    await running.exit;
    await eventually(() => expect(isAlive(envoy.pid)).toBe(false));
  }, 60_000);

  test('ends with 1 and one line when a port is in use', async () => {
    const running = run('--admin-port', String(backend.port), '--log-format', 'pretty');
    expect(await running.exit).toEqual([1, null]);
    expect(running.stderr()).toMatch(
      /^\S+ ERROR the admin address cannot be opened: port \d+ on 127\.0\.0\.1 is in use by another program; choose another with --admin-port\n$/,
    );
  }, 60_000);

  test('ends with 2 for a folder that is not there', async () => {
    const running = countersign('run', join(folder, 'nowhere'));
    expect(await running.exit).toEqual([2, null]);
    expect(running.stderr()).toMatch(/^error: .*nowhere is not a folder\n$/);
  }, 60_000);
});

/** A process that has ended but was not waited for is gone too. */
function isAlive(pid: number): boolean {
  const stat = `/proc/${String(pid)}/stat`;
  if (existsSync('/proc/self')) return existsSync(stat) && !/\) Z /.test(readFileSync(stat, 'utf8'));
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function childOf(pid: number): number {
  return Number(
    readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8')
      .trim()
      .split(' ')[0],
  );
}
