import { describe, expect, test } from '@jest/globals';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../../../src/gen/envoy/service/discovery/v3/discovery_pb.js';
import type { ResourceType } from '../../../src/xds/resource-types.js';
import { DeltaStream } from '../../../src/xds/server/delta-stream.js';
import { createSnapshot, EMPTY_SNAPSHOT, type Snapshot } from '../../../src/xds/snapshot.js';

const TYPES: readonly ResourceType[] = [
  { typeUrl: 'clusters', removalDelayMs: 1_000 },
  { typeUrl: 'listeners' },
  { typeUrl: 'routes' },
];

type Contents = Readonly<Record<string, Readonly<Record<string, string | { version: string; settleMs: number }>>>>;

function snapshotOf(contents: Contents, bytes = 10): Snapshot {
  return createSnapshot(
    new Map(
      Object.entries(contents).map(([typeUrl, byName]) => [
        typeUrl,
        new Map(
          Object.entries(byName).map(([name, given]) => {
            const { version, settleMs = 0 } = typeof given === 'string' ? { version: given } : given;
            return [
              name,
              { version, settleMs, resource: create(AnySchema, { typeUrl, value: new Uint8Array(bytes) }) },
            ];
          }),
        ),
      ]),
    ),
  );
}

/** A client that tells every message and answers when the test says so. */
class Client {
  nowMs = 0;
  readonly events: string[] = [];
  readonly stream: DeltaStream;
  readonly #pending = new Map<string, DeltaDiscoveryResponse>();
  wakeAtMs: number | undefined;

  constructor(snapshot: Snapshot, types = TYPES) {
    this.stream = new DeltaStream(types, snapshot, {
      settled: (typeUrl) => this.events.push(`settled ${typeUrl}`),
      rejected: (typeUrl, { resourceNames, error }) =>
        this.events.push(`rejected ${typeUrl} ${resourceNames.join()}: ${error}`),
    });
  }

  /** What the server sends next, as text. */
  poll(): string[] {
    const { responses, wakeAtMs } = this.stream.poll(this.nowMs);
    this.wakeAtMs = wakeAtMs;
    return responses.map((response) => {
      this.#pending.set(response.typeUrl, response);
      const upserts = response.resources.map(({ name, version }) => `${name}@${version}`);
      return [response.typeUrl, ...upserts, ...response.removedResources.map((name) => `-${name}`)].join(' ');
    });
  }

  request(typeUrl: string, init: MessageInitShape<typeof DeltaDiscoveryRequestSchema> = {}): string[] {
    this.stream.receive(create(DeltaDiscoveryRequestSchema, { typeUrl, ...init }), this.nowMs);
    return this.poll();
  }

  ack(typeUrl: string): string[] {
    return this.request(typeUrl, { responseNonce: this.#nonce(typeUrl) });
  }

  nack(typeUrl: string, message: string): string[] {
    return this.request(typeUrl, { responseNonce: this.#nonce(typeUrl), errorDetail: { message } });
  }

  set(snapshot: Snapshot): string[] {
    this.stream.setSnapshot(snapshot);
    return this.poll();
  }

  /** Subscribes to everything and acknowledges until the server has nothing to say. */
  sync(): void {
    for (const { typeUrl } of TYPES) this.request(typeUrl);
    for (let i = 0; i < 10; i++) for (const { typeUrl } of TYPES) if (this.#pending.has(typeUrl)) this.ack(typeUrl);
    this.events.length = 0;
  }

  #nonce(typeUrl: string): string {
    const response = this.#pending.get(typeUrl);
    if (!response) throw new Error(`no response of type ${typeUrl} to answer`);
    this.#pending.delete(typeUrl);
    return response.nonce;
  }
}

const BASE: Contents = { clusters: { a: '1' }, listeners: { http: '1' }, routes: { main: '1' } };

describe('a first subscription', () => {
  test('gets everything of its type, or an empty response, so that the client need not wait', () => {
    const client = new Client(snapshotOf({ clusters: { a: '1', b: '2' } }));
    expect(client.request('clusters')).toEqual(['clusters a@1 b@2']);
    expect(client.ack('clusters')).toEqual([]);
    expect(client.request('listeners')).toEqual(['listeners']);
    expect(client.events).toEqual(['settled clusters']);
    client.ack('listeners');
    expect(client.events).toEqual(['settled clusters', 'settled listeners']);
  });

  test('by name gets these names only and is told which do not exist', () => {
    const client = new Client(snapshotOf(BASE));
    expect(client.request('routes', { resourceNamesSubscribe: ['main', 'other'] })).toEqual(['routes main@1']);
    expect(client.ack('routes')).toEqual(['routes -other']);
  });

  test('after a reconnect gets only what differs from the versions the client names', () => {
    const client = new Client(snapshotOf({ clusters: { a: '1', b: '2' } }));
    expect(client.request('clusters', { initialResourceVersions: { a: '1', b: '1', gone: '1' } })).toEqual([
      'clusters b@2',
    ]);
    client.ack('clusters');
    expect(client.wakeAtMs).toBe(1_000);
    client.nowMs = 1_000;
    expect(client.poll()).toEqual(['clusters -gone']);
  });

  test('with equal versions gets an empty response', () => {
    const client = new Client(snapshotOf(BASE));
    expect(client.request('clusters', { initialResourceVersions: { a: '1' } })).toEqual(['clusters']);
  });
});

describe('a change', () => {
  test('adds clusters, then changes routes, then removes clusters, each after the ACK of the one before', () => {
    const client = new Client(snapshotOf(BASE));
    client.sync();
    expect(client.set(snapshotOf({ ...BASE, clusters: { b: '1' }, routes: { main: '2' } }))).toEqual(['clusters b@1']);
    expect(client.poll()).toEqual([]);
    expect(client.ack('clusters')).toEqual(['routes main@2']);
    expect(client.ack('routes')).toEqual([]);
    expect(client.wakeAtMs).toBe(1_000);
    client.nowMs = 999;
    expect(client.poll()).toEqual([]);
    client.nowMs = 1_000;
    expect(client.poll()).toEqual(['clusters -a']);
    expect(client.ack('clusters')).toEqual([]);
    expect(client.wakeAtMs).toBeUndefined();
  });

  test('does not wait for delayed removals to count as held', () => {
    const client = new Client(snapshotOf(BASE));
    client.sync();
    client.set(snapshotOf({ ...BASE, clusters: { b: '1' } }));
    client.ack('clusters');
    expect(client.events).toEqual(['settled listeners', 'settled routes', 'settled clusters']);
  });

  test('gives a cluster that has to settle its time before routes refer to it', () => {
    const client = new Client(snapshotOf(BASE));
    client.sync();
    client.set(
      snapshotOf({ ...BASE, clusters: { a: '1', dns: { version: '1', settleMs: 200 } }, routes: { main: '2' } }),
    );
    expect(client.ack('clusters')).toEqual([]);
    expect(client.wakeAtMs).toBe(200);
    client.nowMs = 200;
    expect(client.poll()).toEqual(['routes main@2']);
  });

  test('that arrives while a response is on its way goes out after its ACK, in its newest form', () => {
    const client = new Client(snapshotOf(BASE));
    client.sync();
    expect(client.set(snapshotOf({ ...BASE, routes: { main: '2' } }))).toEqual(['routes main@2']);
    expect(client.set(snapshotOf({ ...BASE, routes: { main: '3' } }))).toEqual([]);
    expect(client.set(snapshotOf({ ...BASE, routes: { main: '4' } }))).toEqual([]);
    expect(client.ack('routes')).toEqual(['routes main@4']);
  });

  test('back to what the client holds, while the other is on its way, is sent again and only then counts', () => {
    const base = snapshotOf(BASE);
    const client = new Client(base);
    client.sync();
    client.set(snapshotOf({ ...BASE, routes: { main: '2' } }));
    client.set(base);
    const holds = () => client.stream.holds((version) => version === base.version);
    expect(holds()).toBe(false);
    expect(client.ack('routes')).toEqual(['routes main@1']);
    expect(holds()).toBe(false);
    client.ack('routes');
    expect(holds()).toBe(true);
  });

  test('keeps a cluster that comes back before its removal was due', () => {
    const client = new Client(snapshotOf(BASE));
    client.sync();
    client.set(snapshotOf({ ...BASE, clusters: {} }));
    expect(client.set(snapshotOf(BASE))).toEqual([]);
    client.nowMs = 5_000;
    expect(client.poll()).toEqual([]);
  });

  test('of more than a megabyte goes in parts', () => {
    const client = new Client(snapshotOf({ clusters: { a: '1', b: '1', c: '1' } }, 400_000));
    expect(client.request('clusters')).toEqual(['clusters a@1 b@1']);
    expect(client.ack('clusters')).toEqual(['clusters c@1']);
  });
});

describe('a NACK', () => {
  test('of several resources sends each alone, finds the bad one and leaves the good ones served', () => {
    const client = new Client(snapshotOf({ clusters: { a: '1', bad: '1', c: '1' } }));
    client.request('clusters');
    expect(client.nack('clusters', 'no')).toEqual(['clusters a@1']);
    expect(client.events).toEqual([]);
    expect(client.ack('clusters')).toEqual(['clusters bad@1']);
    expect(client.nack('clusters', 'bad is bad')).toEqual(['clusters c@1']);
    expect(client.ack('clusters')).toEqual([]);
    expect(client.events).toEqual(['rejected clusters bad: bad is bad', 'settled clusters']);
  });

  test('is not repeated until the resource changes', () => {
    const client = new Client(snapshotOf(BASE));
    client.sync();
    client.set(snapshotOf({ ...BASE, routes: { main: '2' } }));
    expect(client.nack('routes', 'no')).toEqual([]);
    expect(client.set(snapshotOf({ ...BASE, listeners: { http: '2' }, routes: { main: '2' } }))).toEqual([
      'listeners http@2',
    ]);
    expect(client.ack('listeners')).toEqual([]);
    expect(client.set(snapshotOf({ ...BASE, listeners: { http: '2' }, routes: { main: '3' } }))).toEqual([
      'routes main@3',
    ]);
  });

  test('of routes keeps the clusters that the old routes still use', () => {
    const client = new Client(snapshotOf(BASE));
    client.sync();
    client.set(snapshotOf({ ...BASE, clusters: { b: '1' }, routes: { main: '2' } }));
    client.ack('clusters');
    client.nack('routes', 'no');
    client.nowMs = 10_000;
    expect(client.poll()).toEqual([]);
    expect(client.set(snapshotOf({ ...BASE, clusters: { b: '1' }, routes: { main: '3' } }))).toEqual(['routes main@3']);
    client.ack('routes');
    client.nowMs = 20_000;
    expect(client.poll()).toEqual(['clusters -a']);
  });

  test('of a resource that then disappears is followed by its explicit removal, once', () => {
    const client = new Client(snapshotOf({ listeners: { good: '1', bad: '1' } }));
    client.request('listeners');
    client.nack('listeners', 'no');
    client.ack('listeners');
    client.nack('listeners', 'bad is bad');
    expect(client.set(snapshotOf({ listeners: { good: '1' } }))).toEqual(['listeners -bad']);
    expect(client.ack('listeners')).toEqual([]);
    expect(client.poll()).toEqual([]);
  });

  test('with a nonce of an earlier response changes nothing', () => {
    const client = new Client(snapshotOf(BASE));
    client.request('clusters');
    expect(client.request('clusters', { responseNonce: 'stale', errorDetail: { message: 'old' } })).toEqual([]);
    expect(client.events).toEqual([]);
    client.ack('clusters');
    expect(client.events).toEqual(['settled clusters']);
  });
});

describe('subscriptions', () => {
  test('to a name again send it again; after an unsubscription it is neither sent nor removed', () => {
    const client = new Client(snapshotOf(BASE));
    client.request('routes', { resourceNamesSubscribe: ['main'] });
    client.ack('routes');
    expect(client.request('routes', { resourceNamesSubscribe: ['main'] })).toEqual(['routes main@1']);
    client.ack('routes');
    expect(client.request('routes', { resourceNamesUnsubscribe: ['main'] })).toEqual([]);
    expect(client.set(snapshotOf({ ...BASE, routes: { main: '2' } }))).toEqual([]);
    expect(client.set(EMPTY_SNAPSHOT)).toEqual([]);
  });
});

describe('types whose removals count like additions', () => {
  const types: readonly ResourceType[] = [{ typeUrl: 'keys', removal: 'BeforeLaterTypes' }, { typeUrl: 'epoch' }];

  test('are complete, removals included, before the next type is sent', () => {
    const client = new Client(snapshotOf({ keys: { a: '1', b: '1' }, epoch: { epoch: '1' } }), types);
    client.request('keys');
    client.request('epoch');
    client.ack('keys');
    client.ack('epoch');
    expect(client.set(snapshotOf({ keys: { b: '2' }, epoch: { epoch: '2' } }))).toEqual(['keys b@2']);
    expect(client.ack('keys')).toEqual(['keys -a']);
    expect(client.ack('keys')).toEqual(['epoch epoch@2']);
  });
});
