import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { build } from '../support/gateway/data-plane.js';
import { launchEnvoy, socketFolder, type EnvoyProcess } from '../support/envoy/envoy-process.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { freePort } from '../support/ports.js';
import { CHART, missing, NAMESPACE, objectsOf, render, ROOT, type Ended } from './helm.js';

const runFile = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: Ended) => ({ code, stdout, stderr }),
  );

if (missing !== undefined)
  test.skip(`helm test: ${missing} found neither in KUBEBUILDER_ASSETS nor on PATH`, () => undefined);
else
  describe('helm test, through a gateway of one process with the objects that the chart has for it', () => {
    let folder: string;
    let gateway: TestGateway;
    let backendPort: number;

    const runTest = () =>
      runFile([join(folder, 'signed-request.mjs')], {
        GATEWAY_SCHEME: 'http',
        GATEWAY_HOST: '127.0.0.1',
        GATEWAY_PORT: String(gateway.httpPort),
        TEST_HOSTNAME: 'countersign-test.invalid',
        TIMEOUT_SECONDS: '5',
        LISTEN_ADDRESS: '127.0.0.1',
      });

    beforeAll(async () => {
      await build();
      backendPort = await freePort();
      folder = await mkdtemp(join(tmpdir(), 'countersign-helm-test-'));
      const objects = objectsOf(await render('--set', 'crds.enabled=false'));
      const ours = objects.filter(({ apiVersion }) => apiVersion === 'countersign.dev/v1alpha1');
      const key = {
        ...{ apiVersion: 'v1', kind: 'Secret', type: 'countersign.dev/signature-key' },
        metadata: { name: 'countersign-test-signature-key', namespace: NAMESPACE },
        stringData: { keyId: 'AKHELMTEST0000000001', secret: 'secret-of-the-helm-test-000001' },
      };
      // What the cluster's controller would have generated.
      const withKey = ours.map((object) =>
        object.kind === 'SignatureKey'
          ? {
              ...object,
              spec: {
                ...(object['spec'] as object),
                keyID: key.stringData.keyId,
                secretRef: { name: key.metadata.name },
              },
            }
          : object,
      );
      gateway = await startGateway({
        files: { 'test.yaml': [...withKey, key].map((object) => stringify(object)).join('---\n') },
        flags: { service: [`${NAMESPACE}/countersign-test:8080=127.0.0.1:${String(backendPort)}`] },
      });
      await mkdir(join(folder, 'key'));
      for (const [name, text] of Object.entries(key.stringData)) await writeFile(join(folder, 'key', name), text);
      const script = await readFile(join(CHART, 'files/signed-request.mjs'), 'utf8');
      await writeFile(
        join(folder, 'signed-request.mjs'),
        script
          .replaceAll('/etc/countersign/key', join(folder, 'key'))
          .replaceAll('/app/dist', join(ROOT, 'dist'))
          .replace('listen(8080,', `listen(${String(backendPort)},`),
      );
    }, 90_000);

    afterAll(async () => {
      await gateway?.close();
      if (folder) await rm(folder, { recursive: true, force: true });
    });

    test('passes when the signed request is served and the unsigned one refused', async () => {
      const { code, stdout, stderr } = await runTest();
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain('signed request: 200, and the backend was told who called: AKHELMTEST0000000001');
      expect(stdout).toContain('request without a signature: 401, and nothing reached the backend');
    });

    test('fails, and says why, when the key is another one', async () => {
      await writeFile(join(folder, 'key/secret'), 'secret-of-somebody-else-0000001');
      const { code, stdout, stderr } = await runTest();
      expect(code).toBe(1);
      expect(stdout).toMatch(/signed request: 401 /);
      expect(stderr).toContain('failed: the signed request was not served within 5 s');
    });
  });

describe('before a pod of the gateway ends', () => {
  let folder: string;
  let envoy: EnvoyProcess;
  let port: number;

  beforeAll(async () => {
    folder = await socketFolder();
    port = await freePort();
    const adminSocket = join(folder, 'envoy.sock');
    const connectionManager = {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      stat_prefix: 'http',
      route_config: {
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'served' } } }],
          },
        ],
      },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
        },
      ],
    };
    const bootstrap = {
      admin: { address: { pipe: { path: adminSocket } } },
      static_resources: {
        listeners: [
          {
            address: { socket_address: { address: '127.0.0.1', port_value: port } },
            filter_chains: [
              { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: connectionManager }] },
            ],
          },
        ],
      },
    };
    await writeFile(join(folder, 'envoy.yaml'), stringify(bootstrap));
    envoy = await launchEnvoy(join(folder, 'envoy.yaml'), adminSocket);
  }, 60_000);

  afterAll(async () => {
    await envoy?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const get = (agent: Agent) =>
    new Promise<{ status: number | undefined; connection: string | undefined }>((resolve, reject) => {
      request({ host: '127.0.0.1', port, agent }, (response) => {
        response
          .resume()
          .on('end', () => resolve({ status: response.statusCode, connection: response.headers.connection }));
      })
        .on('error', reject)
        .end();
    });

  test('Envoy ends connections after their next answer, and still admits new ones', async () => {
    const kept = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await get(kept)).toEqual({ status: 200, connection: undefined });

    const script = await readFile(join(CHART, 'files/drain-envoy.cjs'), 'utf8');
    const { code, stderr } = await runFile(['--eval', script.replace('/run/countersign', folder)]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });

    expect(await get(kept)).toEqual({ status: 200, connection: 'close' });
    expect(await get(new Agent())).toEqual({ status: 200, connection: 'close' });
    kept.destroy();
  });

  test('an Envoy that has ended already is no failure', async () => {
    const script = await readFile(join(CHART, 'files/drain-envoy.cjs'), 'utf8');
    const { code, stderr } = await runFile(['--eval', script.replace('/run/countersign', join(folder, 'none'))]);
    expect(code).toBe(0);
    expect(stderr).toContain('Envoy is not told');
  });
});
