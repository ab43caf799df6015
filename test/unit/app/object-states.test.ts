import { describe, expect, test } from '@jest/globals';
import { ObjectStates } from '../../../src/app/controller/object-states.js';
import type { Api, Environment, Group } from '../../../src/model/model.js';
import { encodePolicy } from '../../../src/policy/encode.js';
import { buildModel, type ModelInput } from '../../support/authz/authz-model.js';

const OBJECTS = new Map(
  [
    ['SignatureKey', 'caller'],
    ['SignatureKey', 'backend'],
    ['ApiGroup', 'orders'],
    ['ApiGroup', 'items'],
    ['Authorization', 'grant'],
  ].map(([kind = '', name = '']) => [`${kind}/team/${name}`, { object: { kind, namespace: 'team', name } }] as const),
);

const input = (
  change: { secret?: string; backendSecret?: string; basePath?: string; endpoint?: string } = {},
): ModelInput => ({
  callerKeys: [{ key: 'team/caller', keyId: 'AK', secret: change.secret ?? 'secret-1' }],
  groups: ['orders', 'items'].map((name) => ({
    key: `team/${name}`,
    ...(name === 'orders' ? { basePath: change.basePath ?? '/' } : {}),
    backend: { id: 'same', endpoints: [{ host: (name === 'orders' && change.endpoint) || '127.0.0.1', port: 1 }] },
    backendSignature: { type: 'HMAC', key: 'team/backend', keyId: 'BK', secret: change.backendSecret ?? 'backend-1' },
    environments: [{ name: 'release', apis: [{ name: 'all', path: { type: 'Prefix', value: '/' } }] }],
  })),
  grants: [{ key: 'team/grant', callerKeys: ['team/caller'], targets: [] }],
});

function changedBy(
  change: Parameters<typeof input>[0],
  edit: (model: ReturnType<typeof buildModel>) => ReturnType<typeof buildModel> = (model) => model,
): string[] {
  const states = new ObjectStates();
  const before = buildModel(input());
  states.update(OBJECTS, before, encodePolicy(before), 1);
  const after = edit(buildModel(input(change)));
  states.update(OBJECTS, after, encodePolicy(after), 2);
  return [...OBJECTS.keys()].filter((id) => states.changedAt(id) === 2);
}

describe('an object has changed', () => {
  test('not when it was only translated again', () => {
    expect(changedBy({})).toEqual([]);
  });

  test('when its own secret, path or backend did, and nothing else has', () => {
    expect(changedBy({ secret: 'secret-2' })).toEqual(['SignatureKey/team/caller']);
    expect(changedBy({ basePath: '/orders' })).toEqual(['ApiGroup/team/orders']);
    expect(changedBy({ endpoint: '127.0.0.2' })).toEqual(['ApiGroup/team/orders']);
  });

  test('together with the groups that bind it when it is a backend key', () => {
    expect(changedBy({ backendSecret: 'backend-2' })).toEqual([
      'SignatureKey/team/backend',
      'ApiGroup/team/orders',
      'ApiGroup/team/items',
    ]);
  });

  test('not when it is a backend key and another group binds as much of it', () => {
    // One group binds two forms of the key, the other one of them.
    const model = buildModel(input());
    const [orders, items] = model.groups as [Group, Group];
    const [environment] = orders.environments as [Environment];
    const [api] = environment.apis as [Api];
    const second: Api = { ...api, name: 'second', backendSignature: { ...api.backendSignature!, dialect: 'Huawei' } };
    const both: Group = { ...orders, environments: [{ ...environment, apis: [api, second] }] };
    const states = new ObjectStates();
    const update = (groups: readonly Group[], state: number) =>
      states.update(OBJECTS, { ...model, groups }, encodePolicy({ ...model, groups }), state);
    update([both, items], 1);
    update([both], 2);
    expect(states.changedAt('SignatureKey/team/backend')).toBe(1);
    update([items], 3);
    expect(states.changedAt('SignatureKey/team/backend')).toBe(3);
  });

  test('when it grants nothing any more', () => {
    expect(changedBy({}, (model) => ({ ...model, grants: [] }))).toEqual(['Authorization/team/grant']);
  });

  test('for a node that held a state before it, not for one that held its own', () => {
    const states = new ObjectStates();
    const before = buildModel(input());
    states.update(OBJECTS, before, encodePolicy(before), 1);
    const after = buildModel(input({ secret: 'secret-2' }));
    states.update(OBJECTS, after, encodePolicy(after), 2);
    expect(states.changedAfter(1)).toEqual(['SignatureKey/team/caller']);
    expect(states.changedAfter(2)).toEqual([]);
  });

  test('always, as long as nobody has looked at it', () => {
    expect(new ObjectStates().changedAt('ApiGroup/team/new')).toBe(Number.MAX_SAFE_INTEGER);
  });
});
