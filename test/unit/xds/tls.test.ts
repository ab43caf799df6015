import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, type ChannelCredentials, type ServiceError } from '@grpc/grpc-js';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { createPolicyClient } from '../../../src/app/authorizer/authorizer-policy.js';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../../../src/gen/envoy/service/discovery/v3/discovery_pb.js';
import { PolicyStaging } from '../../../src/policy/staging.js';
import { silentLogger } from '../../../src/telemetry/logger.js';
import { createAdsListener, subjectAltNames, type AdsListener } from '../../../src/xds/server/ads-server.js';
import { HEALTH_SERVICE, healthService } from '../../../src/xds/server/health-service.js';
import { createPlane, type Peer, type Plane } from '../../../src/xds/server/plane.js';
import { aggregatedDiscoveryService } from '../../../src/xds/server/service.js';
import { openTlsFiles, type TlsFiles } from '../../../src/xds/server/tls-files.js';
import { createSnapshot } from '../../../src/xds/snapshot.js';
import { createAuthority, selfSigned } from '../../support/certificate.js';
import { eventually } from '../../support/eventually.js';
import { writeTlsFolder } from '../../support/tls-folder.js';

const authority = createAuthority();
const controller = authority.issue('controller.test', '127.0.0.1');
const envoy = authority.issue('envoy.test');
const authorizer = authority.issue('spiffe://test/authorizer');

const resource = { version: '1', resource: create(AnySchema, { typeUrl: 'x', value: new Uint8Array() }) };
const planeOf = (typeUrl: string, name: string): Plane => {
  const plane = createPlane({
    types: [{ typeUrl }],
    permits: ({ subjectAltNames: names }: Peer) => names.includes(name),
  });
  plane.setSnapshot(createSnapshot(new Map([[typeUrl, new Map([['one', resource]])]])));
  return plane;
};

let folder: string;
let files: TlsFiles;
let listener: AdsListener;
let address: string;
const reloads: (string | undefined)[] = [];
const clients: Client[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cs-tls-'));
  reloads.length = 0;
  files = await openTlsFiles({
    ...(await writeTlsFolder(folder, controller, authority)),
    checkEveryMs: 20,
    onReload: (error) => reloads.push(error),
  });
  listener = createAdsListener({
    planes: [planeOf('envoy', 'DNS:envoy.test'), planeOf('policy', 'URI:spiffe://test/authorizer')],
    credentials: files.serverCredentials(),
  });
  address = await listener.listen('127.0.0.1:0');
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await listener.close();
  files.close();
  await rm(folder, { recursive: true, force: true });
});

const withCertificate = (
  { certificate, privateKey }: { certificate: string; privateKey: string },
  ca = authority.certificate,
) => credentials.createSsl(Buffer.from(ca), Buffer.from(privateKey), Buffer.from(certificate));

/** Asks for a type; resolves with the names received or rejects with the error of the stream. */
function ask(typeUrl: string, channel: ChannelCredentials): Promise<readonly string[]> {
  const client = new Client(address, channel);
  clients.push(client);
  const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.deltaAggregatedResources;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  call.write(create(DeltaDiscoveryRequestSchema, { node: { id: 'test' }, typeUrl }));
  return new Promise((resolve, reject) => {
    call.on('data', (response: DeltaDiscoveryResponse) => resolve(response.resources.map(({ name }) => name)));
    call.on('error', reject);
  });
}

const refusal = (asked: Promise<unknown>): Promise<number> =>
  asked.then(
    () => -1,
    ({ code }: ServiceError) => code,
  );
const UNAVAILABLE = 14;
const PERMISSION_DENIED = 7;

describe('the certificate of a client', () => {
  test('decides which types it gets', async () => {
    expect(await ask('envoy', withCertificate(envoy))).toEqual(['one']);
    expect(await ask('policy', withCertificate(authorizer))).toEqual(['one']);
    expect(await refusal(ask('policy', withCertificate(envoy)))).toBe(PERMISSION_DENIED);
    expect(await refusal(ask('envoy', withCertificate(authorizer)))).toBe(PERMISSION_DENIED);
    expect(await refusal(ask('envoy', withCertificate(controller)))).toBe(PERMISSION_DENIED);
  });

  test('must be there, of the same authority, and the client must trust ours', async () => {
    expect(await refusal(ask('envoy', credentials.createSsl(Buffer.from(authority.certificate))))).toBe(UNAVAILABLE);
    expect(await refusal(ask('envoy', withCertificate(selfSigned('envoy.test'))))).toBe(UNAVAILABLE);
    expect(await refusal(ask('envoy', withCertificate(createAuthority().issue('envoy.test'))))).toBe(UNAVAILABLE);
    expect(await refusal(ask('envoy', withCertificate(envoy, createAuthority().certificate)))).toBe(UNAVAILABLE);
    expect(await refusal(ask('envoy', credentials.createInsecure()))).toBe(UNAVAILABLE);
  });

  test('with a name that plays with the list of names has no name', () => {
    expect(subjectAltNames('DNS:a, URI:spiffe://b/c')).toEqual(['DNS:a', 'URI:spiffe://b/c']);
    expect(subjectAltNames('DNS:"x, DNS:envoy.test, y"')).toEqual([]);
    expect(subjectAltNames('')).toEqual([]);
  });
});

describe('a client', () => {
  test('believes only the name it expects', async () => {
    const own = await openTlsFiles({ ...(await writeTlsFolder(join(folder, 'client'), envoy, authority)) });
    expect(await ask('envoy', own.channelCredentials('controller.test'))).toEqual(['one']);
    expect(await refusal(ask('envoy', own.channelCredentials('other.test')))).toBe(UNAVAILABLE);
    own.close();
  });

  test('of an address calls the server by its name, since TLS permits no address there', async () => {
    const own = await openTlsFiles({ ...(await writeTlsFolder(join(folder, 'client'), envoy, authority)) });
    const called: string[] = [];
    const { certificate: cert, privateKey: key } = controller;
    const server = createServer({
      cert,
      key,
      SNICallback: (name, done) => {
        called.push(name);
        done(null);
      },
    });
    // It speaks no HTTP/2: what matters is over by then.
    server.on('secureConnection', (socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = createPolicyClient({
      controller: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
      tls: { files: own, serverName: 'controller.test' },
      nodeId: 'authorizer-0',
      version: '1.2.3',
      staging: new PolicyStaging(),
      onPolicy: () => undefined,
      log: silentLogger,
    });
    client.start();
    await eventually(() => expect(called).toEqual(expect.arrayContaining(['controller.test'])));
    expect(called).not.toContain('127.0.0.1');
    await client.close();
    server.close();
    own.close();
  });
});

describe('certificate files', () => {
  const served = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const [host = '', port = ''] = address.split(':');
      const socket = connect({ host, port: Number(port), rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
        socket.destroy();
      });
      socket.on('error', reject);
    });

  test('are read again: new connections get the renewed certificate and the new authority', async () => {
    const before = await served();
    const other = createAuthority();
    const renewed = other.issue('controller.test', '127.0.0.1');
    await writeTlsFolder(folder, renewed, other);
    await eventually(async () => expect(await served()).not.toBe(before));
    expect(files.renewals).toBeGreaterThanOrEqual(1);
    await eventually(async () =>
      expect(await ask('envoy', withCertificate(other.issue('envoy.test'), other.certificate))).toEqual(['one']),
    );
    expect(await refusal(ask('envoy', withCertificate(envoy, other.certificate)))).toBe(UNAVAILABLE);
  });

  test('end the connections of before: a stolen certificate is worth nothing once its authority is gone', async () => {
    const thief = new Client(address, withCertificate(authorizer));
    clients.push(thief);
    const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.deltaAggregatedResources;
    const streamOf = (typeUrl: string) => {
      const call = thief.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
      const ended = new Promise<number>((resolve) => call.on('error', ({ code }: ServiceError) => resolve(code)));
      const open = new Promise((resolve) => call.on('data', resolve));
      call.write(create(DeltaDiscoveryRequestSchema, { typeUrl }));
      return { ended, open };
    };
    const { ended, open } = streamOf('policy');
    await open;
    const renewed = files.renewals;
    files.onRenewal(() => listener.endConnections());
    const other = createAuthority();
    await writeTlsFolder(folder, other.issue('controller.test', '127.0.0.1'), other);
    await eventually(() => expect(files.renewals).toBeGreaterThan(renewed));

    expect(await ended).toBe(UNAVAILABLE);
    // Over the connection that it still has, and over a new one.
    expect(await streamOf('policy').ended).toBe(UNAVAILABLE);
  });

  test('that do not fit are not taken, and told once', async () => {
    const before = await served();
    await writeFile(join(folder, 'tls.key'), authority.issue('x').privateKey);
    await eventually(() => expect(reloads).toEqual([expect.stringMatching(/tls\.key is not the key of .*tls\.crt$/)]));
    expect(await served()).toBe(before);
    await writeFile(join(folder, 'tls.key'), 'nonsense with a secret');
    await eventually(() => expect(reloads.at(-1)).toMatch(/tls\.key is not PEM that can be read$/));
    await writeFile(join(folder, 'tls.key'), controller.privateKey);
    expect(await ask('envoy', withCertificate(envoy))).toEqual(['one']);
  });

  test('that are missing are an error at the start', async () => {
    await expect(
      openTlsFiles({
        certificatePath: join(folder, 'none'),
        privateKeyPath: join(folder, 'tls.key'),
        caPath: join(folder, 'ca.crt'),
      }),
    ).rejects.toMatchObject({ code: 'ERR_TLS' });
  });
});

describe('a replica that does not lead', () => {
  const health = (service: string, channel: ChannelCredentials): Promise<boolean> => {
    const client = new Client(address, channel);
    clients.push(client);
    const { path, requestSerialize, responseDeserialize } = healthService.check;
    return new Promise((resolve, reject) =>
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, service, (error, serving) =>
        error ? reject(error) : resolve(serving ?? false),
      ),
    );
  };

  test('ends its streams, takes no new ones and says NOT_SERVING; a leader serves again', async () => {
    const channel = withCertificate(envoy);
    const client = new Client(address, channel);
    clients.push(client);
    const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.deltaAggregatedResources;
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    const ended = new Promise<number>((resolve) => call.on('error', ({ code }: ServiceError) => resolve(code)));
    const open = new Promise((resolve) => call.on('data', resolve));
    call.write(create(DeltaDiscoveryRequestSchema, { typeUrl: 'envoy' }));
    await open;
    expect(await health(HEALTH_SERVICE, channel)).toBe(true);

    listener.setServing(false);
    expect(await ended).toBe(UNAVAILABLE);
    expect(await refusal(ask('envoy', channel))).toBe(UNAVAILABLE);
    expect(await health(HEALTH_SERVICE, channel)).toBe(false);
    await expect(health('other', channel)).rejects.toMatchObject({ code: 5 });

    listener.setServing(true);
    expect(await ask('envoy', channel)).toEqual(['one']);
    expect(await health(HEALTH_SERVICE, channel)).toBe(true);
  });
});
