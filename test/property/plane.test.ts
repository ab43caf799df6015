/** Whatever clients answer and however often they come back, each ends with what the snapshot has. */
import { expect, test } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { EventEmitter } from 'node:events';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../../src/gen/envoy/service/discovery/v3/discovery_pb.js';
import { createPlane, type Plane } from '../../src/xds/server/plane.js';
import type { DeltaCall } from '../../src/xds/server/service.js';
import { createSnapshot, type Snapshot } from '../../src/xds/snapshot.js';

const TYPES = ['first', 'second'] as const;
const things = fc.dictionary(fc.constantFrom('p', 'q', 'r', 's'), fc.constantFrom('1', '2', '3'));
const contents = fc.tuple(things, things);

const snapshotOf = (contentsOf: readonly Readonly<Record<string, string>>[]): Snapshot =>
  createSnapshot(
    new Map(
      TYPES.map((typeUrl, i) => [
        typeUrl,
        new Map(
          Object.entries(contentsOf[i]!).map(([name, version]) => [
            name,
            { version, resource: create(AnySchema, { typeUrl, value: Buffer.from(version) }) },
          ]),
        ),
      ]),
    ),
  );
const versionsOf = ({ resources }: Snapshot) =>
  TYPES.map((type) => new Map([...(resources.get(type) ?? [])].map(([name, { version }]) => [name, version])));

class Call extends EventEmitter {
  readonly sent: DeltaDiscoveryResponse[] = [];
  isFull = false;

  write(response: DeltaDiscoveryResponse): boolean {
    this.sent.push(response);
    return !this.isFull;
  }
  end(): void {}
}

/** Keeps what it accepted over its connections, as Envoy does. */
class Client {
  readonly #held = new Map(TYPES.map((type) => [type as string, new Map<string, string>()]));
  #call = new Call();

  constructor(
    private readonly plane: Plane,
    private readonly id: string,
  ) {
    this.#connect();
  }

  get held(): readonly ReadonlyMap<string, string>[] {
    return TYPES.map((type) => this.#held.get(type)!);
  }

  #connect(): void {
    this.#call = new Call();
    const [first, second] = TYPES.map((typeUrl) =>
      create(DeltaDiscoveryRequestSchema, {
        ...{ typeUrl, node: { id: this.id } },
        initialResourceVersions: Object.fromEntries(this.#held.get(typeUrl)!),
      }),
    );
    this.plane.serve(this.#call as unknown as DeltaCall, { address: '', subjectAltNames: [] }, first!);
    this.#call.emit('data', second);
  }

  reconnect(): void {
    this.#call.emit('cancelled');
    this.#connect();
  }

  setFull(isFull: boolean): void {
    this.#call.isFull = isFull;
    if (!isFull) this.#call.emit('drain');
  }

  get isFull(): boolean {
    return this.#call.isFull;
  }

  /** Answers the oldest response; `false`: there is none. */
  answer(accepts: boolean): boolean {
    const response = this.#call.sent.shift();
    if (!response) return false;
    const { typeUrl, resources, removedResources, nonce } = response;
    const held = this.#held.get(typeUrl)!;
    for (const { name, version, resource } of accepts ? resources : []) {
      expect(Buffer.from(resource!.value).toString()).toBe(version);
      held.set(name, version);
    }
    for (const name of removedResources) held.delete(name);
    const answer = accepts ? {} : { errorDetail: { message: 'no' } };
    this.#call.emit('data', create(DeltaDiscoveryRequestSchema, { typeUrl, responseNonce: nonce, ...answer }));
    return true;
  }
}

const CLIENTS = 3;
const client = fc.nat({ max: CLIENTS - 1 });
const set = contents.map((to) => ({ type: 'set' as const, to }));
const answer = client.map((of) => ({ type: 'ack' as const, of }));
const reconnect = client.map((of) => ({ type: 'reconnect' as const, of }));
const block = client.map((of) => ({ type: 'block' as const, of }));
const hold = fc.boolean().map((isHeld) => ({ type: 'hold' as const, isHeld }));
const refuse = client.map((of) => ({ type: 'nack' as const, of }));
const agreeable = [
  { weight: 4, arbitrary: set },
  { weight: 5, arbitrary: answer },
  { weight: 1, arbitrary: reconnect },
  { weight: 1, arbitrary: block },
  { weight: 1, arbitrary: hold },
];
type Step =
  typeof set extends fc.Arbitrary<infer S>
    ? S | { type: 'ack' | 'nack' | 'reconnect' | 'block'; of: number } | { type: 'hold'; isHeld: boolean }
    : never;

function play(steps: readonly Step[]): { readonly plane: Plane; readonly clients: readonly Client[] } {
  const plane = createPlane({ types: TYPES.map((typeUrl) => ({ typeUrl })), clock: () => 0 });
  const clients = Array.from({ length: CLIENTS }, (_, i) => new Client(plane, `client ${String(i)}`));
  for (const step of steps) {
    if (step.type === 'set') plane.setSnapshot(snapshotOf(step.to));
    else if (step.type === 'hold') plane.hold(step.isHeld);
    else {
      const one = clients[step.of]!;
      if (step.type === 'reconnect') one.reconnect();
      else if (step.type === 'block') one.setFull(!one.isFull);
      else one.answer(step.type === 'ack');
    }
    // Who counts as holder has it all.
    for (const { id } of plane.holders(TYPES, 'all'))
      expect(clients.find((_, i) => id === `client ${String(i)}`)!.held).toEqual(versionsOf(plane.snapshot));
  }
  plane.hold(false);
  for (const one of clients) one.setFull(false);
  return { plane, clients };
}
const acceptAll = (clients: readonly Client[]): void => {
  for (const one of clients) while (one.answer(true));
};

test('who accepts everything ends with the snapshot, and counts as holder of nothing else', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(...agreeable), { maxLength: 40, size: 'max' }), (steps) => {
      const { plane, clients } = play(steps);
      acceptAll(clients);
      for (const { held } of clients) expect(held).toEqual(versionsOf(plane.snapshot));
      expect(plane.holders(TYPES, 'all')).toHaveLength(CLIENTS);
    }),
    { numRuns: 500 },
  );
});

test('who rejected something has the snapshot once it comes back and accepts it', () => {
  const any = fc.oneof(...agreeable, { weight: 3, arbitrary: refuse });
  fc.assert(
    fc.property(fc.array(any, { maxLength: 40, size: 'max' }), (steps) => {
      const { plane, clients } = play(steps);
      acceptAll(clients);
      for (const one of clients) one.reconnect();
      acceptAll(clients);
      for (const { held } of clients) expect(held).toEqual(versionsOf(plane.snapshot));
      expect(plane.holders(TYPES, 'all')).toHaveLength(CLIENTS);
    }),
    { numRuns: 500 },
  );
});
