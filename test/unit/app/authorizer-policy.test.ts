import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPolicyClient, type PolicyClient } from '../../../src/app/authorizer/authorizer-policy.js';
import type { Model } from '../../../src/model/model.js';
import type { Epoch } from '../../../src/policy/decode.js';
import { encodePolicy } from '../../../src/policy/encode.js';
import { policySnapshot, summarize } from '../../../src/policy/epoch.js';
import { EPOCH_TYPE, POLICY_RESOURCE_TYPES } from '../../../src/policy/resource-types.js';
import { PolicyStaging } from '../../../src/policy/staging.js';
import { silentLogger } from '../../../src/telemetry/logger.js';
import { createAdsListener, type AdsListener } from '../../../src/xds/server/ads-server.js';
import { createPlane, type NodeEvent, type Plane } from '../../../src/xds/server/plane.js';
import { buildModel } from '../../support/authz/authz-model.js';
import { eventually } from '../../support/eventually.js';

const LEAVE_WITHIN_MS = 2_000;

let folder: string;
let socketPath: string;
let plane: Plane;
let listener: AdsListener | undefined;
let events: NodeEvent[];
let applied: { readonly model: Model; readonly epoch: Epoch }[];
let staging: PolicyStaging;
let client: PolicyClient;
let failing: boolean;

/** `count` keys in namespace `team`. */
const keys = (count: number, prefix = 'k'): Model =>
  buildModel({
    callerKeys: Array.from({ length: count }, (_, i) => ({
      key: `team/${prefix}${i}`,
      keyId: `AK${prefix}${i}`,
      secret: `secret-of-${prefix}${i}`.padEnd(600, 'x'),
    })),
  });

function push(model: Model, revision: number, change: Partial<Epoch> = {}): void {
  const content = encodePolicy(model);
  plane.setSnapshot(
    policySnapshot(content, { ...summarize(content), revision, authorizers: 1, routesHeld: false, ...change }),
  );
}

/** Without a policy it has an empty snapshot, as no leader has: what a client that comes at once holds is removed. */
async function startController(model?: Model, revision = 1): Promise<void> {
  plane = createPlane({ types: POLICY_RESOURCE_TYPES, onNode: (event) => void events.push(event) });
  if (model) push(model, revision);
  listener = createAdsListener({ planes: [plane] });
  await listener.listen(`unix:${socketPath}`);
}
async function stopController(): Promise<void> {
  await listener?.close();
  listener = undefined;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cs-'));
  socketPath = join(folder, 'xds.sock');
  events = [];
  applied = [];
  failing = false;
  staging = new PolicyStaging();
  client = createPolicyClient({
    controller: { socketPath },
    nodeId: 'authorizer-0',
    version: '1.2.3',
    staging,
    onPolicy: (model, epoch) => {
      if (failing) throw new Error('boom');
      applied.push({ model, epoch });
    },
    log: silentLogger,
    backoff: { initialMs: 10, maxMs: 50 },
    leaveWithinMs: LEAVE_WITHIN_MS,
  });
});
afterEach(async () => {
  await client.close();
  await stopController();
  await rm(folder, { recursive: true, force: true });
});

const revisions = (): number[] => applied.map(({ epoch }) => epoch.revision);
const rejections = () => events.flatMap((event) => (event.type === 'rejected' ? [event] : []));
const epochAcks = () => events.filter((event) => event.type === 'acknowledged' && event.typeUrl === EPOCH_TYPE);

describe('an authorizer', () => {
  test('waits for a controller, then takes its policy and acknowledges the epoch', async () => {
    client.start();
    await startController();
    push(keys(2), 1);
    await eventually(() => expect(revisions()).toEqual([1]));
    expect(applied[0]!.model.callerKeys.map(({ keyId }) => keyId)).toEqual(['AKk0', 'AKk1']);
    await eventually(() => expect(epochAcks()).toHaveLength(1));
    expect(plane.holders([EPOCH_TYPE])).toMatchObject([
      { id: 'authorizer-0', metadata: { version: '1.2.3', revision: 0 } },
    ]);
  });

  test('takes thousands of keys over many responses and never serves a part of them', async () => {
    await startController();
    push(keys(5000), 1);
    client.start();
    await eventually(() => expect(revisions()).toEqual([1]));
    expect(applied[0]!.model.callerKeys).toHaveLength(5000);
  });

  test('keeps what it has while the controller is away, and takes a later change', async () => {
    await startController();
    push(keys(3), 1);
    client.start();
    await eventually(() => expect(revisions()).toEqual([1]));
    await stopController();
    await eventually(() => expect(client.connected).toBe(false));
    await startController(keys(2), 5);
    await eventually(() => expect(revisions()).toEqual([1, 5]));
    expect(applied[1]!.model.callerKeys[0]).toBe(applied[0]!.model.callerKeys[0]);
    expect(plane.nodes).toMatchObject([{ metadata: { revision: 1 } }]);
  });

  test('refuses a controller with a lower revision and goes on with what it has', async () => {
    await startController();
    push(keys(1), 10);
    client.start();
    await eventually(() => expect(revisions()).toEqual([10]));
    push(keys(2), 9);
    await eventually(() =>
      expect(rejections()).toMatchObject([{ typeUrl: EPOCH_TYPE, error: expect.stringContaining('lower than 10') }]),
    );
    expect(revisions()).toEqual([10]);
    push(keys(2), 11);
    await eventually(() => expect(revisions()).toEqual([10, 11]));
  });

  test('starts again from nothing when content and epoch do not agree', async () => {
    await startController();
    push(keys(2), 1);
    client.start();
    await eventually(() => expect(revisions()).toEqual([1]));
    push(keys(3), 2, { hash: 'something else' });
    await eventually(() => expect(events.filter(({ type }) => type === 'connected').length).toBeGreaterThan(1));
    push(keys(3), 3);
    await eventually(() => expect(revisions()).toEqual([1, 3]));
    expect(applied[1]!.model.callerKeys).toHaveLength(3);
  });

  test('refuses an epoch that it fails to take into use', async () => {
    await startController();
    failing = true;
    push(keys(1), 1);
    client.start();
    await eventually(() => expect(rejections()).toMatchObject([{ error: 'internal error' }]));
    failing = false;
    push(keys(1), 2);
    await eventually(() => expect(revisions()).toEqual([2]));
  });

  test('leaves a replica that stops to lead, and says goodbye only when it ends itself', async () => {
    await startController();
    push(keys(1), 1);
    client.start();
    await eventually(() => expect(revisions()).toEqual([1]));
    const goodbyes = () => events.flatMap((event) => (event.type === 'disconnected' ? [event.goodbye] : []));
    listener?.setServing(false);
    await eventually(() => expect(client.connected).toBe(false));
    expect(goodbyes()).toEqual([false]);
    listener?.setServing(true);
    await eventually(() => expect(client.connected).toBe(true));
    await client.close();
    await eventually(() => expect(goodbyes()).toEqual([false, true]));
  });

  test('does not come back after its goodbye, however soon the controller ends the stream', async () => {
    await startController();
    push(keys(1), 1);
    client.start();
    await eventually(() => expect(revisions()).toEqual([1]));
    const connections = () => events.filter(({ type }) => type === 'connected').length;
    await client.close();
    expect(connections()).toBe(1);
  });

  test('that ends between two leaders says goodbye to the next one', async () => {
    await startController();
    push(keys(1), 1);
    client.start();
    await eventually(() => expect(revisions()).toEqual([1]));
    listener?.setServing(false);
    await eventually(() => expect(client.connected).toBe(false));
    const closed = client.close();
    const before = events.length;
    listener?.setServing(true);
    await closed;
    await eventually(() =>
      expect(events.slice(before)).toContainEqual(expect.objectContaining({ type: 'disconnected', goodbye: true })),
    );
    expect(plane.nodes).toEqual([]);
  });

  test.each([
    ['no replica takes the lead', () => listener?.setServing(false), LEAVE_WITHIN_MS],
    ['no controller is there any more', stopController, 0],
  ])('that ends when %s ends all the same', async (_, leave, waitsMs) => {
    await startController();
    push(keys(1), 1);
    client.start();
    await eventually(() => expect(revisions()).toEqual([1]));
    await leave();
    await eventually(() => expect(client.connected).toBe(false));
    const startedMs = performance.now();
    await client.close();
    const tookMs = performance.now() - startedMs;
    expect(tookMs).toBeGreaterThanOrEqual(waitsMs - 10);
    expect(tookMs).toBeLessThan(waitsMs + LEAVE_WITHIN_MS * 0.9);
  });

  test('that never had a policy is expected by nobody and ends at once', async () => {
    client.start();
    const startedMs = performance.now();
    await client.close();
    expect(performance.now() - startedMs).toBeLessThan(LEAVE_WITHIN_MS / 2);
  });
});
