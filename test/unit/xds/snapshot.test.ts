import { describe, expect, test } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import { ClusterSchema } from '../../../src/gen/envoy/config/cluster/v3/cluster_pb.js';
import { renderSnapshot } from '../../../src/xds/render/snapshot.js';
import { CLUSTER_TYPE, ENVOY_RESOURCE_TYPES, LISTENER_TYPE, ROUTE_TYPE } from '../../../src/xds/resource-types.js';
import { createSnapshot, diffSnapshots, EMPTY_SNAPSHOT, mergeSnapshots, versioned } from '../../../src/xds/snapshot.js';
import { buildModel, type ModelInput } from '../../support/envoy/xds-model.js';

const OPTIONS = {
  http: { address: '127.0.0.1', port: 8080 },
  https: undefined,
  authz: { timeoutMs: 500 },
  trustedHops: 0,
  caBundlePath: '/etc/ca.pem',
};

const INPUT: ModelInput = {
  backends: { one: { endpoints: ['127.0.0.1:1'] }, two: { endpoints: ['two.example.com:80'] } },
  groups: ['a', 'b'].map((name) => ({
    key: `shop/${name}`,
    hostnames: ['api.example.com'],
    basePath: `/${name}`,
    environments: ['x', 'y'].map((environment) => ({
      name: environment,
      match: { type: 'PathPrefix' as const, value: environment },
      route: { backend: environment === 'x' ? 'one' : 'two' },
    })),
  })),
};

const cluster = (name: string, altStatName = '') =>
  versioned(ClusterSchema, create(ClusterSchema, { name, altStatName }));
const clusters = (...entries: readonly (readonly [string, string?])[]) =>
  createSnapshot(new Map([[CLUSTER_TYPE, new Map(entries.map(([name, alt]) => [name, cluster(name, alt)]))]]));

describe('a version', () => {
  test('does not depend on the order of groups, environments or backends', () => {
    const reversed: ModelInput = {
      backends: Object.fromEntries(Object.entries(INPUT.backends!).reverse()),
      groups: INPUT.groups!.map((group) => ({ ...group, environments: [...group.environments].reverse() })).reverse(),
    };
    const snapshot = renderSnapshot(buildModel(INPUT), OPTIONS);
    const other = renderSnapshot(buildModel(reversed), OPTIONS);
    expect(other.version).toBe(snapshot.version);
    expect(diffSnapshots(snapshot, other).size).toBe(0);
  });

  test('changes with what it covers and with nothing else', () => {
    const before = renderSnapshot(buildModel(INPUT), OPTIONS);
    const after = renderSnapshot(buildModel(INPUT), { ...OPTIONS, http: { address: '127.0.0.1', port: 8081 } });
    expect(after.version).not.toBe(before.version);
    expect([...diffSnapshots(before, after).keys()]).toEqual([LISTENER_TYPE]);
  });
});

describe('the rendered snapshot', () => {
  test('covers every type in the order in which Envoy needs them', () => {
    const { resources } = renderSnapshot(buildModel(INPUT), OPTIONS);
    expect([...resources.keys()]).toEqual(ENVOY_RESOURCE_TYPES.map(({ typeUrl }) => typeUrl));
    expect([...resources.get(ROUTE_TYPE)!.keys()]).toEqual(['countersign']);
  });

  test('is left alone by keys, grants and plans, and by an edit of a group but for its own', () => {
    const model = buildModel(INPUT);
    const before = renderSnapshot(model, OPTIONS);
    const keys = renderSnapshot({ ...model, callerKeys: [] }, OPTIONS);
    expect(keys.version).toBe(before.version);
    expect(keys.resources.get(ROUTE_TYPE)).toBe(before.resources.get(ROUTE_TYPE));
    const groups = model.groups.with(0, { ...model.groups[0]!, basePath: '/c' });
    const edited = renderSnapshot({ ...model, groups }, OPTIONS);
    expect([...diffSnapshots(before, edited).keys()]).toEqual([ROUTE_TYPE]);
    for (const [name, cluster] of before.resources.get(CLUSTER_TYPE)!)
      expect(edited.resources.get(CLUSTER_TYPE)!.get(name)).toBe(cluster);
    expect(renderSnapshot(structuredClone({ ...model, groups }), OPTIONS).version).toBe(edited.version);
  });

  test('gives clusters that need DNS time to settle, others none', () => {
    const byName = renderSnapshot(buildModel(INPUT), OPTIONS).resources.get(CLUSTER_TYPE)!;
    expect([...byName].map(([name, { settleMs }]) => [name, settleMs])).toEqual([
      ['backend/one', undefined],
      ['backend/two', 200],
    ]);
  });
});

describe('the difference of two snapshots', () => {
  test('names what was added, changed and removed, by type', () => {
    const before = clusters(['kept'], ['changed'], ['removed']);
    const after = clusters(['kept'], ['changed', 'new text'], ['added']);
    expect(diffSnapshots(before, after)).toEqual(
      new Map([[CLUSTER_TYPE, { added: ['added'], changed: ['changed'], removed: ['removed'] }]]),
    );
    expect(diffSnapshots(EMPTY_SNAPSHOT, EMPTY_SNAPSHOT).size).toBe(0);
  });

  test('is empty after merging a snapshot with itself', () => {
    const snapshot = clusters(['a']);
    expect(mergeSnapshots(EMPTY_SNAPSHOT, snapshot).version).toBe(snapshot.version);
  });
});
