/** Envoy with our configuration, an authorizer that does as told and backends that answer what they saw. */
import { createServer, request, type IncomingHttpHeaders, type OutgoingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { renderBootstrap } from '../../../src/xds/render/bootstrap/bootstrap.js';
import type { BootstrapOptions, RenderOptions } from '../../../src/xds/render/options.js';
import { renderSnapshot } from '../../../src/xds/render/snapshot.js';
import { ENVOY_RESOURCE_TYPES, SECRET_TYPE } from '../../../src/xds/resource-types.js';
import { createAdsServer, type AdsServer } from '../../../src/xds/server/ads-server.js';
import type { NodeEvent } from '../../../src/xds/server/plane.js';
import type { Snapshot } from '../../../src/xds/snapshot.js';
import { startAuthzStub, type AuthzStub } from './authz-stub.js';
import { socketFolder, startEnvoy, type EnvoyProcess } from './envoy-process.js';
import { freePort } from '../ports.js';
import { buildModel, type ModelInput } from './xds-model.js';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What a backend answers with. */
export interface Seen {
  readonly backend: string;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: number;
}

export interface TestBackend {
  readonly port: number;
  readonly server: Server;
  close(): void;
}

export async function startBackend(name: string): Promise<TestBackend> {
  const server = createServer((incoming, reply) => {
    let bytes = 0;
    incoming.on('data', (chunk: Buffer) => (bytes += chunk.length));
    incoming.on('end', () => {
      reply.setHeader('authorization', 'Basic leaked');
      reply.setHeader('server', name);
      reply.end(
        JSON.stringify({ backend: name, method: incoming.method, url: incoming.url, headers: incoming.headers, bytes }),
      );
    });
  });
  server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    server,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

export interface Gateway {
  readonly folder: string;
  readonly port: number;
  readonly envoy: EnvoyProcess;
  readonly authz: AuthzStub;
  readonly events: NodeEvent[];
  ads: AdsServer;
  /** Renders, sets and waits until Envoy holds it. */
  apply(input: ModelInput, options?: Partial<RenderOptions>): Promise<Snapshot>;
  set(snapshot: Snapshot): Promise<void>;
  /** Stops the ADS server and starts another one on the same socket. */
  restartAds(snapshot: Snapshot): Promise<void>;
  send(path: string, options?: SendOptions): Promise<Reply>;
  stop(): Promise<void>;
}

export interface SendOptions {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array;
}

/** @param bootstrap what is different from usual. */
export async function startGateway(
  types = ENVOY_RESOURCE_TYPES,
  bootstrap: Partial<BootstrapOptions> = {},
): Promise<Gateway> {
  const folder = await socketFolder();
  const socket = (name: string): string => join(folder, name);
  const port = await freePort();
  const options: RenderOptions = {
    http: { address: '127.0.0.1', port },
    https: undefined,
    // A busy machine must not look like an authorizer that is away: 16 MiB take their time.
    authz: { timeoutMs: 10_000 },
    trustedHops: 0,
    caBundlePath: '/etc/ssl/certs/ca-certificates.crt',
  };
  const events: NodeEvent[] = [];
  const startAds = async (): Promise<AdsServer> => {
    const server = createAdsServer({ types, onNode: (event) => events.push(event) });
    await server.listen(`unix:${socket('xds.sock')}`);
    return server;
  };
  const ads = await startAds();
  const authz = await startAuthzStub(socket('authz.sock'));
  const envoy = await startEnvoy(
    renderBootstrap({
      nodeId: 'test',
      nodeCluster: 'test',
      adminSocketPath: socket('admin.sock'),
      xds: { socketPath: socket('xds.sock') },
      authorizerSocketPaths: [socket('authz.sock')],
      maxDownstreamConnections: 10_000,
      ...bootstrap,
    }),
  );

  const gateway: Gateway = {
    folder,
    port,
    envoy,
    authz,
    events,
    ads,
    async set(snapshot) {
      gateway.ads.setSnapshot(snapshot);
      const typeUrls = types
        .map(({ typeUrl }) => typeUrl)
        .filter((typeUrl) => typeUrl !== SECRET_TYPE || snapshot.resources.get(SECRET_TYPE)!.size > 0);
      await gateway.ads.acknowledged(snapshot.version, {
        minimumNodes: 1,
        typeUrls,
        signal: AbortSignal.timeout(10_000),
      });
    },
    async apply(input, changed = {}) {
      const snapshot = renderSnapshot(buildModel(input), { ...options, ...changed });
      await gateway.set(snapshot);
      return snapshot;
    },
    async restartAds(snapshot) {
      await gateway.ads.close();
      gateway.ads = await startAds();
      await gateway.set(snapshot);
    },
    send: (path, { method = 'GET', headers = {}, body } = {}) =>
      new Promise((resolve, reject) => {
        const outgoing = request(
          { host: '127.0.0.1', port, path, method, agent: false, headers: { host: 'api.example.com', ...headers } },
          (incoming) => {
            let text = '';
            incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
            incoming.on('end', () =>
              resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }),
            );
          },
        );
        outgoing.on('error', reject);
        outgoing.end(body);
      }),
    async stop() {
      await envoy.stop();
      authz.close();
      await gateway.ads.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return gateway;
}
