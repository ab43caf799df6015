/** What Envoy and the authorizer must agree on at the edge: addresses, streamed bodies, the log, an authorizer that is away. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { AccessLogEntry } from '../../src/app/gateway/access-log.js';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { runCli } from '../support/cli.js';
import { build, startProgram, type Program } from '../support/gateway/data-plane.js';
import { envoyPath } from '../support/envoy/envoy-process.js';
import { eventually } from '../support/eventually.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { PROTOCOLS, sendHttp1 } from '../support/http.js';
import { must } from '../support/must.js';
import { freePort } from '../support/ports.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend } from '../support/resources/resources.js';
import { signedFetch } from '../support/signing/signed-fetch.js';

const KEY = { keyId: 'HWEDGE00000000000001', secret: 'edge-secret-000000001' };

let backend: RecordingBackend;
let gateway: TestGateway;
beforeAll(async () => {
  backend = await startBackend((_, response) => {
    response.writeHead(200, { authorization: 'leaked', 'x-ratelimit-limit': '7', 'content-type': 'text/plain' });
    response.end('ok');
  });
  gateway = await startGateway({
    flags: { trustedHops: '1' },
    files: {
      'all.yaml': toYaml(
        ...importedKey('caller', KEY.keyId, KEY.secret),
        apiGroup('orders', {
          verification: { dialects: ['Huawei'] },
          backend: urlBackend(backend.port),
          apis: [
            { name: 'rest', match: { path: { type: 'Prefix', value: '/' } } },
            {
              name: 'streamed',
              match: { path: { type: 'Prefix', value: '/streamed' } },
              verification: { body: 'Streamed' },
            },
            {
              name: 'near',
              match: { path: { type: 'Exact', value: '/near' } },
              access: { authentication: 'None', sourceRanges: { allow: ['203.0.113.0/24'] } },
            },
          ],
        }),
        grant('orders', ['caller'], 'orders'),
      ),
    },
  });
}, 120_000);
afterAll(async () => {
  await gateway?.close();
  await backend?.close();
});

describe('behind one trusted proxy', () => {
  test.each(PROTOCOLS)(
    'judges the address that the proxy saw, not one that the caller made up, over %s',
    async (_, send) => {
      const from = async (forwarded: string) =>
        (
          await send(gateway.httpPort, {
            method: 'GET',
            target: '/orders/near',
            headers: { 'X-Forwarded-For': forwarded },
          })
        ).status;
      expect(await from('203.0.113.9')).toBe(200);
      expect(await from('198.51.100.1')).toBe(403);
      expect(await from('203.0.113.9, 198.51.100.1')).toBe(403);
      const forged = { 'X-Forwarded-For': '198.51.100.1', 'X-Envoy-External-Address': '203.0.113.9' };
      expect((await send(gateway.httpPort, { method: 'GET', target: '/orders/near', headers: forged })).status).toBe(
        403,
      );
    },
  );
});

describe('a streamed API', () => {
  test('admits a request that surely has no body', async () => {
    // A POST without a body says Content-Length: 0.
    expect((await signedFetch(`${gateway.httpUrl}/orders/streamed/a`, KEY, { method: 'POST', body: '' })).status).toBe(
      200,
    );
  });
  test('refuses a signature over a body it does not see', async () => {
    const answer = await signedFetch(`${gateway.httpUrl}/orders/streamed/a`, KEY, { method: 'POST', body: 'text' });
    expect(answer.status).toBe(401);
    expect(await gateway.accessLogOf(answer.headers.get('x-request-id') ?? '')).toMatchObject({
      reason: 'body_unavailable',
    });
  });
});

test('never lets a backend\u2019s Authorization header reach the caller', async () => {
  const answer = await signedFetch(`${gateway.httpUrl}/orders/x`, KEY);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('authorization')).toBeNull();
});

test('logs the path the client asked for, not the one the backend got, and no query', async () => {
  const answer = await signedFetch(`${gateway.httpUrl}/orders/x?secret=1`, KEY);
  expect(backend.last?.target).toBe('/x?secret=1');
  expect(await gateway.accessLogOf(answer.headers.get('x-request-id') ?? '')).toMatchObject({
    path: '/orders/x',
    method: 'GET',
  });
});

describe('an Envoy whose authorizer is away', () => {
  let envoy: ChildProcess;
  let folder: string;
  let port: number;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-alone-'));
    port = await freePort();
    await writeFile(
      join(folder, 'all.yaml'),
      toYaml(apiGroup('open', { access: { authentication: 'None' }, backend: urlBackend(backend.port) })),
    );
    const rendered = await runCli(['render', folder, '--http-port', String(port)]);
    expect(rendered.exitCode).toBe(0);
    const config = join(folder, 'envoy.yaml');
    // Its sockets are those of a container; nobody listens on the authorizer's.
    await writeFile(config, rendered.stdout.replaceAll('/run/countersign', folder));
    envoy = spawn(await envoyPath(), ['-c', config, '--use-dynamic-base-id', '--concurrency', '1', '-l', 'off'], {
      stdio: 'ignore',
      cwd: folder,
    });
    await eventually(() => sendHttp1(port, { method: 'GET', target: '/' }), { withinMs: 10_000 });
  }, 60_000);
  afterAll(async () => {
    const ended = new Promise((resolve) => envoy.once('exit', resolve));
    if (envoy.exitCode === null && envoy.kill()) await ended;
    await rm(folder, { recursive: true, force: true });
  });

  test.each(PROTOCOLS)('answers 503, and forwards nothing, over %s', async (_, send) => {
    const reached = backend.requests.length;
    const answer = await send(port, { method: 'GET', target: '/open/x' });
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'Unavailable', requestId: answer.headers['x-request-id'] });
    expect(backend.requests).toHaveLength(reached);
  });
});

describe('a gateway whose authorizer stalls', () => {
  let program: Program;
  let folder: string;
  const lines: AccessLogEntry[] = [];
  const ports = { http: 0, admin: 0 };
  beforeAll(async () => {
    await build();
    folder = await mkdtemp(join(tmpdir(), 'countersign-stalled-'));
    [ports.http, ports.admin] = [await freePort(), await freePort()];
    await writeFile(
      join(folder, 'all.yaml'),
      toYaml(apiGroup('open', { access: { authentication: 'None' }, backend: urlBackend(backend.port) })),
    );
    const flags = ['--http-port', String(ports.http), '--admin-port', String(ports.admin), '--log-format', 'json'];
    program = startProgram('run', folder, ...flags, '--envoy', await envoyPath());
    createInterface({ input: must(program.child.stdout ?? undefined) }).on('line', (line) => {
      if (line.startsWith('{')) lines.push(JSON.parse(line) as AccessLogEntry);
    });
    await eventually(
      async () => {
        const answer = await sendHttp1(ports.http, { method: 'GET', target: '/open/x' });
        if (answer.status !== 200) throw new Error(program.output());
      },
      { withinMs: 30_000, everyMs: 50 },
    );
  }, 180_000);
  afterAll(async () => {
    program?.child.kill('SIGCONT');
    program?.child.kill('SIGTERM');
    await program?.exit;
    await rm(folder, { recursive: true, force: true });
  }, 30_000);

  test.each(PROTOCOLS)('has its word for the 503 in log and metric, over %s', async (_, send) => {
    const counted = async (): Promise<number> => {
      const metrics = await (await fetch(`http://127.0.0.1:${ports.admin}/metrics`)).text();
      const series = /^countersign_gateway_refusals_total\{reason="authorizer_unavailable"\} (\d+)$/m;
      return Number(series.exec(metrics)?.[1] ?? 0);
    };
    const before = await counted();
    const reached = backend.requests.length;
    program.child.kill('SIGSTOP');
    const answer = await send(ports.http, { method: 'GET', target: '/open/x' }).finally(() =>
      program.child.kill('SIGCONT'),
    );
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'Unavailable', requestId: answer.headers['x-request-id'] });
    const entry = await eventually(() =>
      must(lines.find((each) => each['request_id'] === answer.headers['x-request-id'])),
    );
    expect(entry).toMatchObject({ status: 503, decision: 'deny', reason: 'authorizer_unavailable' });
    await eventually(async () => expect(await counted()).toBe(before + 1));
    expect(backend.requests).toHaveLength(reached);
  });
});
