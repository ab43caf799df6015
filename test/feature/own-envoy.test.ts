/**
 * Somebody's own Envoy: a listener, filters, routes and a backend of theirs, with what `render --for envoy` prints
 * pasted in, and authorizers over mTLS. Beside it the same listener with one setting wrong, once for each mistake.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { createAuthority, type TestAuthority } from '../support/certificate.js';
import { runCli } from '../support/cli.js';
import { build, startProgram, type Program } from '../support/gateway/data-plane.js';
import { launchEnvoy, type EnvoyProcess } from '../support/envoy/envoy-process.js';
import { eventually } from '../support/eventually.js';
import { sendHttp1, sendHttp2, type PlainResponse } from '../support/http.js';
import { freePort } from '../support/ports.js';
import { apiGroup, backendKey, grant, importedKey, toYaml, urlBackend } from '../support/resources/resources.js';
import { tencentHeaders } from '../support/signing/tencent-sample.js';
import { writeTlsFolder, type TlsFolder } from '../support/tls-folder.js';
import { misconfigurations, type Hcm } from './own-envoy-mistakes.js';

const KEY = { keyId: 'AKIDownenvoycaller01', secret: 'own-envoy-caller-secret-1' };
const WORKERS = 2;
const HOST = 'api.example.com';

let folder: string;
let backend: RecordingBackend;
let ownBackend: RecordingBackend;
let authority: TestAuthority;
let controller: Program;
let authorizer: Program;
let envoy: EnvoyProcess;
let authzPort: number;
let adminPort: number;
const ports = new Map<string, number>();

const resources = (): string =>
  toYaml(
    ...importedKey('caller', KEY.keyId, KEY.secret),
    ...backendKey('backend', 'backend-key-1', 'own-envoy-backend-secret'),
    grant('orders', ['caller'], 'orders'),
    apiGroup('orders', {
      hostnames: [HOST],
      verification: { dialects: ['Tencent'] },
      backend: urlBackend(backend.port),
      environments: [
        {
          name: 'release',
          default: true,
          match: { type: 'PathPrefix', value: 'release' },
          backendSignature: { type: 'Key', signatureKeyRef: { name: 'backend' }, dialect: 'Huawei' },
        },
      ],
    }),
  );

const tlsFlags = ({ certificatePath, privateKeyPath, caPath }: TlsFolder): string[] => [
  ...['--xds-cert', certificatePath, '--xds-key', privateKeyPath, '--xds-ca', caPath],
];

interface Rendered {
  readonly listener: object;
  readonly http_connection_manager: object;
  readonly http_filters: Hcm['http_filters'];
  readonly route_config: Hcm['route_config'];
  readonly other_routes: object;
  readonly clusters: object[];
  readonly secret_files: Readonly<Record<string, object>>;
}

/** Somebody's connection manager with everything pasted in. */
const manager = (rendered: Rendered, name: string): Hcm => ({
  '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  stat_prefix: name,
  access_log: [
    {
      name: 'envoy.access_loggers.stdout',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
        log_format: {
          json_format: {
            listener: name,
            request_id: '%REQ(X-REQUEST-ID)%',
            reason: '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:reason)%',
          },
        },
      },
    },
  ],
  ...structuredClone(rendered.http_connection_manager),
  http_filters: [
    {
      name: 'mine',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation',
        mutations: {
          request_mutations: [
            { append: { header: { key: 'x-edge', value: 'mine' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' } },
          ],
        },
      },
    },
    ...structuredClone(rendered.http_filters),
  ],
  route_config: {
    ...structuredClone(rendered.route_config),
    virtual_hosts: [
      {
        name: 'mine',
        domains: ['mine.example'],
        routes: [
          {
            match: { prefix: '/' },
            route: { cluster: 'mine', prefix_rewrite: '/rewritten/' },
            ...structuredClone(rendered.other_routes),
          },
        ],
      },
      ...structuredClone(rendered.route_config.virtual_hosts),
    ],
  },
});

beforeAll(async () => {
  await build();
  folder = await mkdtemp(join(tmpdir(), 'cs-'));
  [backend, ownBackend] = [
    await startBackend((_request, response) => {
      response.writeHead(200, { authorization: 'echoed', 'x-countersign-key-id': 'echoed' }).end('ours');
    }),
    await startBackend((_request, response) => void response.writeHead(200, { authorization: 'kept' }).end('mine')),
  ];
  authority = createAuthority();
  const tlsOf = (name: string) => writeTlsFolder(join(folder, name), authority.issue(`countersign-${name}`), authority);
  const manifests = join(folder, 'manifests');
  await mkdir(manifests);
  await writeFile(join(manifests, 'all.yaml'), resources());
  const xdsPort = await freePort();
  authzPort = await freePort();
  adminPort = await freePort();
  controller = startProgram(
    ...['controller', '--folder', manifests, '--xds-address', '127.0.0.1', '--xds-port', String(xdsPort)],
    ...['--admin-port', String(await freePort())],
    ...tlsFlags(await tlsOf('controller')),
  );
  authorizer = startProgram(
    ...['authorizer', '--controller-address', `127.0.0.1:${xdsPort}`, '--node-id', 'authz', '--drain-time', '3s'],
    ...['--workers', String(WORKERS), '--authz-address', '127.0.0.1', '--authz-port', String(authzPort)],
    ...['--admin-port', String(adminPort), '--socket-dir', join(folder, 'none')],
    ...tlsFlags(await tlsOf('authorizer')),
  );

  const { stdout, stderr, exitCode } = await runCli([
    ...['render', manifests, '--for', 'envoy', '--secret-dir', folder, ...tlsFlags(await tlsOf('envoy'))],
    ...Array.from({ length: WORKERS }, (_, index) => ['--authorizer', `127.0.0.1:${authzPort + index}`]).flat(),
  ]);
  if (exitCode !== 0) throw new Error(stderr);
  const rendered = parse(stdout) as Rendered;
  for (const [name, content] of Object.entries(rendered.secret_files))
    await writeFile(join(folder, name), stringify(content));

  const listenerOf = async (name: string, change: (hcm: Hcm) => void) => {
    const port = await freePort();
    ports.set(name, port);
    const hcm = manager(rendered, name);
    change(hcm);
    const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: hcm };
    return {
      name,
      address: { socket_address: { address: '127.0.0.1', port_value: port } },
      ...rendered.listener,
      filter_chains: [{ filters: [filter] }],
    };
  };
  const cluster = (name: string, port: number) => ({
    name,
    type: 'STATIC',
    load_assignment: {
      cluster_name: name,
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] },
      ],
    },
  });
  const clusters = [cluster('mine', ownBackend.port), cluster('away', await freePort()), ...rendered.clusters];
  const listeners = [await listenerOf('right', () => undefined)];
  for (const { name, change } of misconfigurations) listeners.push(await listenerOf(name, change));
  const adminSocket = join(folder, 'envoy.sock');
  const config = {
    node: { id: 'edge-1', cluster: 'edge' },
    admin: { address: { pipe: { path: adminSocket } } },
    static_resources: { listeners, clusters },
  };
  await writeFile(join(folder, 'envoy.yaml'), stringify(config, { aliasDuplicateObjects: false }));
  envoy = await launchEnvoy(join(folder, 'envoy.yaml'), adminSocket);
  await eventually(async () => expect((await call('right')).status).toBe(200), { withinMs: 20_000, everyMs: 50 }).catch(
    (error: unknown) => {
      throw new Error(`${String(error)}\n${authorizer.output()}\n${controller.output()}\n${envoy.log.join('\n')}`);
    },
  );
}, 180_000);
afterAll(async () => {
  await envoy?.stop();
  authorizer?.child.kill('SIGTERM');
  controller?.child.kill('SIGTERM');
  await Promise.all([authorizer?.exit, controller?.exit]);
  await Promise.all([backend?.close(), ownBackend?.close()]);
  if (folder) await rm(folder, { recursive: true, force: true });
}, 30_000);

interface Call {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly send?: typeof sendHttp1;
  /** Address of the caller. */
  readonly from?: string;
}

/** A good request of the caller, unless `with_` changes it. */
const call = (listener: string, with_: Call = {}): Promise<PlainResponse> => {
  const { method = 'GET', target = '/orders/v1', headers = {}, body, from, send = sendHttp1 } = with_;
  return send(ports.get(listener)!, {
    method,
    target,
    body,
    ...(from === undefined ? {} : { from }),
    headers: { Host: HOST, ...tencentHeaders(KEY), ...headers },
  });
};

/** Why the authorizer refused, as the Envoy of that listener logs it. */
async function reasonOf(listener: string, { headers }: PlainResponse): Promise<unknown> {
  const requestId = headers['x-request-id'];
  return eventually(() => {
    const entry = envoy.accessLog.find((each) => each['listener'] === listener && each['request_id'] === requestId);
    if (!entry) throw new Error(`no log of ${String(requestId)}`);
    return entry['reason'];
  });
}

const workers = async () =>
  (
    JSON.parse(await (await fetch(`http://127.0.0.1:${adminPort}/status`)).text()) as {
      workers: ({ pid: number; ready: boolean } | null)[];
    }
  ).workers;

describe('an Envoy of somebody with what render prints', () => {
  test('forwards a signed request with our signature and identity, and no other', async () => {
    backend.clear();
    expect(await call('right', { headers: { 'x-countersign-key-id': 'forged' } })).toMatchObject({
      status: 200,
      body: 'ours',
    });
    expect(backend.last?.target).toBe('/v1');
    expect(backend.last?.header('x-countersign-key-id')).toBe(KEY.keyId);
    expect(backend.last?.header('authorization')).toMatch(/^SDK-HMAC-SHA256 Access=backend-key-1,/);
    expect(backend.last?.header('x-edge')).toBe('mine');
    expect((await call('right', { send: sendHttp2, method: 'POST', body: 'x' })).status).toBe(200);
  });

  test('refuses a wrong signature, no signature, unknown paths and paths that two servers read differently', async () => {
    const wrong = await call('right', { headers: tencentHeaders({ ...KEY, secret: 'another-secret-text' }) });
    expect(wrong).toMatchObject({ status: 401, body: expect.stringContaining('"Unauthorized"') });
    expect((await call('right', { headers: { Authorization: 'none' } })).status).toBe(401);
    expect((await call('right', { target: '/nowhere' })).status).toBe(404);
    expect(await call('right', { target: '/orders/%2e%2e/v1' })).toMatchObject({
      status: 400,
      body: expect.stringContaining('"BadRequest"'),
    });
  });

  test('keeps from the caller what a backend echoes', async () => {
    const { headers } = await call('right');
    expect(headers).not.toHaveProperty('authorization');
    expect(headers).not.toHaveProperty('x-countersign-key-id');
  });

  test('serves its own routes as before: no check, their rewrite, their headers, their texts', async () => {
    ownBackend.clear();
    const own = await sendHttp1(ports.get('right')!, {
      method: 'GET',
      target: '/a',
      headers: { Host: 'mine.example' },
    });
    expect(own).toMatchObject({ status: 200, body: 'mine', headers: { authorization: 'kept' } });
    expect(ownBackend.last?.target).toBe('/rewritten/a');
    const unknown = await sendHttp1(ports.get('right')!, {
      method: 'GET',
      target: '/',
      headers: { Host: 'no.example' },
    });
    expect(unknown).toMatchObject({ status: 404, body: '' });
  });

  test('takes the address of a caller elsewhere on the network for what it is', async () => {
    const { status } = await call('right', { from: '127.0.0.2', headers: { 'X-Forwarded-For': '198.51.100.9' } });
    expect(status).toBe(200);
  });
});

describe('with one setting wrong', () => {
  test.each(misconfigurations)('$name ($outcome)', async (mistake) => {
    const { name, request, status, reason, forwarded, identity, echoed = false } = mistake;
    backend.clear();
    ownBackend.clear();
    const response = await call(name, request);
    expect([status].flat()).toContain(response.status);
    expect((await reasonOf(name, response)) ?? undefined).toBe(reason);
    expect(backend.last?.target).toBe(forwarded);
    expect(response.headers['authorization']).toBe(echoed ? 'echoed' : undefined);
    const caller = forwarded !== undefined && reason === 'ok' ? KEY.keyId : undefined;
    expect(backend.last?.header('x-countersign-key-id')).toBe(identity ?? caller);
    expect(ownBackend.last).toBeUndefined();
  });

  test('the authorizer says what it is', () => {
    for (const setting of [
      'encode_raw_headers',
      'pack_as_bytes',
      'context_extensions',
      'use_remote_address',
      'allowed_headers',
    ])
      expect(authorizer.output()).toMatch(new RegExp(`refused as unsafe_gateway: [^\\n]*${setting}`));
  });
});

describe('authorizers at a port', () => {
  test('lose no request while they restart one after the other', async () => {
    const failed: number[] = [];
    let running = true;
    const load = (async () => {
      while (running) {
        const { status } = await call('right');
        if (status !== 200) failed.push(status);
      }
    })();
    const [first] = await workers();
    process.kill(first!.pid, 'SIGTERM');
    await eventually(
      async () => {
        const [now] = await workers();
        expect(now).toMatchObject({ ready: true });
        expect(now?.pid).not.toBe(first!.pid);
      },
      { withinMs: 15_000, everyMs: 50 },
    );
    running = false;
    await load;
    expect(failed).toEqual([]);
  });

  test('give nothing to an Envoy whose certificate has another name, and answer once it has the right one', async () => {
    const become = async (name: string): Promise<void> => {
      const before = await taken();
      await writeTlsFolder(join(folder, 'envoy'), authority.issue(name), authority);
      await eventually(async () => expect(await taken()).toBeGreaterThan(before));
    };
    const taken = async (): Promise<number> =>
      Number(
        /ssl_context_update_by_sds: (\d+)/.exec(await envoy.admin('/stats?filter=countersign-authz.*by_sds'))?.[1],
      );
    await become('somebody-else');
    // What is connected goes on; workers that start anew are asked for by new connections only.
    const before = (await workers()).map((worker) => worker!.pid);
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await eventually(
      async () => {
        for (const worker of await workers()) {
          expect(worker).toMatchObject({ ready: true });
          expect(before).not.toContain(worker?.pid);
        }
      },
      { withinMs: 15_000, everyMs: 50 },
    );
    expect((await call('right')).status).toBe(503);
    await eventually(() => expect(authorizer.output()).toContain('a certificate for DNS:somebody-else may not ask'), {
      withinMs: 10_000,
      everyMs: 50,
    });
    await become('countersign-envoy');
    await eventually(async () => expect((await call('right')).status).toBe(200), { withinMs: 15_000, everyMs: 50 });
  });
});
