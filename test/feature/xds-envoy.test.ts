/** What the rendered configuration does in a real Envoy: reference for every field that only Envoy can judge. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { BootstrapSchema } from '../../src/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { ClusterSchema } from '../../src/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema, type Listener } from '../../src/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../src/gen/envoy/config/route/v3/route_pb.js';
import { renderBootstrap } from '../../src/xds/render/bootstrap/bootstrap.js';
import { duration } from '../../src/xds/render/messages.js';
import type { RenderOptions } from '../../src/xds/render/options.js';
import { renderSnapshot } from '../../src/xds/render/snapshot.js';
import { renderStaticConfig } from '../../src/xds/render/bootstrap/static-config.js';
import { toEnvoyJson } from '../../src/xds/registry.js';
import { CLUSTER_TYPE, ENVOY_RESOURCE_TYPES, LISTENER_TYPE, ROUTE_TYPE } from '../../src/xds/resource-types.js';
import { createSnapshot, versioned, type Snapshot, type VersionedResource } from '../../src/xds/snapshot.js';
import { allow, decided, deny } from '../support/envoy/authz-stub.js';
import { selfSigned } from '../support/certificate.js';
import { envoyPath, socketFolder } from '../support/envoy/envoy-process.js';
import { eventually } from '../support/eventually.js';
import { startBackend, startGateway, type Gateway, type Seen, type TestBackend } from '../support/envoy/xds-gateway.js';
import { freePort } from '../support/ports.js';
import { writeTlsFolder } from '../support/tls-folder.js';
import { buildModel, type ApiInput, type GroupInput, type ModelInput } from '../support/envoy/xds-model.js';

const run = promisify(execFile);

let gateway: Gateway;
let one: TestBackend;
let two: TestBackend;

beforeAll(async () => {
  [one, two] = [await startBackend('one'), await startBackend('two')];
  gateway = await startGateway(
    ENVOY_RESOURCE_TYPES.map((type) => ({ ...type, ...(type.removalDelayMs ? { removalDelayMs: 1_000 } : {}) })),
  );
}, 120_000);
afterAll(async () => {
  await gateway?.stop();
  one?.close();
  two?.close();
});
beforeEach(() => {
  gateway.authz.answer = allow;
  gateway.authz.checks.length = 0;
});

const backends = () => ({
  one: { endpoints: [`127.0.0.1:${one.port}`] },
  two: { endpoints: [`127.0.0.1:${two.port}`] },
  byName: { endpoints: [`localhost:${two.port}`] },
  dead: { endpoints: ['127.0.0.1:1'] },
});
const shop = (rest: Partial<GroupInput> = {}, apis: readonly ApiInput[] = []): ModelInput => ({
  backends: backends(),
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
          apis,
        },
      ],
      ...rest,
    },
  ],
});

const seen = ({ body }: { readonly body: string }): Seen => JSON.parse(body) as Seen;
const backendOf = async (path: string, options = {}): Promise<string> => {
  const reply = await gateway.send(path, options);
  return reply.status === 200 ? seen(reply).backend : String(reply.status);
};

/** Bytes in, bytes out: what no HTTP client would send. */
const raw = (text: string, until = /\r\n\r\n[^]*\}/): Promise<string> =>
  new Promise((resolve) => {
    let answer = '';
    const socket = connect(gateway.port, '127.0.0.1', () => socket.write(text, 'latin1'));
    const timer = setTimeout(() => socket.destroy(), 2_000);
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      if (until.test(answer)) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

describe('the guard', () => {
  beforeAll(() => gateway.apply(shop()));

  const refused = [
    '/a%2fb',
    '/a%2Fb',
    '/a%5Cb',
    '//x',
    '/x//',
    '/../x',
    '/x/..',
    '/x/.',
    '/%2E%2E/x',
    '/%2e./x',
    '/..;a=1/x',
    '/a\\b',
    '/.?q',
    '/p%00q',
  ];
  test.each(refused)('refuses %s without asking the authorizer', async (path) => {
    const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: api.example.com\r\n\r\n`);
    expect(statusOf(answer)).toBe(400);
    expect(answer).toContain('"code":"BadRequest","message":"The path is not in canonical form."');
    expect(gateway.authz.checks).toEqual([]);
  });

  test.each(['/ok%20%41?x=//..', '/.hidden', '/...', '/a..b', '/a;v=1', '/?a=%2f%00', '/release'])(
    'lets %s pass, byte for byte',
    async (path) => {
      const reply = await gateway.send(path);
      expect(reply.status).toBe(200);
      expect(seen(reply).url).toBe(path);
      expect(gateway.authz.checks.map((check) => check.path)).toEqual([path]);
    },
  );

  test('refuses TRACE with 405 and CONNECT, the authorizer unasked', async () => {
    expect((await gateway.send('/x', { method: 'TRACE' })).status).toBe(405);
    const tunnel = await raw('CONNECT api.example.com:80 HTTP/1.1\r\nHost: api.example.com:80\r\n\r\n');
    expect(statusOf(tunnel)).toBe(404);
    expect(statusOf(await raw('OPTIONS * HTTP/1.1\r\nHost: api.example.com\r\n\r\n'))).toBe(404);
    expect(gateway.authz.checks).toEqual([]);
  });

  test('leaves its reason in the access log, without the query', async () => {
    const { accessLog } = gateway.envoy;
    const before = accessLog.length;
    await gateway.send('/logged//twice?secret=1');
    const line = await eventually(() => {
      const found = accessLog.slice(before).find(({ path }) => path === '/logged//twice');
      if (!found) throw new Error('no line yet');
      return found;
    });
    expect(line).toMatchObject({ status: 400, reason: 'non_canonical_path', method: 'GET' });
    expect(JSON.stringify(line)).not.toContain('secret');
  });
});

describe('hosts', () => {
  beforeAll(() => gateway.apply(shop({ hostnames: ['api.example.com', '*.wild.example.com'] })));

  test.each([
    'api.example.com',
    'API.Example.com',
    'api.example.com:8443',
    'x.wild.example.com',
    'x.wild.example.com:1',
  ])('know %s, and the authorizer sees it as sent', async (host) => {
    expect((await gateway.send('/x', { headers: { host } })).status).toBe(200);
    expect(gateway.authz.checks.map((check) => check.host)).toEqual([host]);
  });

  test.each(['example.com', 'wild.example.com', 'api.example.com.evil.com', '127.0.0.1', 'api.example.com,b'])(
    'do not know %s',
    async (host) => {
      const reply = await gateway.send('/x', { headers: { host } });
      expect([reply.status, (JSON.parse(reply.body) as { code: string }).code]).toEqual([404, 'NotFound']);
      expect(gateway.authz.checks).toEqual([]);
    },
  );
});

describe('the route tree', () => {
  beforeAll(() =>
    gateway.apply(
      shop({ basePath: '/orders' }, [
        {
          name: 'files',
          path: { type: 'Prefix', value: '/files' },
          methods: ['GET', 'PUT'],
          route: { backend: 'two' },
        },
        { name: 'meta', path: { type: 'Template', value: '/files/{id}/meta.json' }, methods: ['GET'] },
        { name: 'exact', path: { type: 'Exact', value: '/fil' }, route: { backend: 'two' } },
      ]),
    ),
  );

  test.each([
    ['GET', '/orders/files', 'two'],
    ['GET', '/orders/files?x=1', 'two'],
    ['PUT', '/orders/files/7/meta.json', 'two'],
    ['GET', '/orders/files/7/meta.json', 'one'],
    ['GET', '/orders/files/7/metaxjson', 'two'],
    ['GET', '/orders/files/7/8/meta.json', 'two'],
    ['POST', '/orders/files/7', 'one'],
    ['GET', '/orders/filesystem', 'one'],
    ['DELETE', '/orders/fil', 'two'],
    ['OPTIONS', '/orders/fil', 'one'],
    ['GET', '/orders/release/files/7', 'two'],
    ['GET', '/orders/released/files', 'one'],
    ['GET', '/orders', 'one'],
    ['GET', '/ordersx', '404'],
    ['GET', '/', '404'],
  ])('sends %s %s to %s', async (method, path, expected) => {
    expect(await backendOf(path, { method })).toBe(expected);
  });
});

describe('environments', () => {
  test('by header: an unknown stage reaches the authorizer as unknown and no backend', async () => {
    await gateway.apply(
      shop({
        environments: [
          { name: 'release', default: true, match: { type: 'Header', value: 'RELEASE' }, route: { backend: 'one' } },
          { name: 'test', match: { type: 'Header', value: 'TEST' }, route: { backend: 'two' } },
        ],
      }),
    );
    expect(await backendOf('/x')).toBe('one');
    expect(await backendOf('/x', { headers: { 'x-stage': 'TEST' } })).toBe('two');
    gateway.authz.checks.length = 0;
    for (const stage of ['PRE', 'test', '', 'TEST,RELEASE'])
      expect(await backendOf('/x', { headers: { 'x-stage': stage } })).toBe('404');
    expect(new Set(gateway.authz.checks.map(({ route }) => route))).toEqual(
      new Set(['unknown-environment:shop/orders']),
    );
    expect(gateway.authz.checks).toHaveLength(4);
  });
});

describe('the request that reaches authorizer and backend', () => {
  beforeAll(() =>
    gateway.apply(
      shop({}, [
        { name: 'stream', path: { type: 'Prefix', value: '/stream' }, route: { backend: 'one', maxBodyBytes: null } },
      ]),
    ),
  );

  test('has its body as bytes up to the limit, and 413 beyond', async () => {
    const body = Buffer.from([0, 255, 128, ...Buffer.alloc(4093, 0xfe)]);
    expect(seen(await gateway.send('/x', { method: 'POST', body })).bytes).toBe(4096);
    expect(Buffer.from(gateway.authz.checks[0]!.rawBody).equals(body)).toBe(true);
    const tooLarge = await gateway.send('/x', { method: 'POST', body: Buffer.alloc(4097) });
    expect([tooLarge.status, (JSON.parse(tooLarge.body) as { code: string }).code]).toEqual([413, 'PayloadTooLarge']);
    expect(gateway.authz.checks).toHaveLength(1);
  });

  test('may have 16 MiB where the route says so', async () => {
    const limit = 16 * 1024 * 1024;
    await gateway.apply(
      shop({ key: 'shop/large' }, [
        { name: 'large', path: { type: 'Exact', value: '/large' }, route: { backend: 'one', maxBodyBytes: limit } },
      ]),
    );
    expect(seen(await gateway.send('/large', { method: 'PUT', body: Buffer.alloc(limit, 1) })).bytes).toBe(limit);
    expect(gateway.authz.checks.at(-1)!.rawBody).toHaveLength(limit);
    await gateway.apply(
      shop({}, [
        { name: 'stream', path: { type: 'Prefix', value: '/stream' }, route: { backend: 'one', maxBodyBytes: null } },
      ]),
    );
  });

  test('is not buffered on a streamed route, which also takes WebSockets; other routes refuse them', async () => {
    expect(seen(await gateway.send('/stream/x', { method: 'POST', body: Buffer.alloc(100_000) })).bytes).toBe(100_000);
    expect(gateway.authz.checks[0]!.rawBody).toHaveLength(0);
    const upgrade = (path: string) =>
      raw(
        `GET ${path} HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
        /\r\n\r\n/,
      );
    expect(statusOf(await upgrade('/stream/ws'))).toBe(101);
    const refused = await upgrade('/x');
    expect(statusOf(refused)).toBe(403);
  });

  test('has raw headers, our route, a fresh request id and nothing an outsider could forge', async () => {
    const reply = await gateway.send('/x', {
      headers: {
        'x-request-id': 'forged',
        'x-forwarded-proto': 'https',
        'x-envoy-original-path': '/admin',
        'x-envoy-max-retries': '9',
        x_underscore: 'kept',
      },
    });
    const { headers } = seen(reply);
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(reply.headers['x-request-id']).toBe(headers['x-request-id']);
    expect(headers['x-forwarded-proto']).toBe('http');
    expect(headers['x_underscore']).toBe('kept');
    expect(Object.keys(headers).filter((name) => name.startsWith('x-envoy-'))).toEqual(['x-envoy-external-address']);
    const [check] = gateway.authz.checks;
    expect(check?.route).toBe('shop/orders release one 4096 15000');
    expect(check?.sourceAddress).toBe('127.0.0.1');
    expect(check?.message.attributes?.request?.http?.headerMap?.headers.length).toBeGreaterThan(0);
  });

  test('comes back without the Authorization that the backend echoed, with the server header of the backend', async () => {
    const { headers } = await gateway.send('/x');
    expect(headers['authorization']).toBeUndefined();
    expect(headers['server']).toBe('one');
  });

  test('goes where the authorizer rewrote it; the log says what the client sent', async () => {
    gateway.authz.answer = () => ({
      status: { code: 0 },
      dynamicMetadata: { ...decided('allow', 'ok'), path: '/stream/client', method: 'POST' },
      httpResponse: {
        case: 'okResponse',
        value: {
          headers: [
            { header: { key: ':path', value: '/rewritten?x=1' } },
            { header: { key: ':method', value: 'PUT' } },
          ],
        },
      },
    });
    const before = gateway.envoy.accessLog.length;
    expect(seen(await gateway.send('/stream/client', { method: 'POST', body: 'x' }))).toMatchObject({
      method: 'PUT',
      url: '/rewritten?x=1',
      backend: 'one',
    });
    await eventually(() =>
      expect(gateway.envoy.accessLog.slice(before)).toContainEqual(
        expect.objectContaining({
          path: '/stream/client',
          method: 'POST',
          decision: 'allow',
          reason: 'ok',
          api: 'shop/orders/api',
          environment: 'release',
          key_id: 'AK1',
          plan: 'up1',
        }),
      ),
    );
  });

  test('over HTTP/2 is treated alike', async () => {
    const session = connectHttp2(`http://127.0.0.1:${gateway.port}`);
    const get = (path: string, method = 'GET'): Promise<number> =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':path': path, ':method': method, ':authority': 'api.example.com:81' });
        stream.on('response', (headers) => {
          resolve(headers[':status'] ?? 0);
          stream.close();
        });
        stream.on('error', reject);
        stream.end();
      });
    try {
      expect(await get('/x')).toBe(200);
      expect(await get('/x//y')).toBe(400);
      expect(await get('/x', 'TRACE')).toBe(405);
    } finally {
      session.close();
    }
  });
});

describe('local replies', () => {
  beforeAll(() =>
    gateway.apply(
      shop({}, [
        { name: 'dead', path: { type: 'Exact', value: '/dead' }, route: { backend: 'dead' } },
        { name: 'none', path: { type: 'Exact', value: '/none' }, route: {} },
      ]),
    ),
  );

  test.each([
    ['/dead', 503, 'Unavailable'],
    ['/none', 503, 'Unavailable'],
  ])('of Envoy after an allowed check have the Uniform shape: %s', async (path, status, code) => {
    const reply = await gateway.send(path);
    expect(reply.status).toBe(status);
    expect(reply.headers['content-type']).toBe('application/json');
    expect(JSON.parse(reply.body)).toEqual({
      code,
      message: expect.any(String),
      requestId: reply.headers['x-request-id'],
    });
    expect(gateway.authz.checks).toHaveLength(1);
  });

  test.each([
    [401, 'application/json', '{"error":"of the authorizer"}'],
    [404, 'text/xml', '<error/>'],
    [413, 'text/plain', 'too large'],
    [503, 'application/json', '{"code":"Unavailable","message":"ours"}'],
  ])('of the authorizer keep status %i, content type and body', async (status, contentType, body) => {
    gateway.authz.answer = deny(status, body, contentType);
    const reply = await gateway.send('/x');
    expect([reply.status, reply.headers['content-type'], reply.body]).toEqual([status, contentType, body]);
    expect(reply.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  test.each([
    [
      'an error',
      () => ({
        status: { code: 14 },
        httpResponse: { case: 'errorResponse' as const, value: { status: { code: 503 } } },
      }),
    ],
    [
      'a refusal without an answer',
      () => {
        throw new Error('handler failed');
      },
    ],
  ])('are 503 where the authorizer answers %s: nothing passes', async (_title, answer) => {
    gateway.authz.answer = answer;
    const reply = await gateway.send('/x');
    expect([reply.status, (JSON.parse(reply.body) as { code: string }).code]).toEqual([503, 'Unavailable']);
  });
});

describe('CORS', () => {
  test('preflights are answered by Envoy; other OPTIONS and foreign origins are the authorizer’s', async () => {
    await gateway.apply(
      shop({ cors: { allowOrigins: ['https://*.example.org'], allowMethods: ['GET'], maxAgeSeconds: 60 } }),
    );
    const preflight = (origin: string) =>
      gateway.send('/x', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'GET' } });
    const granted = await preflight('https://app.example.org');
    expect([granted.status, granted.headers['access-control-allow-origin']]).toEqual([200, 'https://app.example.org']);
    expect(gateway.authz.checks).toEqual([]);
    gateway.authz.answer = deny(403, 'no');
    for (const origin of ['https://evil.com', 'https://evil.com/.example.org', 'http://app.example.org'])
      expect((await preflight(origin)).status).toBe(403);
    const denied = await gateway.send('/x', { headers: { origin: 'https://app.example.org' } });
    expect([denied.status, denied.headers['access-control-allow-origin']]).toEqual([403, 'https://app.example.org']);
  });
});

describe('TLS', () => {
  test('serves the certificate files and follows them when they are replaced', async () => {
    const folder = join(gateway.folder, 'tls');
    const port = await freePort();
    // As the kubelet changes a mounted Secret.
    const put = async (name: string): Promise<void> => {
      const issued = selfSigned(name);
      await writeTlsFolder(folder, issued, issued);
    };
    await put('first.example.com');
    const https = {
      address: '127.0.0.1',
      port,
      certificatePath: join(folder, 'tls.crt'),
      privateKeyPath: join(folder, 'tls.key'),
    };
    await gateway.apply(shop(), { https });
    const subject = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
          resolve(`${String(socket.getPeerCertificate().subject.CN)} ${String(socket.alpnProtocol)}`);
          socket.destroy();
        });
        socket.on('error', reject);
      });
    expect(await eventually(subject)).toBe('first.example.com h2');
    await put('second.example.com');
    await eventually(async () => expect(await subject()).toBe('second.example.com h2'));
    await gateway.apply(shop());
    await eventually(() => expect(subject()).rejects.toThrow());
    await rm(folder, { recursive: true });
  });
});

describe('changes', () => {
  const withResource = (
    snapshot: Snapshot,
    typeUrl: string,
    added: Readonly<Record<string, VersionedResource>>,
  ): Snapshot =>
    createSnapshot(
      new Map(
        [...snapshot.resources].map(([type, byName]) => [
          type,
          type === typeUrl ? new Map([...byName, ...Object.entries(added)]) : byName,
        ]),
      ),
    );

  test('under load fail no request, though backends, hosts and routes come and go', async () => {
    const variants: readonly ModelInput[] = [
      shop(),
      shop({}, [{ name: 'two', path: { type: 'Prefix', value: '/x' }, route: { backend: 'two' } }]),
      shop({ hostnames: ['api.example.com', 'b.example.com'] }, [
        { name: 'two', path: { type: 'Prefix', value: '/' }, route: { backend: 'byName' } },
      ]),
      shop({ key: 'shop/other' }, [
        { name: 'two', path: { type: 'Template', value: '/{id}/y' }, route: { backend: 'two', timeoutMs: 7_000 } },
      ]),
    ];
    await gateway.apply(variants[0]!);
    const failures: string[] = [];
    let sent = 0;
    let isDone = false;
    const worker = async (): Promise<void> => {
      while (!isDone) {
        const reply = await gateway.send('/x/y').catch((error: unknown) => ({ status: 0, body: String(error) }));
        sent++;
        if (reply.status !== 200) failures.push(`${reply.status} ${reply.body}`);
      }
    };
    const workers = Array.from({ length: 8 }, worker);
    for (let i = 1; i <= 12; i++) await gateway.apply(variants[i % variants.length]!);
    // The last removals are due a second after the change that made them so.
    const clusters = async (): Promise<string> => gateway.envoy.admin('/clusters?format=json');
    await eventually(async () => expect(await clusters()).not.toContain('backend/two'), { withinMs: 8_000 });
    isDone = true;
    await Promise.all(workers);
    expect(failures).toEqual([]);
    expect(sent).toBeGreaterThan(100);
  });

  test('with a bad cluster among good ones serve the good ones and name the bad one', async () => {
    const good = await gateway.apply(shop());
    const bad = versioned(
      ClusterSchema,
      create(ClusterSchema, { name: 'backend/bad', connectTimeout: duration(-1_000) }),
    );
    const next = renderSnapshot(
      buildModel(shop({}, [{ name: 'two', path: { type: 'Exact', value: '/two' }, route: { backend: 'two' } }])),
      renderOptions(),
    );
    gateway.events.length = 0;
    await gateway.set(withResource(next, CLUSTER_TYPE, { 'backend/bad': bad }));
    expect(await backendOf('/two')).toBe('two');
    expect(gateway.events).toContainEqual(
      expect.objectContaining({
        type: 'rejected',
        typeUrl: CLUSTER_TYPE,
        resourceNames: ['backend/bad'],
        error: expect.stringMatching(/duration/i),
      }),
    );
    await gateway.set(good);
    expect(await backendOf('/two')).toBe('one');
  });

  test('with a bad listener serve the good ones of the same response; one taken away later stops listening', async () => {
    const base = await gateway.apply(shop());
    const port = await freePort();
    const good = httpListener('extra', port);
    const bad = httpListener('bad', port);
    bad.filterChains[0]!.filters[0]!.name = 'no.such.filter';
    bad.filterChains[0]!.filters[0]!.configType = { case: undefined };
    gateway.events.length = 0;
    await gateway.set(
      withResource(base, LISTENER_TYPE, {
        bad: versioned(ListenerSchema, bad),
        extra: versioned(ListenerSchema, good),
      }),
    );
    const rejected = gateway.events.flatMap((event) => (event.type === 'rejected' ? event.resourceNames : []));
    expect(rejected).toEqual(['bad']);
    const isListening = () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.destroy();
          resolve(true);
        });
        socket.on('error', () => resolve(false));
      });
    await eventually(async () => expect(await isListening()).toBe(true));
    await gateway.set(base);
    await eventually(async () => expect(await isListening()).toBe(false));
    expect(await backendOf('/x')).toBe('one');
  });

  test('to routes that Envoy rejects leave the old ones served, with their clusters', async () => {
    const base = await gateway.apply(
      shop({}, [{ name: 'two', path: { type: 'Exact', value: '/two' }, route: { backend: 'two' } }]),
    );
    // Two virtual hosts for one domain, as no model of ours says it.
    const twice = create(RouteConfigurationSchema, {
      name: 'countersign',
      virtualHosts: ['a', 'b'].map((name) => ({ name, domains: ['api.example.com'] })),
    });
    const next = renderSnapshot(buildModel(shop()), renderOptions());
    gateway.events.length = 0;
    await gateway.set(withResource(next, ROUTE_TYPE, { countersign: versioned(RouteConfigurationSchema, twice) }));
    expect(gateway.events).toContainEqual(
      expect.objectContaining({
        type: 'rejected',
        typeUrl: ROUTE_TYPE,
        resourceNames: ['countersign'],
        error: expect.stringContaining('api.example.com'),
      }),
    );
    expect(await backendOf('/two')).toBe('two');
    await gateway.set(base);
    expect(await backendOf('/two')).toBe('two');
  });

  test('are not needed after a reconnect with equal versions: nothing is sent again', async () => {
    const snapshot = await gateway.apply(shop());
    await eventually(async () => expect(await gateway.envoy.admin('/clusters')).not.toContain('backend/two'), {
      withinMs: 8_000,
    });
    const counters = async (): Promise<string> =>
      (
        await gateway.envoy.admin(
          '/stats?filter=(config_reload$|cluster_added|cluster_modified|listener_added|listener_modified|listener_in_place_updated)',
        )
      )
        .split('\n')
        .sort()
        .join('\n');
    const before = await counters();
    await gateway.restartAds(snapshot);
    expect(await backendOf('/x')).toBe('one');
    expect(await counters()).toBe(before);
    await gateway.apply(shop({}, [{ name: 'two', path: { type: 'Prefix', value: '/' }, route: { backend: 'two' } }]));
    expect(await backendOf('/x')).toBe('two');
  });

  function httpListener(name: string, port: number): Listener {
    const snapshot = renderSnapshot(buildModel(shop()), { ...renderOptions(), http: { address: '127.0.0.1', port } });
    const listener = anyUnpack(snapshot.resources.get(LISTENER_TYPE)!.get('http')!.resource, ListenerSchema)!;
    listener.name = name;
    return listener;
  }

  const renderOptions = (): RenderOptions => ({
    http: { address: '127.0.0.1', port: gateway.port },
    https: undefined,
    authz: { timeoutMs: 500 },
    trustedHops: 0,
    caBundlePath: '/etc/ssl/certs/ca-certificates.crt',
  });
});

describe('the static configuration', () => {
  const golden = join(import.meta.dirname, '../golden/xds');
  const inputs = readdirSync(golden).filter((name) => name.endsWith('.in.yaml'));

  test.each(inputs)('of %s passes envoy --mode validate', async (name) => {
    const folder = await socketFolder();
    const authority = selfSigned('ca.example.com');
    await writeFile(join(folder, 'tls.crt'), authority.certificate);
    await writeFile(join(folder, 'tls.key'), authority.privateKey);
    const text = readFileSync(join(golden, name), 'utf8').replace(
      "'-----BEGIN CERTIFICATE-----…'",
      JSON.stringify(authority.certificate),
    );
    const { options = {}, ...input } = parse(text) as ModelInput & { options?: Partial<RenderOptions> };
    const { https } = options;
    const snapshot = renderSnapshot(buildModel(input), {
      http: { address: '127.0.0.1', port: 8080 },
      authz: { timeoutMs: 500 },
      trustedHops: 0,
      ...options,
      https: https && { ...https, certificatePath: join(folder, 'tls.crt'), privateKeyPath: join(folder, 'tls.key') },
      caBundlePath: join(folder, 'tls.crt'),
    });
    const bootstrap = renderBootstrap({
      nodeId: 'test',
      nodeCluster: 'test',
      adminSocketPath: join(folder, 'admin.sock'),
      xds: {
        host: 'controller.example.com',
        port: 18000,
        healthService: 'countersign.xds',
        tls: {
          serverName: 'controller.example.com',
          certificateSecretPath: join(folder, 'certificate.yaml'),
          validationSecretPath: join(folder, 'validation.yaml'),
        },
      },
      authorizerSocketPaths: [join(folder, 'authz.sock')],
      maxDownstreamConnections: 1000,
    });
    const path = join(folder, 'envoy.json');
    await writeFile(path, JSON.stringify(toEnvoyJson(BootstrapSchema, renderStaticConfig(snapshot, bootstrap))));
    const { stdout, stderr } = await run(await envoyPath(), ['--mode', 'validate', '-c', path, '-l', 'warning']);
    expect(stdout + stderr).toContain('OK');
    expect(stderr).not.toMatch(/deprecated/i);
    await rm(folder, { recursive: true });
  });
});
