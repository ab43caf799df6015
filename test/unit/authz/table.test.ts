import { describe, expect, test } from '@jest/globals';
import { buildTable, dropRetired } from '../../../src/authz/table/table.js';
import type { Model } from '../../../src/model/model.js';
import { createGate } from '../../support/authz/authz-check.js';
import { APP, EVERYTHING, fixture, GRANT, SIGNED } from '../../support/authz/authz-fixture.js';
import { buildModel, type ApiInput } from '../../support/authz/authz-model.js';

const ORDERS: ApiInput = { name: 'orders', path: { type: 'Prefix', value: '/orders' } };
const ITEMS: ApiInput = { name: 'items', path: { type: 'Prefix', value: '/items' } };
const statusOf = async (gate: ReturnType<typeof createGate>, target: string, route: string) => {
  const decision = await gate.send({ target, route, ...SIGNED });
  return decision.outcome === 'allow' ? 200 : `${decision.status} ${decision.reason}`;
};

describe('make before break', () => {
  const gate = createGate(fixture({ apis: [ORDERS, ITEMS] }));
  const moved = buildModel(fixture({ apis: [{ ...ORDERS, route: 'orders-new-backend' }, ITEMS] }));

  test('an API that moved is accepted over its old and its new route until the old ones are dropped', async () => {
    expect(await statusOf(gate, '/orders/release/orders/1', 'orders-new-backend')).toBe('503 route_mismatch');
    gate.table = buildTable(moved, gate.table);
    expect(await statusOf(gate, '/orders/release/orders/1', 'orders-release')).toBe(200);
    expect(await statusOf(gate, '/orders/release/orders/1', 'orders-new-backend')).toBe(200);
    gate.table = dropRetired(gate.table);
    expect(await statusOf(gate, '/orders/release/orders/1', 'orders-release')).toBe('503 route_mismatch');
    expect(await statusOf(gate, '/orders/release/orders/1', 'orders-new-backend')).toBe(200);
    expect(await statusOf(gate, '/orders/release/items/1', 'orders-new-backend')).toBe('503 route_mismatch');
  });

  test('a retired route is judged by the new settings, through several changes', async () => {
    const model = buildModel(fixture());
    const route = model.groups[0]!.environments[0]!.route.id;
    let table = buildTable(model);
    table = buildTable(
      buildModel(
        fixture({ group: { environments: [{ name: 'release', default: true, route: 'second', apis: [EVERYTHING] }] } }),
      ),
      table,
    );
    table = buildTable(
      buildModel(
        fixture({
          grants: [],
          group: { environments: [{ name: 'release', default: true, route: 'third', apis: [EVERYTHING] }] },
        }),
      ),
      table,
    );
    const late = createGate(fixture());
    late.table = table;
    expect([
      table.routes.get(route)?.retired,
      table.routes.get('second')?.retired,
      table.routes.get('third')?.retired,
    ]).toEqual([true, true, false]);
    expect(await statusOf(late, '/orders/release/x', route)).toBe('403 not_authorized');
  });

  test('of a route that others have under more names, those are accepted too, also of one that is known here', () => {
    const before = buildTable(buildModel(fixture({ apis: [ORDERS] })));
    const { route } = before.routes.get('orders-release')!;
    const retired = [{ route, apis: new Set(['orders', 'items']), retired: true }];
    const after = buildTable(buildModel({ callerKeys: [APP] }), before, retired);
    expect(after.routes.get('orders-release')).toMatchObject({ apis: new Set(['orders', 'items']), retired: true });
    const same = buildTable(before.model, before, retired);
    expect(same.routes.get('orders-release')).toMatchObject({ apis: new Set(['orders', 'items']), retired: false });
  });

  test('routes of a group that is gone answer 404, those of an environment that is gone too', async () => {
    const late = createGate(fixture());
    const before = late.table;
    late.table = buildTable(buildModel({ callerKeys: [APP] }), before);
    expect(await statusOf(late, '/orders/release/x', 'orders-release')).toBe('404 not_found');
    late.table = buildTable(
      buildModel(fixture({ group: { environments: [{ name: 'test', apis: [EVERYTHING] }] } })),
      before,
    );
    expect(await statusOf(late, '/orders/release/x', 'orders-release')).toBe('404 unknown_environment');
    late.table = dropRetired(late.table);
    expect(await statusOf(late, '/orders/release/x', 'orders-release')).toBe('503 route_mismatch');
  });
});

describe('an edit costs what it touches', () => {
  const model: Model = buildModel({
    callerKeys: [APP],
    grants: [GRANT],
    groups: [...fixture().groups!, { key: 'team/other', environments: [] }],
  });
  const edited = { ...model.groups[1]!, basePath: '/other' };
  const before = buildTable(model);
  const after = buildTable({ ...model, groups: [model.groups[0]!, edited] }, before);

  test('an unchanged group keeps its compiled form, a changed one is compiled again', () => {
    expect(after.groups.get('team/orders')).toBe(before.groups.get('team/orders'));
    expect(after.groups.get('team/other')).not.toBe(before.groups.get('team/other'));
  });
  test('unchanged keys, grants and plans keep their indexes', () => {
    expect([after.keysById === before.keysById, after.grants === before.grants, after.plans === before.plans]).toEqual([
      true,
      true,
      true,
    ]);
    expect(buildTable({ ...model, grants: [] }, before).grants).not.toBe(before.grants);
  });
  test('the table that was built from does not change', () => {
    expect(before.groups.get('team/other')?.group.basePath).toBe('/');
  });
});

test('10,000 keys with a grant each and 10,000 APIs in 100 groups build in under a second', () => {
  const groups = Array.from({ length: 100 }, (_, g) => ({
    key: `team/g${g}`,
    basePath: `/g${g}`,
    environments: [
      {
        name: 'release',
        apis: Array.from({ length: 100 }, (_, a): ApiInput => ({
          name: `a${a}`,
          path: { type: 'Exact', value: `/a${a}` },
        })),
      },
    ],
  }));
  const callerKeys = Array.from({ length: 10_000 }, (_, k) => ({ key: `caller/k${k}`, keyId: `AK${k}`, secret: 's' }));
  const grants = callerKeys.map(({ key }, k) => ({
    key: `team/grant${k}`,
    callerKeys: [key],
    targets: [{ group: `team/g${k % 100}`, environment: 'release', apis: '*' as const }],
  }));
  const model = buildModel({ callerKeys, groups, grants });
  const started = performance.now();
  const table = buildTable(model);
  expect(performance.now() - started).toBeLessThan(1000);
  expect(table.grants.matches('caller/k142', 'team/g42', 'release', 'a1')).toHaveLength(1);
  expect(table.grants.matches('caller/k142', 'team/g43', 'release', 'a1')).toEqual([]);
});
