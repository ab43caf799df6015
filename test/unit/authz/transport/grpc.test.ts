import { afterEach, describe, expect, test } from '@jest/globals';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { mkdtemp, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Decision } from '../../../../src/authz/decision.js';
import type { CheckRequest } from '../../../../src/authz/request.js';
import { createGrpcTransport } from '../../../../src/authz/transport/grpc.js';
import type { Transport, TransportOptions } from '../../../../src/authz/transport/transport.js';
import {
  CheckRequestSchema,
  CheckResponseSchema,
  type CheckResponse,
} from '../../../../src/gen/envoy/service/auth/v3/external_auth_pb.js';
import { eventually } from '../../../support/eventually.js';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const socketPath = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'authz-')), 'authz.sock');
const FACTS = { api: '', environment: '', keyId: '', planId: '', profile: '' };
const ALLOW: Decision = { outcome: 'allow', setHeaders: [], removeHeaders: [], responseHeaders: [], facts: FACTS };

async function serve(options: Partial<TransportOptions> & Pick<TransportOptions, 'address'>): Promise<Transport> {
  const transport = createGrpcTransport({ check: () => Promise.resolve(ALLOW), ready: () => true, ...options });
  closers.push(() => transport.close());
  await transport.listen();
  return transport;
}

const bytes = (value: Buffer): Buffer => value;
function call(target: string, method: string, message: Uint8Array): Promise<Buffer> {
  const client = new Client(target, credentials.createInsecure(), { 'grpc.max_send_message_length': -1 });
  closers.push(() => client.close());
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(method, bytes, bytes, Buffer.from(message), (error, response) =>
      error ? reject(error) : resolve(response!),
    );
  });
}
const CHECK = '/envoy.service.auth.v3.Authorization/Check';
const asked = (body = 0) =>
  toBinary(
    CheckRequestSchema,
    create(CheckRequestSchema, { attributes: { request: { http: { id: '9', rawBody: new Uint8Array(body) } } } }),
  );
const check = async (target: string, message: Uint8Array = asked()): Promise<CheckResponse> =>
  fromBinary(CheckResponseSchema, await call(target, CHECK, message));
const health = async (target: string): Promise<number> =>
  (await call(target, '/grpc.health.v1.Health/Check', new Uint8Array()))[1]!;

describe('a Unix socket', () => {
  test('is open to its owner alone and carries Checks', async () => {
    const path = await socketPath();
    let seen: CheckRequest | undefined;
    await serve({ address: { socketPath: path }, check: (request) => ((seen = request), Promise.resolve(ALLOW)) });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await check(`unix:${path}`)).status?.code).toBe(0);
    expect(seen?.streamToken).toBe('/9');
  });
  test('that a dead process left is replaced', async () => {
    const path = await socketPath();
    const { spawnSync } = await import('node:child_process');
    spawnSync(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]);
    expect((await stat(path)).isSocket()).toBe(true);
    await serve({ address: { socketPath: path } });
    expect((await check(`unix:${path}`)).status?.code).toBe(0);
  });
  test('on which another process listens, or a plain file, is left alone', async () => {
    const path = await socketPath();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(path, resolve));
    closers.push(() => other.close());
    await expect(serve({ address: { socketPath: path } })).rejects.toThrow('another process listens');
    const file = `${path}.txt`;
    await writeFile(file, 'mine');
    await expect(serve({ address: { socketPath: file } })).rejects.toThrow('not a socket');
  });
});

describe('calls', () => {
  test('a body of 16 MiB arrives', async () => {
    const path = await socketPath();
    let length = 0;
    await serve({
      address: { socketPath: path },
      check: (request) => ((length = request.body!.length), Promise.resolve(ALLOW)),
    });
    await check(`unix:${path}`, asked(16 * 1024 * 1024));
    expect(length).toBe(16 * 1024 * 1024);
  });
  test('a check that rejects or throws, and a message that cannot be read, are denied as internal errors', async () => {
    const path = await socketPath();
    const errors: unknown[] = [];
    let fail: () => Promise<Decision> = () => Promise.reject(new Error('rejected'));
    await serve({ address: { socketPath: path }, check: () => fail(), onError: (error) => errors.push(error) });
    const denied = { status: { code: 14 }, httpResponse: { case: 'deniedResponse', value: { status: { code: 503 } } } };
    expect(await check(`unix:${path}`)).toMatchObject(denied);
    fail = () => {
      throw new Error('thrown');
    };
    expect(await check(`unix:${path}`)).toMatchObject(denied);
    fail = () => Promise.resolve(undefined as unknown as Decision);
    expect(await check(`unix:${path}`)).toMatchObject(denied);
    expect(await check(`unix:${path}`, new Uint8Array([0x0a, 200, 1]))).toMatchObject(denied);
    expect(errors).toHaveLength(4);
  });
  test('health follows readiness', async () => {
    const path = await socketPath();
    let ready = false;
    await serve({ address: { socketPath: path }, ready: () => ready });
    expect(await health(`unix:${path}`)).toBe(2);
    ready = true;
    expect(await health(`unix:${path}`)).toBe(1);
  });
  test('draining answers the calls in flight, then takes the socket away', async () => {
    const path = await socketPath();
    let release: (decision: Decision) => void = () => undefined;
    let entered = false;
    const transport = await serve({
      address: { socketPath: path },
      check: () => ((entered = true), new Promise((resolve) => (release = resolve))),
    });
    const pending = check(`unix:${path}`);
    await eventually(() => expect(entered).toBe(true));
    const drained = transport.drain(10_000);
    release(ALLOW);
    expect((await pending).status?.code).toBe(0);
    await drained;
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });
  test('draining ends at its deadline', async () => {
    const path = await socketPath();
    let entered = false;
    const transport = await serve({
      address: { socketPath: path },
      check: () => ((entered = true), new Promise<never>(() => undefined)),
    });
    const refused = expect(check(`unix:${path}`)).rejects.toThrow();
    await eventually(() => expect(entered).toBe(true));
    await transport.drain(50);
    await refused;
  });
});

test('a TCP port of its own choice is told', async () => {
  const transport = createGrpcTransport({
    address: { host: '127.0.0.1', port: 0 },
    check: () => Promise.resolve(ALLOW),
    ready: () => true,
  });
  closers.push(() => transport.close());
  const address = await transport.listen();
  expect((await check(`127.0.0.1:${'port' in address ? address.port : 0}`)).status?.code).toBe(0);
});
