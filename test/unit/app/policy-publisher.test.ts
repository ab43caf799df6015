import { beforeEach, describe, expect, test } from '@jest/globals';
import { createPolicyPublisher, type PolicyPublisher } from '../../../src/app/controller/policy-publisher.js';
import { buildTable, type Table } from '../../../src/authz/table/table.js';
import type { Model } from '../../../src/model/model.js';
import { decodeEpoch, type Epoch } from '../../../src/policy/decode.js';
import { encodePolicy } from '../../../src/policy/encode.js';
import { CONTENT_TYPES, EPOCH_TYPE, POLICY_RESOURCE_TYPES } from '../../../src/policy/resource-types.js';
import { createPlane, type Plane } from '../../../src/xds/server/plane.js';
import { buildModel } from '../../support/authz/authz-model.js';

/** A group whose APIs are under these routes. */
const model = (routes: Readonly<Record<string, string>>): Model =>
  buildModel({
    groups: [
      {
        key: 'team/orders',
        environments: [
          {
            name: 'release',
            default: true,
            apis: Object.entries(routes).map(([name, route]) => ({
              name,
              route,
              path: { type: 'Exact', value: `/${name}` },
            })),
          },
        ],
      },
    ],
  });

let plane: Plane;
let nowMs: number;
let leads: boolean;
let publisher: PolicyPublisher;
beforeEach(() => {
  plane = createPlane({ types: POLICY_RESOURCE_TYPES });
  nowMs = 1_000_000;
  leads = true;
  publisher = createPolicyPublisher({ plane, clock: () => nowMs, isLeader: () => leads });
});

const set = (next: Model) => publisher.setModel(next, encodePolicy(next));
function epoch(): Epoch {
  const bytes = plane.snapshot.resources.get(EPOCH_TYPE)!.get('epoch')!.resource.value;
  const decoded = decodeEpoch(bytes, CONTENT_TYPES);
  if (!decoded.ok) throw new Error(decoded.error);
  return decoded.value;
}
const retired = () =>
  epoch()
    .retired!.map(({ route, apis }) => `${route.id}: ${apis.join()}`)
    .sort();
/** Of an authorizer that has only just started. */
const freshTable = (next: Model): Table =>
  buildTable(
    next,
    undefined,
    epoch().retired!.map(({ route, apis }) => ({ route, apis: new Set(apis), retired: true })),
  );

describe('a route that Envoys may still have', () => {
  test('is known to an authorizer that starts after the change, until every Envoy has the new ones', () => {
    set(model({ list: 'first', item: 'first' }));
    expect(retired()).toEqual([]);
    const changed = model({ list: 'second', item: 'second' });
    set(changed);
    expect(retired()).toEqual(['first: item,list']);
    expect(freshTable(changed).routes.get('first')).toMatchObject({
      retired: true,
      route: { group: 'team/orders', environment: 'release' },
    });
    set(model({ list: 'third', item: 'third' }));
    expect(retired()).toEqual(['first: item,list', 'second: item,list']);
    publisher.dropRetired();
    expect(epoch()).toMatchObject({ routesHeld: true, retired: [] });
    set(changed);
    expect(retired()).toEqual(['third: item,list']);
  });

  test('keeps the names of APIs that went to another one', () => {
    set(model({ list: 'first', item: 'first' }));
    const changed = model({ list: 'first', item: 'second' });
    set(changed);
    expect(retired()).toEqual(['first: item,list']);
    expect(freshTable(changed).routes.get('first')).toMatchObject({ retired: false, apis: new Set(['list', 'item']) });
    set(model({ list: 'first', item: 'first' }));
    expect(retired()).toEqual(['second: item']);
  });

  test('is forgotten after a minute by a replica that does not lead', () => {
    leads = false;
    set(model({ list: 'first' }));
    set(model({ list: 'second' }));
    nowMs += 60_001;
    set(model({ list: 'third' }));
    leads = true;
    publisher.lead();
    expect(retired()).toEqual(['second: list']);
  });

  describe('is kept for a minute from when it went, by a replica that does not lead,', () => {
    const lead = (): readonly string[] => {
      leads = true;
      publisher.lead();
      return retired();
    };
    beforeEach(() => {
      leads = false;
      set(model({ list: 'first', item: 'first' }));
      set(model({ list: 'first' }));
    });

    test('though an API went from it more than a minute before', () => {
      nowMs += 120_000;
      set(model({ list: 'second' }));
      expect(lead()).toEqual(['first: list']);
    });

    test('though an API went from it less than a minute before', () => {
      nowMs += 50_000;
      set(model({ list: 'second' }));
      nowMs += 50_000;
      set(model({ list: 'third' }));
      expect(lead()).toEqual(['first: item,list', 'second: list']);
    });

    test('and so is an API that goes when another comes back', () => {
      nowMs += 50_000;
      set(model({ item: 'first' }));
      nowMs += 50_000;
      set(model({ item: 'first', more: 'first' }));
      expect(lead()).toEqual(['first: item,list,more']);
    });
  });
});

describe('the revision', () => {
  test('goes beyond what a node has seen, but not to a number that no later one is above', () => {
    set(model({ list: 'first' }));
    const seen = publisher.revision + 5_000_000;
    publisher.adopt(seen);
    expect(publisher.revision).toBeGreaterThan(seen);
    const before = publisher.revision;
    for (const told of [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 2_000_000, Number.NaN, Infinity])
      publisher.adopt(told);
    expect(publisher.revision).toBe(before);
  });
});
