/** What is worked out change by change is the same as what is worked out at once, whatever the changes. */
import { describe, expect, test } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { createPolicyPublisher } from '../../src/app/controller/policy-publisher.js';
import type { RouteEntry } from '../../src/authz/table/routes.js';
import { buildTable, dropRetired, type Table } from '../../src/authz/table/table.js';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../../src/gen/envoy/service/discovery/v3/discovery_pb.js';
import { LayeredMap } from '../../src/lib/layered-map.js';
import { listChanges } from '../../src/lib/list-changes.js';
import type { Group, Model } from '../../src/model/model.js';
import { decodeEpoch } from '../../src/policy/decode.js';
import { encodePolicy } from '../../src/policy/encode.js';
import { summarize } from '../../src/policy/epoch.js';
import { CONTENT_TYPES, EPOCH_TYPE, POLICY_RESOURCE_TYPES } from '../../src/policy/resource-types.js';
import { hostsOf } from '../../src/xds/render/routes/mounts.js';
import { leavesOf, routeTree, type Leaf } from '../../src/xds/render/routes/route-tree.js';
import { DEFAULT_RENDER_OPTIONS } from '../../src/xds/render/options.js';
import { renderSnapshot } from '../../src/xds/render/snapshot.js';
import { DeltaStream } from '../../src/xds/server/delta-stream.js';
import { createPlane } from '../../src/xds/server/plane.js';
import { createSnapshot, diffSnapshots, type Snapshot, type TypeDiff } from '../../src/xds/snapshot.js';
import { buildModel } from '../support/authz/authz-model.js';
import { buildModel as buildEnvoyModel } from '../support/envoy/xds-model.js';

const index = (max: number) => fc.nat({ max: max - 1 });

test('a layered map is a map, and the copies it was made from stay what they were', () => {
  const changes = fc.array(fc.tuple(fc.nat({ max: 60 }), fc.option(fc.nat(), { nil: undefined })), { maxLength: 30 });
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 20 }), (steps) => {
      let [layered, plain] = [LayeredMap.empty<number, number>(), new Map<number, number>()];
      const made: (readonly [typeof layered, typeof plain])[] = [];
      for (const step of steps) {
        layered = layered.with(new Map(step));
        plain = new Map(plain);
        for (const [key, value] of new Map(step)) {
          if (value === undefined) plain.delete(key);
          else plain.set(key, value);
        }
        made.push([layered, plain]);
      }
      for (const [one, other] of made) for (let key = 0; key <= 60; key++) expect(one.get(key)).toBe(other.get(key));
    }),
  );
});

test('the changes of a list are what one has and the other has not', () => {
  const members = Array.from({ length: 12 }, (_, id) => ({ id }));
  const list = fc.uniqueArray(index(12)).map((ids) => ids.map((id) => members[id]!));
  fc.assert(
    fc.property(list, list, (before, after) => {
      const { gone, come } = listChanges(before, after);
      expect(new Set(gone)).toEqual(new Set(before.filter((member) => !after.includes(member))));
      expect(new Set(come)).toEqual(new Set(after.filter((member) => !before.includes(member))));
    }),
  );
});

const NAMES = ['a', 'b', 'c'];
/** Three groups; a change gives one of them other routes, another place and other APIs, or takes it away. */
const edit = fc.record({
  group: index(3),
  present: fc.boolean(),
  base: fc.constantFrom('', '/x', '/x/y', '/%78'),
  routes: fc.array(index(3), { minLength: 0, maxLength: 3 }),
});
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

const groupOf = ({ group, base, routes }: Edit): Group =>
  buildModel({
    groups: [
      {
        key: `team/g${group}`,
        basePath: base === '' ? `/g${group}` : base,
        environments: [
          {
            name: 'release',
            route: `g${group}-0`,
            apis: routes.map((route, i) => ({
              name: NAMES[i]!,
              route: `g${group}-${route}`,
              path: { type: 'Exact', value: `/${NAMES[i]}` },
            })),
          },
        ],
      },
    ],
  }).groups[0]!;

function edited(model: Model, change: Edit): Model {
  const key = `team/g${change.group}`;
  const others = model.groups.filter((group) => group.key !== key);
  if (!change.present) return { ...model, groups: others };
  const at = model.groups.findIndex((group) => group.key === key);
  const groups = at < 0 ? [...others, groupOf(change)] : model.groups.with(at, groupOf(change));
  return { ...model, groups };
}

/** Of a model, as the definition has it. */
function ownRoutes({ groups }: Model): Map<string, Set<string>> {
  const routes = new Map<string, Set<string>>();
  const of = (id: string) => routes.get(id) ?? routes.set(id, new Set()).get(id)!;
  for (const { environments } of groups)
    for (const { route, apis } of environments) {
      of(route.id);
      for (const api of apis) of(api.route.id).add(api.name);
    }
  return routes;
}

/** Adds what was under a route to what is: make before break. */
function merged(now: Model, before: ReadonlyMap<string, ReadonlySet<string>>): Map<string, Set<string>> {
  const routes = ownRoutes(now);
  for (const [id, apis] of before) routes.set(id, new Set([...(routes.get(id) ?? []), ...apis]));
  return routes;
}

const ROUTE_IDS = [0, 1, 2].flatMap((group) => [0, 1, 2].map((route) => `g${group}-${route}`));
const shown = (entry: RouteEntry | undefined) => entry && { apis: [...entry.apis].sort(), retired: entry.retired };

describe('a table built on the one before', () => {
  const bound = fc.record({ member: index(4), keys: fc.uniqueArray(index(3)), group: index(3), all: fc.boolean() });
  const step = fc.oneof(
    { weight: 4, arbitrary: edit.map((change) => ({ type: 'group' as const, change })) },
    { weight: 2, arbitrary: bound.map((change) => ({ type: 'grant' as const, change })) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('key' as const), key: index(3), present: fc.boolean() }) },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant('others' as const), group: index(3), route: index(3), api: index(3) }),
    },
    { weight: 1, arbitrary: fc.constant({ type: 'drop' as const }) },
  );
  const KEYS = [0, 1, 2].map((n) => ({ key: `caller/k${n}`, keyId: `AK${n}`, secret: 's' }));

  test('answers as one that was built at once', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25, size: 'max' }), (steps) => {
        let model: Model = buildModel({});
        let table: Table = buildTable(model);
        let routes = ownRoutes(model);
        for (const each of steps) {
          let retired: RouteEntry[] = [];
          if (each.type === 'drop') {
            table = dropRetired(table);
            routes = ownRoutes(model);
          }
          if (each.type === 'group') model = edited(model, each.change);
          if (each.type === 'key') {
            const others = model.callerKeys.filter(({ keyId }) => keyId !== `AK${each.key}`);
            const [key] = buildModel({ callerKeys: [KEYS[each.key]!] }).callerKeys;
            model = { ...model, callerKeys: each.present ? [...others, key!] : others };
          }
          if (each.type === 'grant') {
            const { member, keys, group, all } = each.change;
            const [grant] = buildModel({
              grants: [
                {
                  key: `team/grant${member}`,
                  callerKeys: keys.map((n) => `caller/k${n}`),
                  targets: [{ group: `team/g${group}`, environment: 'release', apis: all ? '*' : ['a'] }],
                },
              ],
            }).grants;
            const others = model.grants.filter(({ key }) => key !== grant!.key);
            model = { ...model, grants: keys.length > 0 ? [...others, grant!] : others };
          }
          if (each.type === 'others') {
            const id = `g${each.group}-${each.route}`;
            const route = {
              ...groupOf({ group: each.group, present: true, base: '', routes: [] }).environments[0]!.route,
            };
            retired = [{ route: { ...route, id }, apis: new Set([NAMES[each.api]!]), retired: true }];
            routes.set(id, new Set([...(routes.get(id) ?? []), NAMES[each.api]!]));
          }
          table = buildTable(model, table, retired);
          routes = merged(model, routes);

          const own = ownRoutes(model);
          for (const id of ROUTE_IDS) {
            const apis = routes.get(id);
            expect(shown(table.routes.get(id))).toEqual(apis && { apis: [...apis].sort(), retired: !own.has(id) });
          }
          const fresh = buildTable(model);
          for (const group of [0, 1, 2].map((n) => `team/g${n}`)) {
            expect(table.groups.get(group)?.group).toBe(fresh.groups.get(group)?.group);
            for (const key of KEYS)
              for (const api of NAMES) {
                const matches = ({ grants }: Table) =>
                  new Set(
                    grants.matches(key.key, group, 'release', api).map(({ value, specific }) => [value, specific]),
                  );
                expect(matches(table)).toEqual(matches(fresh));
              }
          }
          for (const { keyId } of KEYS) expect(table.keysById.get(keyId)).toBe(fresh.keysById.get(keyId));
          for (const path of ['/x/a', '/x/y', '/g1/release', '/%78'])
            for (const reading of ['/x', '/x/y/z', '/g1'])
              expect(table.hosts.leavesPlace('api.example.com', path, [reading])).toBe(
                fresh.hosts.leavesPlace('api.example.com', path, [reading]),
              );
        }
      }),
    );
  });
});

describe('what a controller keeps for authorizers that start', () => {
  const MINUTE_MS = 60_000;
  const step = fc.oneof(
    { weight: 6, arbitrary: edit.map((change) => ({ type: 'group' as const, change })) },
    { weight: 1, arbitrary: fc.constant({ type: 'drop' as const }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(1, 2 * MINUTE_MS) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('leads' as const), leads: fc.boolean() }) },
  );

  test('is what full comparisons with the model find', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25, size: 'max' }), (steps) => {
        let [nowMs, leads] = [0, true];
        const plane = createPlane({ types: POLICY_RESOURCE_TYPES });
        const publisher = createPolicyPublisher({ plane, clock: () => nowMs, isLeader: () => leads });
        let model: Model = buildModel({});
        let hash = '';
        let routes = ownRoutes(model);
        let sinceMs = new Map<string, number>();
        let held = false;
        const check = (): void => {
          if (!leads || hash === '') return;
          publisher.lead();
          held = false;
          const bytes = plane.snapshot.resources.get(EPOCH_TYPE)!.get('epoch')!.resource.value;
          const epoch = decodeEpoch(bytes, CONTENT_TYPES);
          if (!epoch.ok) throw new Error(epoch.error);
          expect(new Map(epoch.value.retired!.map(({ route, apis }) => [route.id, apis]))).toEqual(
            new Map([...sinceMs.keys()].map((id) => [id, [...routes.get(id)!].sort()])),
          );
        };
        for (const each of steps) {
          if (each.type === 'wait') nowMs += each.ms;
          if (each.type === 'leads') leads = each.leads;
          if (each.type === 'drop') {
            publisher.dropRetired();
            if (!held) [routes, sinceMs] = [ownRoutes(model), new Map()];
            held = true;
          }
          if (each.type === 'group') {
            const next = edited(model, each.change);
            publisher.setModel(next, encodePolicy(next));
            const nextHash = summarize(encodePolicy(next)).hash;
            if (nextHash === hash) continue;
            const [had, own] = [ownRoutes(model), ownRoutes(next)];
            for (const [id, ms] of sinceMs) if (!leads && nowMs - ms > MINUTE_MS) routes.delete(id);
            // What was in the model until now goes now, whatever went before.
            for (const [id, apis] of had) routes.set(id, new Set([...apis, ...(routes.get(id) ?? [])]));
            routes = merged(next, routes);
            const differs = (id: string, apis: ReadonlySet<string>) => apis.size > (own.get(id)?.size ?? -1);
            const goes = (id: string) =>
              had.has(id) && !(own.has(id) && [...had.get(id)!].every((api) => own.get(id)!.has(api)));
            sinceMs = new Map(
              [...routes]
                .filter(([id, apis]) => differs(id, apis))
                .map(([id]) => [id, goes(id) ? nowMs : (sinceMs.get(id) ?? nowMs)]),
            );
            [model, hash, held] = [next, nextHash, false];
          }
          check();
        }
        leads = true;
        check();
      }),
      { numRuns: 1000 },
    );
  });
});

describe('what a stream sends', () => {
  const TYPE = { typeUrl: 'things', removalDelayMs: 10 };
  const THINGS = ['a', 'b', 'c', 'd'];
  const contents = fc.dictionary(fc.constantFrom(...THINGS), fc.constantFrom('1', '2', '3'));
  const names = fc.uniqueArray(fc.constantFrom('*', ...THINGS), { maxLength: 3 });
  const step = fc.oneof(
    { weight: 4, arbitrary: contents.map((versions) => ({ type: 'set' as const, versions })) },
    { weight: 4, arbitrary: fc.constant({ type: 'ack' as const }) },
    { weight: 2, arbitrary: fc.constant({ type: 'nack' as const }) },
    { weight: 1, arbitrary: names.map((subscribe) => ({ type: 'subscribe' as const, subscribe })) },
    { weight: 1, arbitrary: names.map((unsubscribe) => ({ type: 'unsubscribe' as const, unsubscribe })) },
    { weight: 2, arbitrary: fc.constant({ type: 'wait' as const }) },
  );
  const made = new Map<string, Snapshot>();

  function snapshotOf(versions: Readonly<Record<string, string>>): Snapshot {
    const text = JSON.stringify(versions);
    const resource = create(AnySchema, { typeUrl: TYPE.typeUrl });
    const byName = new Map(Object.entries(versions).map(([name, version]) => [name, { version, resource }]));
    return made.get(text) ?? made.set(text, createSnapshot(new Map([[TYPE.typeUrl, byName]]))).get(text)!;
  }

  /** Everything looks changed: each name is looked at again. */
  function everything(before: Snapshot, after: Snapshot): ReadonlyMap<string, TypeDiff> {
    const [old, now] = [before, after].map(({ resources }) => [...(resources.get(TYPE.typeUrl)?.keys() ?? [])]);
    const { added = [], removed = [] } = diffSnapshots(before, after).get(TYPE.typeUrl) ?? {};
    const changed = now!.filter((name) => old!.includes(name));
    return new Map([[TYPE.typeUrl, { added, changed, removed }]]);
  }

  test('does not depend on whether names that did not change are looked at', () => {
    fc.assert(
      fc.property(contents, names, fc.array(step, { maxLength: 30, size: 'max' }), (initial, first, steps) => {
        let snapshot = snapshotOf(initial);
        let nowMs = 0;
        const events: string[][] = [[], []];
        const streams = events.map(
          (told) =>
            new DeltaStream([TYPE], snapshot, {
              settled: (_, version) => told.push(`settled ${version}`),
              rejected: (_, { resourceNames }) => told.push(`rejected ${[...resourceNames].sort().join()}`),
            }),
        );
        let last: DeltaDiscoveryResponse | undefined;
        const receive = (init: object): void => {
          const request = create(DeltaDiscoveryRequestSchema, { typeUrl: TYPE.typeUrl, ...init });
          for (const stream of streams) stream.receive(request, nowMs);
        };
        const poll = (): void => {
          const [one, other] = streams.map((stream) => stream.poll(nowMs));
          const text = ({ responses, wakeAtMs }: NonNullable<typeof one>) => [
            wakeAtMs,
            ...responses.map(({ nonce, resources, removedResources }) => [
              nonce,
              new Set(resources.map(({ name, version }) => `${name}@${version}`)),
              new Set(removedResources),
            ]),
          ];
          expect(text(one!)).toEqual(text(other!));
          last = one!.responses.at(-1) ?? last;
        };
        receive({ resourceNamesSubscribe: first });
        poll();
        for (const each of steps) {
          if (each.type === 'set') {
            const next = snapshotOf(each.versions);
            streams[0]!.setSnapshot(next);
            streams[1]!.setSnapshot(next, everything(snapshot, next));
            snapshot = next;
          }
          if (each.type === 'wait') nowMs += TYPE.removalDelayMs;
          if (each.type === 'subscribe') receive({ resourceNamesSubscribe: each.subscribe });
          if (each.type === 'unsubscribe') receive({ resourceNamesUnsubscribe: each.unsubscribe });
          if (each.type === 'ack' || each.type === 'nack')
            receive({
              responseNonce: last?.nonce ?? '',
              ...(each.type === 'nack' ? { errorDetail: { message: 'no' } } : {}),
            });
          poll();
        }
        expect(events[0]).toEqual(events[1]);
      }),
      { numRuns: 500 },
    );
  });
});

describe('what Envoy gets', () => {
  const PATHS = ['/v1', '/v1/a', '/v10', '/v1/{id}', '/{id}/b'];
  const change = fc.record({
    group: index(5),
    base: fc.constantFrom('/', '/a', '/a/b', '/ab', '/a-b', '/a/b/c'),
    hostnames: fc.uniqueArray(fc.constantFrom('one.example.com', 'two.example.com', 'three.example.com')),
    stage: fc.constantFrom('PathPrefix' as const, 'Header' as const, 'Hostname' as const),
    apis: fc.uniqueArray(fc.record({ path: fc.constantFrom(...PATHS), timeoutMs: fc.constantFrom(1, 2) }), {
      selector: ({ path }) => path,
    }),
  });
  const OPTIONS = {
    ...DEFAULT_RENDER_OPTIONS,
    http: { address: '127.0.0.1', port: 8080 },
    https: undefined,
  };
  const envoyGroup = ({
    group,
    base,
    hostnames,
    stage,
    apis,
  }: typeof change extends fc.Arbitrary<infer T> ? T : never) =>
    buildEnvoyModel({
      backends: { one: { endpoints: [`127.0.0.1:${group + 1}`] }, two: { endpoints: ['b.example.com:1'] } },
      groups: [
        {
          key: `shop/g${group}`,
          hostnames,
          basePath: base,
          environments: [
            {
              name: 'release',
              default: stage !== 'Hostname',
              match: { type: stage, value: stage === 'Hostname' ? 'stage.example.com' : 'release' },
              route: { backend: 'one' },
              apis: apis.map(({ path, timeoutMs }) => ({
                name: path,
                path: { type: path.includes('{') ? 'Template' : 'Prefix', value: path },
                route: { backend: 'two', timeoutMs },
              })),
            },
          ],
        },
      ],
    }).groups[0]!;

  test('is the same bytes as from a model that was never seen, and leaves are those of the whole host', () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        let groups: readonly Group[] = [];
        for (const each of changes) {
          const next = envoyGroup(each);
          groups = [...groups.filter(({ key }) => key !== next.key), next];
          const model: Model = { callerKeys: [], grants: [], plans: [], groups };
          const snapshot = renderSnapshot(model, OPTIONS);
          const fresh = renderSnapshot(structuredClone(model), OPTIONS);
          expect(snapshot.version).toBe(fresh.version);
          expect(diffSnapshots(snapshot, fresh).size).toBe(0);
          for (const host of hostsOf(model)) {
            const byKey = (leaves: readonly Leaf[]) => new Map(leaves.map(({ key, entries }) => [key, entries]));
            expect(byKey(routeTree(host))).toEqual(byKey(leavesOf(host.mounts)));
          }
        }
      }),
    );
  });
});
