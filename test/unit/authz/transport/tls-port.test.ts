/** A port that only clients with a certificate of the authority, for one of the expected names, get an answer from. */
import { afterEach, expect, test } from '@jest/globals';
import { Client, credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { checkServerIdentity, connect, type ConnectionOptions } from 'node:tls';
import { createGrpcTransport } from '../../../../src/authz/transport/grpc.js';
import type { Transport, TransportTls } from '../../../../src/authz/transport/transport.js';
import { admitsText } from '../../../../src/app/peer-names.js';
import { eventually } from '../../../support/eventually.js';
import { createAuthority, type TestAuthority, type TestCertificate } from '../../../support/certificate.js';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const materialOf = (authority: TestAuthority) => {
  const { certificate, privateKey } = authority.issue('countersign-authorizer');
  return {
    certificate: Buffer.from(certificate),
    privateKey: Buffer.from(privateKey),
    caCertificate: Buffer.from(authority.certificate),
  };
};

async function serve(authority: TestAuthority, names = ['countersign-envoy', 'spiffe://cluster/envoy']) {
  const refused: string[] = [];
  const listeners = new Set<() => void>();
  let material = materialOf(authority);
  const tls: TransportTls = {
    files: () => material,
    onRenewal(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    admits: admitsText(names),
    onRefused: (message) => void refused.push(message),
  };
  const transport: Transport = createGrpcTransport({
    address: { host: '127.0.0.1', port: 0 },
    tls,
    check: () => Promise.reject(new Error('not asked here')),
    ready: () => true,
  });
  closers.push(() => transport.close());
  const bound = await transport.listen();
  if (!('port' in bound)) throw new Error('no port');
  return {
    port: bound.port,
    transport,
    refused,
    listeners,
    renew(next: TestAuthority) {
      material = materialOf(next);
      for (const listener of listeners) listener();
    },
  };
}

const clientOf = (authority: TestAuthority, { certificate, privateKey }: TestCertificate): ChannelCredentials =>
  credentials.createSsl(Buffer.from(authority.certificate), Buffer.from(privateKey), Buffer.from(certificate), {
    checkServerIdentity: (_host, shown) => checkServerIdentity('countersign-authorizer', shown),
  });

function health(port: number, channel: ChannelCredentials): Promise<number> {
  const bytes = (value: Buffer): Buffer => value;
  const client = new Client(`127.0.0.1:${port}`, channel, { 'grpc.enable_retries': 0 });
  closers.push(() => client.close());
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest('/grpc.health.v1.Health/Check', bytes, bytes, Buffer.alloc(0), (error, answer) =>
      error ? reject(error) : resolve(answer![1]!),
    );
  });
}

test.each(['countersign-envoy', 'spiffe://cluster/envoy'])('a client named %s is answered', async (name) => {
  const authority = createAuthority();
  const { port } = await serve(authority);
  expect(await health(port, clientOf(authority, authority.issue(name)))).toBe(1);
});

test.each<[who: string, client: (authority: TestAuthority) => ChannelCredentials]>([
  ['without TLS', () => credentials.createInsecure()],
  ['without a certificate', (authority) => credentials.createSsl(Buffer.from(authority.certificate))],
  [
    'with a certificate for another name',
    (authority) => clientOf(authority, authority.issue('countersign-controller')),
  ],
  [
    'with the right name from another authority',
    (authority) => clientOf(authority, createAuthority('test authority').issue('countersign-envoy')),
  ],
  ['with a name that reads like two', (authority) => clientOf(authority, authority.issue('x, DNS:countersign-envoy'))],
])('a client %s gets nothing, not even health', async (_who, client) => {
  const authority = createAuthority();
  const { port } = await serve(authority);
  await expect(health(port, client(authority))).rejects.toMatchObject({ code: 14 });
});

test('a refused name is told, so that an operator can add it', async () => {
  const authority = createAuthority();
  const { port, refused } = await serve(authority);
  await expect(health(port, clientOf(authority, authority.issue('edge-envoy')))).rejects.toMatchObject({ code: 14 });
  expect(refused).toContain('a certificate for DNS:edge-envoy may not ask');
});

test('renewed files count for the next connection, also for a client that wants to resume an old session', async () => {
  const [before, after] = [createAuthority('before'), createAuthority('after')];
  const server = await serve(before);
  const old = before.issue('countersign-envoy');
  const options: ConnectionOptions = {
    port: server.port,
    host: '127.0.0.1',
    cert: old.certificate,
    key: old.privateKey,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
  };
  let session: Buffer | undefined;
  const first = connect(options);
  first.on('session', (ticket) => (session = ticket)).on('error', () => undefined);
  await new Promise((resolve) => first.once('data', resolve));
  first.destroy();

  server.renew(after);
  await expect(health(server.port, clientOf(before, old))).rejects.toMatchObject({ code: 14 });
  expect(await health(server.port, clientOf(after, after.issue('countersign-envoy')))).toBe(1);
  const again = connect({ ...options, ...(session ? { session } : {}) });
  const ended = new Promise<string>((resolve) => {
    again.once('data', () => resolve('answered'));
    again.once('error', () => resolve('refused'));
    again.once('close', () => resolve('refused'));
  });
  expect(await ended).toBe('refused');
});

test('renewed files end the connections of before, once their calls are answered', async () => {
  const [before, after] = [createAuthority('before'), createAuthority('after')];
  const server = await serve(before);
  const bytes = (value: Buffer): Buffer => value;
  const client = new Client(`127.0.0.1:${server.port}`, clientOf(before, before.issue('countersign-envoy')), {
    'grpc.enable_retries': 0,
  });
  closers.push(() => client.close());
  const ask = (): Promise<number> =>
    new Promise((resolve) =>
      client.makeUnaryRequest('/grpc.health.v1.Health/Check', bytes, bytes, Buffer.alloc(0), (error) =>
        resolve(error?.code ?? 0),
      ),
    );
  expect(await ask()).toBe(0);
  server.renew(after);
  await eventually(async () => expect(await ask()).toBe(14));
});

test('draining closes the port, ends its connections and forgets the files', async () => {
  const authority = createAuthority();
  const { port, transport, listeners } = await serve(authority);
  const client = clientOf(authority, authority.issue('countersign-envoy'));
  expect(await health(port, client)).toBe(1);
  await transport.drain(5_000);
  expect(listeners.size).toBe(0);
  await expect(health(port, client)).rejects.toMatchObject({ code: 14 });
});
