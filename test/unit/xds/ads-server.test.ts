import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
} from '../../../src/gen/envoy/service/discovery/v3/discovery_pb.js';
import { createAdsServer, type AdsServer, type AdsServerOptions } from '../../../src/xds/server/ads-server.js';
import type { NodeEvent } from '../../../src/xds/server/plane.js';
import { aggregatedDiscoveryService } from '../../../src/xds/server/service.js';
import { createSnapshot, type Snapshot } from '../../../src/xds/snapshot.js';
import { eventually } from '../../support/eventually.js';

const snapshotOf = (version: string, typeUrls = ['clusters', 'routes']): Snapshot =>
  createSnapshot(
    new Map(
      typeUrls.map((typeUrl) => [
        typeUrl,
        new Map([
          ['one', { version, resource: create(AnySchema, { typeUrl, value: new TextEncoder().encode(version) }) }],
        ]),
      ]),
    ),
  );

class TestClient {
  readonly responses: DeltaDiscoveryResponse[] = [];
  error: ServiceError | undefined;
  readonly #client: Client;
  readonly #call: ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

  constructor(
    address: string,
    readonly id: string,
  ) {
    this.#client = new Client(address, credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.deltaAggregatedResources;
    this.#call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#call.on('data', (response: DeltaDiscoveryResponse) => this.responses.push(response));
    this.#call.on('error', (error: ServiceError) => (this.error = error));
  }

  send(
    typeUrl: string,
    init: { readonly responseNonce?: string; readonly errorDetail?: { readonly message: string } } = {},
  ): void {
    this.#call.write(create(DeltaDiscoveryRequestSchema, { node: { id: this.id, cluster: 'test' }, typeUrl, ...init }));
  }

  /** Waits for the next response of a type and answers it. */
  async answer(typeUrl: string, error?: string): Promise<DeltaDiscoveryResponse> {
    const response = await eventually(() => {
      const found = this.responses.findIndex((each) => each.typeUrl === typeUrl);
      if (found < 0) throw new Error(`no response of type ${typeUrl}`);
      return this.responses.splice(found, 1)[0]!;
    });
    this.send(typeUrl, { responseNonce: response.nonce, ...(error ? { errorDetail: { message: error } } : {}) });
    return response;
  }

  close(): void {
    this.#call.cancel();
    this.#client.close();
  }
}

let server: AdsServer;
let address: string;
let events: NodeEvent[];
let folder: string;
const clients: TestClient[] = [];

async function start(options: Partial<AdsServerOptions> = {}): Promise<void> {
  events = [];
  server = createAdsServer({
    types: [{ typeUrl: 'clusters', removalDelayMs: 0 }, { typeUrl: 'routes' }],
    onNode: (event) => events.push(event),
    ...options,
  });
  address = await server.listen(`unix:${join(folder, 'xds.sock')}`);
}

function client(id: string): TestClient {
  const opened = new TestClient(address, id);
  clients.push(opened);
  return opened;
}

/** Whether a promise has settled by the time everything pending has run. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  return (await Promise.race([promise, new Promise((resolve) => setImmediate(() => resolve(pending)))])) === pending;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cs-'));
});
afterEach(async () => {
  for (const each of clients.splice(0)) each.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

describe('acknowledged', () => {
  test('resolves once every connected node holds the snapshot in all types it asked for', async () => {
    await start();
    const [a, b] = [client('a'), client('b')];
    const first = snapshotOf('1');
    server.setSnapshot(first);
    for (const each of [a, b]) each.send('clusters');
    for (const each of [a, b]) await each.answer('clusters');
    const done = server.acknowledged(first.version, { minimumNodes: 2 });
    await done;

    const second = snapshotOf('2');
    server.setSnapshot(second);
    const both = server.acknowledged(second.version);
    await a.answer('clusters');
    await eventually(() =>
      expect(events).toContainEqual(expect.objectContaining({ type: 'acknowledged', version: second.version })),
    );
    expect(await isPending(both)).toBe(true);
    await b.answer('clusters');
    await both;
  });

  test('does not wait for nodes that left, and is satisfied by a later snapshot', async () => {
    await start();
    const [a, b] = [client('a'), client('b')];
    for (const each of [a, b]) {
      each.send('clusters');
      await each.answer('clusters');
    }
    const [first, second] = [snapshotOf('1'), snapshotOf('2')];
    server.setSnapshot(first);
    await eventually(() => expect(a.responses).toHaveLength(1));
    server.setSnapshot(second);
    const done = server.acknowledged(first.version);
    await a.answer('clusters');
    await a.answer('clusters');
    expect(await isPending(done)).toBe(true);
    b.close();
    await done;
  });

  test('resolves over a rejection, which is reported with the resource and the words of the node', async () => {
    await start();
    const a = client('a');
    const snapshot = snapshotOf('1', ['routes']);
    server.setSnapshot(snapshot);
    a.send('routes');
    await a.answer('routes', 'no such cluster');
    await server.acknowledged(snapshot.version, { minimumNodes: 1, typeUrls: ['routes'] });
    const node = { id: 'a', cluster: 'test', stream: 1 };
    expect(events).toContainEqual({
      type: 'rejected',
      node,
      typeUrl: 'routes',
      resourceNames: ['one'],
      error: 'no such cluster',
    });
    const acknowledged = () => events.filter(({ type }) => type === 'acknowledged').at(-1);
    await eventually(() => expect(acknowledged()).toMatchObject({ version: snapshot.version, complete: false }));

    const next = snapshotOf('2', ['routes']);
    server.setSnapshot(next);
    await a.answer('routes');
    await eventually(() => expect(acknowledged()).toMatchObject({ version: next.version, complete: true }));
  });

  test('rejects for an unknown version and when aborted', async () => {
    await start();
    await expect(server.acknowledged('never set')).rejects.toMatchObject({ code: 'ERR_SNAPSHOT_UNKNOWN' });
    const abort = new AbortController();
    const done = server.acknowledged(server.snapshot.version, { minimumNodes: 1, signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(done).rejects.toThrow('enough');
  });
});

describe('streams', () => {
  test('advance independently: a node that does not answer holds nobody else back', async () => {
    await start();
    server.setSnapshot(snapshotOf('1'));
    const [slow, fast] = [client('slow'), client('fast')];
    for (const each of [slow, fast]) each.send('clusters');
    await eventually(() => expect(slow.responses).toHaveLength(1));
    await fast.answer('clusters');
    fast.send('routes');
    await fast.answer('routes');
    await eventually(() =>
      expect(events.filter(({ type, node }) => type === 'acknowledged' && node.id === 'fast')).toHaveLength(2),
    );
    expect(events.filter(({ type, node }) => type === 'acknowledged' && node.id === 'slow')).toHaveLength(0);
  });

  test('are told apart and reported when they end', async () => {
    await start();
    const a = client('same');
    a.send('clusters');
    await a.answer('clusters');
    const b = client('same');
    b.send('clusters');
    await b.answer('clusters');
    expect(server.nodes.map(({ id }) => id)).toEqual(['same', 'same']);
    a.close();
    await eventually(() => expect(server.nodes.map(({ stream }) => stream)).toEqual([2]));
    expect(events).toContainEqual({
      type: 'disconnected',
      node: { id: 'same', cluster: 'test', stream: 1 },
      goodbye: false,
    });
  });

  test('that ask for a type nobody offers, or that is not for them, are ended', async () => {
    await start({ permits: (_peer, typeUrl) => typeUrl !== 'routes' });
    const curious = client('curious');
    curious.send('secrets');
    await eventually(() => expect(curious.error?.code).toBe(3));
    const forbidden = client('forbidden');
    forbidden.send('clusters');
    await forbidden.answer('clusters');
    forbidden.send('routes');
    await eventually(() => expect(forbidden.error?.code).toBe(7));
    await eventually(() => expect(server.nodes).toEqual([]));
  });
});

describe('listen', () => {
  test('takes over a socket file that nobody serves and none that somebody does', async () => {
    await writeFile(join(folder, 'xds.sock'), '');
    await start();
    const other = createAdsServer();
    await expect(other.listen(address)).rejects.toMatchObject({ code: 'ERR_ADS_LISTEN' });
    await other.close();
  });

  test('tells the port it was given', async () => {
    await start();
    const other = createAdsServer();
    expect(await other.listen('127.0.0.1:0')).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    await other.close();
  });
});
