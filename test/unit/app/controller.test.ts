import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { ApiGroup } from '../../../src/api/types.js';
import { createController, type Controller } from '../../../src/app/controller/controller.js';
import { createLocalAuthorizers } from '../../../src/app/controller/policy-publisher.js';
import { buildTable, dropRetired, type Table } from '../../../src/authz/table/table.js';
import { DeltaDiscoveryRequestSchema } from '../../../src/gen/envoy/service/discovery/v3/discovery_pb.js';
import { create } from '@bufbuild/protobuf';
import { EventEmitter } from 'node:events';
import { createResourceSet } from '../../../src/resources/resource-set.js';
import { silentLogger } from '../../../src/telemetry/logger.js';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.js';
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../../src/xds/resource-types.js';
import type { DeltaCall } from '../../../src/xds/server/service.js';
import { createPlane, type Plane } from '../../../src/xds/server/plane.js';
import { must } from '../../support/must.js';

const group = (port: number): ApiGroup => ({
  apiVersion: 'countersign.dev/v1alpha1',
  kind: 'ApiGroup',
  metadata: { namespace: 'shop', name: 'orders' },
  spec: {
    hostnames: ['api.example.com'],
    basePath: '/orders',
    errors: 'Vendor',
    verification: { dialects: ['JDCloud'] },
    backend: { type: 'URL', url: `http://127.0.0.1:${String(port)}` },
    environments: [
      { name: 'release', state: 'Released', default: true, match: { type: 'PathPrefix', value: 'release' } },
    ],
    apis: [{ name: 'get', match: { path: { type: 'Exact', value: '/get' } } }],
  },
});

let table: Table;
let envoys: Plane;
let controller: Controller;
let metrics: Metrics;
beforeEach(() => {
  jest.useFakeTimers({ now: 1_000_000 });
  table = buildTable({ callerKeys: [], groups: [], grants: [], plans: [] });
  metrics = createMetrics();
  envoys = createPlane({ onNode: (event) => controller.onNode('envoy', event) });
  controller = createController({
    context: {
      services: new Map(),
      clusterDomain: 'cluster.local',
      allowedBackendHosts: 'Any',
      hostnameClaims: [],
    },
    renderOptions: {
      http: { address: '127.0.0.1', port: 8080 },
      https: undefined,
      authz: { timeoutMs: 500 },
      trustedHops: 0,
      caBundlePath: '/etc/ca.pem',
    },
    keyState: { complete: (resources) => Promise.resolve(resources) },
    authorizers: createLocalAuthorizers({
      setModel: (model) => void (table = buildTable(model, table)),
      dropRetired: () => void (table = dropRetired(table)),
    }),
    envoys,
    limiter: { mode: 'Single', health: () => ({ healthy: true, message: '' }) },
    nodeLossMs: 600_000,
    metrics,
    log: silentLogger,
    clock: () => Date.now(),
    onChange: () => undefined,
  });
});
afterEach(async () => {
  await controller.close();
  envoys.endStreams();
  jest.useRealTimers();
});

/** Sets the backend, and answers the route to it. */
async function route(port: number): Promise<string> {
  controller.setResources(createResourceSet([group(port)]));
  await jest.advanceTimersByTimeAsync(1000);
  return must(controller.model.groups[0]?.environments[0]).route.id;
}
const has = (id: string): boolean => table.routes.get(id) !== undefined;

/** An Envoy that subscribes, and answers nothing. */
function connectEnvoy(): EventEmitter {
  const call = Object.assign(new EventEmitter(), { write: () => true, end: () => undefined });
  const [first, ...others] = [CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE].map((typeUrl) =>
    create(DeltaDiscoveryRequestSchema, { typeUrl, node: { id: 'ours' } }),
  );
  envoys.serve(call as unknown as DeltaCall, { address: '', subjectAltNames: [] }, must(first));
  for (const each of others) call.emit('data', each);
  return call;
}

describe('routes that only an Envoy of somebody else can have, which never connects,', () => {
  test('are dropped a minute after the last change', async () => {
    controller.onLeading(undefined);
    const first = await route(1);
    const second = await route(2);
    await jest.advanceTimersByTimeAsync(30_000);
    const third = await route(3);
    expect(new Set([first, second, third]).size).toBe(3);
    await jest.advanceTimersByTimeAsync(55_000);
    expect([first, second, third].map(has)).toEqual([true, true, true]);
    await jest.advanceTimersByTimeAsync(6_000);
    expect([first, second, third].map(has)).toEqual([false, false, true]);
  });

  test('are kept by a replica that does not lead, or does not any more', async () => {
    const first = await route(1);
    await route(2);
    await jest.advanceTimersByTimeAsync(120_000);
    expect(has(first)).toBe(true);
    controller.onLeading(undefined);
    await jest.advanceTimersByTimeAsync(50_000);
    controller.onStandby();
    await jest.advanceTimersByTimeAsync(120_000);
    expect(has(first)).toBe(true);
  });

  test('are kept while an Envoy is there, or expected, that has not said what it holds', async () => {
    controller.onLeading(undefined);
    const first = await route(1);
    await route(2);
    await jest.advanceTimersByTimeAsync(50_000);
    const call = connectEnvoy();
    await jest.advanceTimersByTimeAsync(120_000);
    expect(has(first)).toBe(true);
    call.emit('cancelled');
    await jest.advanceTimersByTimeAsync(61_000);
    expect(has(first)).toBe(false);

    controller.onLeading(JSON.stringify({ envoy: ['ours'], authorizer: [] }));
    await route(3);
    await route(4);
    const [kept] = [...table.routes.kept.keys()];
    await jest.advanceTimersByTimeAsync(120_000);
    expect(has(must(kept))).toBe(true);
  });
});

test('the time of a change is counted from its write, not from when a stalled watch brought it', async () => {
  const sum = async () =>
    Number(/countersign_propagation_duration_seconds_sum (\S+)/.exec(await metrics.render())?.[1]);
  controller.onLeading(undefined);
  controller.setResources(createResourceSet([group(1)]), Date.now() - 5000);
  await jest.advanceTimersByTimeAsync(1000);
  const delayed = await sum();
  expect(delayed).toBeGreaterThanOrEqual(5);
  expect(delayed).toBeLessThan(6.1);
  // By a clock that runs ahead of ours.
  controller.setResources(createResourceSet([group(2)]), Date.now() + 5000);
  await jest.advanceTimersByTimeAsync(1000);
  expect((await sum()) - delayed).toBeGreaterThanOrEqual(0);
  expect((await sum()) - delayed).toBeLessThan(1.1);
});
