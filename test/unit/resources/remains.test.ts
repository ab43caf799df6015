import { describe, expect, test } from '@jest/globals';
import { remainsOf } from '../../../src/resources/remains.js';

type Fields = Readonly<Record<string, unknown>>;

const object = (kind: string, spec: unknown, metadata: Fields = { name: 'a', namespace: 'shop' }) => ({
  apiVersion: 'countersign.dev/v1alpha1',
  kind,
  metadata,
  spec,
});

describe('of a plan', () => {
  const keys = {
    refs: [{ name: 'app', namespace: 'mobile' }],
    ids: [{ keyID: 'AK1', namespace: 'x' }, { pairID: 'P' }],
  };
  const targets = [{ apiGroup: 'orders', environment: 'release', apis: ['list'] }];
  const remains = (spec: unknown) => remainsOf(object('UsagePlan', spec));

  test('its bindings remain, whatever else is wrong with it', () => {
    expect(remains({ rateLimits: 'many', typo: 1, keys, targets })).toEqual({
      kind: 'UsagePlan',
      namespace: 'shop',
      name: 'a',
      keys,
      targets,
    });
    const selector = { matchLabels: { tier: 'gold' } };
    expect(remains({ keys: { selector }, targets })).toMatchObject({ keys: { selector } });
  });

  test.each<[string, unknown]>([
    ['missing', undefined],
    ['empty', {}],
    ['text', 'app'],
    ['misspelt', { ref: [{ name: 'app' }] }],
    ['misspelt beside others', { refs: [{ name: 'app' }], id: [] }],
    ['without a name', { refs: [{ namespace: 'mobile' }] }],
    ['with a misspelt namespace', { refs: [{ name: 'app', nmespace: 'mobile' }] }],
    ['with a number for an id', { ids: [{ keyID: 7 }] }],
    ['with two ids in one', { ids: [{ keyID: 'a', pairID: 'b' }] }],
    ['with a label that is a number', { selector: { matchLabels: { tier: 1 } } }],
    ['with no labels', { selector: {} }],
  ])('keys that are %s stand for every key', (_, unreadable) => {
    expect(remains({ keys: unreadable, targets })).toMatchObject({ keys: undefined, targets });
  });

  test('each unreadable part of a target stands for all that it could name', () => {
    const first = (target: unknown) => (remains({ keys, targets: [target] }) as { targets?: unknown[] }).targets?.[0];
    expect(first({ apiGroup: 'orders', enviroment: 'release', apis: ['list'] })).toEqual({
      apiGroup: 'orders',
      environment: undefined,
      apis: ['list'],
    });
    expect(first({ apiGroup: 'orders', environment: 'release', apis: 'list' })).toMatchObject({ apis: undefined });
    expect(first({ apigroup: 'orders', environment: 'release', apis: ['*'] })).toBeUndefined();
    for (const unreadable of [undefined, [], 'orders', [{}], [...targets, 7]])
      expect(remains({ keys, targets: unreadable })).toMatchObject({ targets: undefined });
  });

  test('a spec that cannot be read at all stands for every key and every group', () => {
    for (const spec of [undefined, null, 7, []])
      expect(remains(spec)).toMatchObject({ kind: 'UsagePlan', keys: undefined, targets: undefined });
  });

  test('one that its owner disabled binds nothing', () => {
    expect(remains({ state: 'Disabled', keys, targets })).toBeUndefined();
  });

  test('a name that no object can have is replaced by one that can', () => {
    for (const name of [undefined, 7, '', 'a/b', 'A B'])
      expect(remainsOf(object('UsagePlan', { keys, targets }, { name, namespace: 'shop' }))).toMatchObject({
        name: expect.stringMatching(/^unnamed-[0-9a-f]{16}$/) as unknown,
      });
  });
});

describe('of a group', () => {
  const remains = (spec: Fields) => remainsOf(object('ApiGroup', spec));

  test('its hosts and its base path remain', () => {
    const environments = [
      { match: { type: 'Hostname', value: 'canary.example.com' } },
      7,
      { match: { type: 'Header' } },
    ];
    expect(remains({ hostnames: ['API.example.com', 7, 'a b'], basePath: '/orders', environments })).toEqual({
      kind: 'ApiGroup',
      namespace: 'shop',
      name: 'a',
      createdMs: undefined,
      hostnames: ['api.example.com', 'canary.example.com'],
      unreadHostnames: true,
      basePath: '/orders',
    });
  });

  test.each([
    ['orders', '/orders'],
    ['/orders/', '/orders'],
    ['//orders//v1', '/orders/v1'],
    ['', '/'],
    [undefined, '/'],
  ])('a base path of %j is held as %j', (basePath, held) => {
    expect(remains({ hostnames: ['api.example.com'], basePath })).toMatchObject({ basePath: held });
  });

  const orders = { basePath: '/orders' };
  test.each<[string, Fields, readonly string[]]>([
    ['no hosts', orders, []],
    ['a misspelt field', { ...orders, hostname: ['api.example.com'] }, ['api.example.com']],
    ['a misspelt field that holds text', { ...orders, hostName: 'api.example.com' }, ['api.example.com']],
    ['an empty list', { ...orders, hostnames: [] }, []],
    ['a list that is none', { ...orders, hostnames: { api: 1 } }, []],
    ['one that is no host', { ...orders, hostnames: ['api.example.com', 'a b'] }, ['api.example.com']],
  ])('with %s may have meant every host', (_, spec, hostnames) => {
    expect(remains(spec)).toMatchObject({ basePath: '/orders', hostnames, unreadHostnames: true });
  });

  test('hosts with a port or as a URL are read as hosts', () => {
    const hostnames = ['localhost:8080', 'https://API.example.com/', 'http://www.example.com:80'];
    expect(remains({ ...orders, hostnames })).toEqual({
      ...{ kind: 'ApiGroup', namespace: 'shop', name: 'a', createdMs: undefined, basePath: '/orders' },
      hostnames: ['localhost', 'api.example.com', 'www.example.com'],
    });
  });

  test('a misspelt base path is held', () => {
    expect(remains({ hostnames: ['a.example.com'], basepath: '/orders' })).toMatchObject(orders);
    expect(remains({ hostnames: ['a.example.com'], basePth: '/orders' })).toMatchObject(orders);
  });

  test.each<[string, Fields]>([
    ['base path that a request can have', { hostnames: ['api.example.com'], basePath: '/a b' }],
    ['base path without dot segments', { hostnames: ['api.example.com'], basePath: '/a/../b' }],
    ['base path in text', { hostnames: ['api.example.com'], basePath: 7 }],
  ])('without a %s nothing remains', (_, spec) => {
    expect(remains(spec)).toBeUndefined();
  });
});

test('kinds that refuse by being absent leave nothing', () => {
  for (const kind of ['SignatureKey', 'Authorization', 'Other']) expect(remainsOf(object(kind, {}))).toBeUndefined();
  for (const raw of [undefined, null, 7, [], {}]) expect(remainsOf(raw)).toBeUndefined();
});
