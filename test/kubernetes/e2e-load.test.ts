/** The load of the end-to-end run: a request counts in the part of the run in which it was sent, however long it takes. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startLoad, type Load } from '../../scripts/e2e/gateway.mjs';

const TIMEOUT_MS = 3_000;
let server: Server;
let load: Load;

async function start(answer: RequestListener): Promise<void> {
  server = createServer(answer);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  load = startLoad({
    ...{ gateway: `http://127.0.0.1:${port}`, host: 'api.example.com', rps: 50, timeoutMs: TIMEOUT_MS },
    callers: [{ name: 'anybody', path: '/' }],
  });
}
afterEach(() => {
  load.kill();
  server.closeAllConnections();
  server.close();
});

const nothing = async (): Promise<void> => undefined;

describe('the load', () => {
  test('judges a part when its last request is over, and no later part by it', async () => {
    let hang = false;
    let hung = 0;
    let onHung: (() => void) | undefined;
    await start((_, response) => {
      if (!hang) return void response.end('ok');
      hang = false;
      hung++;
      // An answer that begins and trickles is none.
      response.write('.');
      const trickle = setInterval(() => response.write('.'), 100);
      response.on('close', () => clearInterval(trickle));
      onHung?.();
    });
    const first = await load.measure(async () => {
      hang = true;
      await new Promise<void>((resolve) => (onHung = resolve));
    });
    expect(first).toMatchObject({
      failed: 1,
      failures: [expect.stringContaining(`no answer within ${TIMEOUT_MS} ms`)],
    });
    expect(first.elapsedMs).toBeLessThan(TIMEOUT_MS);
    const second = await load.measure(nothing);
    expect(second).toMatchObject({ failed: 0, failures: [] });
    expect(second.sent).toBeGreaterThan(50);
    const { total, failed } = await load.stop();
    expect({ failed, hung, totalFailed: total.failed }).toEqual({ failed: 0, hung: 1, totalFailed: 1 });
    expect(total.sent).toBeGreaterThanOrEqual(first.sent + second.sent);
  }, 20_000);

  test('tells of failures also where the change itself failed, and after the last part', async () => {
    let status = 500;
    let seen: (() => void) | undefined;
    const next = () => new Promise<void>((resolve) => (seen = resolve));
    await start((_, response) => {
      response.writeHead(status).end('text');
      response.on('finish', () => seen?.());
    });
    const broken = new Error('no such pod');
    const part = await load.measure(async () => {
      await next();
      throw broken;
    });
    expect(part.error).toBe(broken);
    expect(part.failed).toBeGreaterThan(0);
    expect(part.failures[0]).toMatch(/^\d+ × anybody.*500 text$/);
    status = 503;
    await next();
    await next();
    const left = await load.stop();
    expect(left.failed).toBeGreaterThan(0);
    expect(left.failures.join()).toContain('503 text');
    expect(left.total.failed).toBe(part.failed + left.failed);
  }, 20_000);
});
