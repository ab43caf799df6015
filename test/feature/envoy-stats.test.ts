/** Envoy's metrics at a port of its own: one page of the admin interface, and no way from there to another. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { parse } from 'yaml';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/ports.js';
import { startBackend, startGateway, type Gateway, type TestBackend } from '../support/envoy/xds-gateway.js';

const PAGE = '/stats/prometheus';
let gateway: Gateway;
let backend: TestBackend;
let port: number;

beforeAll(async () => {
  backend = await startBackend('one');
  port = await freePort();
  gateway = await startGateway(undefined, { stats: { address: '127.0.0.1', port } });
  await gateway.apply({
    backends: { one: { endpoints: [`127.0.0.1:${backend.port}`] } },
    groups: [
      {
        key: 'shop/orders',
        hostnames: ['api.example.com'],
        environments: [
          {
            name: 'release',
            default: true,
            match: { type: 'PathPrefix', value: 'release' },
            route: { backend: 'one' },
          },
        ],
      },
    ],
  });
}, 120_000);
afterAll(async () => {
  await gateway?.stop();
  backend?.close();
});

/** Lines as they stand: clients would tidy up paths. Status 0 = closed without an answer. */
function ask(requestLine: string, ...headers: readonly string[]): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(
        [`${requestLine} HTTP/1.1`, 'host: 127.0.0.1', 'connection: close', ...headers, '', ''].join('\r\n'),
      ),
    );
    socket.setEncoding('utf8').setTimeout(5_000, () => socket.destroy());
    const isWhole = () =>
      text.startsWith('HTTP/1.1 200') ? text.endsWith('\r\n0\r\n\r\n') : text.includes('\r\n\r\n');
    socket.on('data', (chunk: string) => {
      text += chunk;
      // Envoy takes a second to close; where a body may be read as a second request its answer is waited for.
      if (isWhole() && !headers.includes('')) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text }));
  });
}
const page = async (): Promise<string> => (await ask(`GET ${PAGE}`)).text;
const valueOf = (text: string, metric: string): number =>
  Number(new RegExp(`^${metric}\\{[^}]*envoy_http_conn_manager_prefix="http"[^}]*\\} (\\d+)$`, 'm').exec(text)?.[1]);

test('the page is that of Prometheus', async () => {
  const { status, text } = await ask(`GET ${PAGE}`);
  expect(status).toBe(200);
  expect(text).toContain('# TYPE envoy_server_live gauge');
});

test('requests that no authorizer answered are counted, from 0, and alerts know the name', async () => {
  const alerts = readFileSync(new URL('../../charts/countersign/files/alerts.yaml', import.meta.url), 'utf8');
  const metrics = (parse(alerts) as { expr: string }[]).flatMap(({ expr }) => expr.match(/\benvoy_\w+/g) ?? []);
  expect(metrics).toEqual(['envoy_http_ext_authz_error']);
  expect(valueOf(await page(), metrics[0]!)).toBe(0);
  gateway.authz.answer = () => {
    throw new Error('away');
  };
  expect((await gateway.send('/x')).status).toBe(503);
  await eventually(async () => expect(valueOf(await page(), metrics[0]!)).toBe(1), { withinMs: 15_000 });
}, 30_000);

test('nothing that a caller sends is in it', async () => {
  const headers = { authorization: 'Basic c2VjcmV0LW9mLWEta2V5', cookie: 'secret-of-a-session' };
  await gateway.send('/secret-of-a-path?secret-of-a-query', { headers, body: 'secret-of-a-body' });
  expect(await page()).not.toMatch(/c2VjcmV0|secret-of/);
});

describe('nothing else of the admin interface is reached', () => {
  test.each([
    ...['/', '/config_dump', '/certs', '/clusters', '/listeners', '/server_info', '/memory', '/stats', '/help'],
    ...['/quitquitquit', '/healthcheck/fail', '/drain_listeners', '/logging?level=trace', '/reset_counters'],
    ...[
      `/${PAGE}`,
      '/stats//prometheus',
      `${PAGE}/`,
      `${PAGE};/config_dump`,
      '/stats%2Fprometheus',
      '/STATS/PROMETHEUS',
    ],
    ...[
      `${PAGE}/../../config_dump`,
      `${PAGE}/%2e%2e/%2e%2e/config_dump`,
      '/x/../stats/prometheus',
      `\\stats\\prometheus`,
    ],
    ...[`${PAGE}?`, `${PAGE}?usedonly`, `${PAGE}?filter=(a*)*`, `${PAGE}?text_readouts`, `${PAGE}#/config_dump`],
    ...['http://127.0.0.1/config_dump', `http://127.0.0.1/${PAGE}`, '*', `${PAGE}%00`, `${PAGE}%0d%0a`],
  ])('GET %s', async (path) => {
    const { status, text } = await ask(`GET ${path}`);
    expect([400, 404]).toContain(status);
    expect(text).not.toMatch(/envoy_|"configs"|LIVE/);
  });

  test.each(['POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'get'])('%s of the page', async (method) => {
    const { status, text } = await ask(`${method} ${PAGE}`, 'content-length: 0');
    expect([400, 404, 405]).toContain(status);
    expect(text).not.toContain('envoy_');
  });

  test.each(['/quitquitquit', '/healthcheck/fail', '/drain_listeners', '/reset_counters', '/config_dump'])(
    'POST %s',
    async (path) => expect((await ask(`POST ${path}`, 'content-length: 0')).status).toBe(404),
  );

  test.each([
    ['CONNECT', 'CONNECT 127.0.0.1:80', []],
    ['an upgrade', `GET ${PAGE}`, ['connection: upgrade', 'upgrade: websocket']],
    [
      'an upgrade to HTTP/2',
      'GET /config_dump',
      ['connection: upgrade, http2-settings', 'upgrade: h2c', 'http2-settings: AAMAAABk'],
    ],
    ['a body that holds a request', 'POST /x', ['content-length: 34', '', 'POST /quitquitquit HTTP/1.1', 'a: b', '']],
    [
      'two lengths',
      'POST /x',
      ['content-length: 0', 'transfer-encoding: chunked', '', '0', '', 'POST /quitquitquit HTTP/1.1'],
    ],
  ])('%s', async (_, requestLine, headers) => {
    const { text } = await ask(requestLine, ...headers);
    expect(text).not.toMatch(/"configs"|^HTTP\/1\.1 (101|2\d\d)[^]*"configs"/);
  });

  test.each([
    'x-http-method-override: POST',
    'x-envoy-original-path: /quitquitquit',
    'x-original-url: /config_dump',
    ':path: /config_dump',
  ])('the page with the header %s is the page, or refused', async (header) => {
    const { status, text } = await ask(`GET ${PAGE}`, header);
    expect(status === 200 ? text : '# TYPE envoy_server_live gauge').toContain('# TYPE envoy_server_live gauge');
    expect(text).not.toContain('"configs"');
  });

  test('and after all of it Envoy serves as before', async () => {
    expect(JSON.parse(await gateway.envoy.admin('/server_info'))).toMatchObject({ state: 'LIVE' });
    expect((await ask(`GET ${PAGE}`)).status).toBe(200);
  });
});
