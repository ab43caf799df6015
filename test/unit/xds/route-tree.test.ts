import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compileApis } from '../../../src/authz/table/api-matcher.js';
import type { Environment } from '../../../src/model/model.js';
import { hostsOf, type Entry, type Host } from '../../../src/xds/render/routes/mounts.js';
import { templateRegex } from '../../../src/xds/render/routes/regex.js';
import { routeTree, type Leaf } from '../../../src/xds/render/routes/route-tree.js';
import { buildModel, type ApiInput, type GroupInput } from '../../support/envoy/xds-model.js';

interface Request {
  readonly path: string;
  readonly method?: string;
  readonly stage?: string;
}

/** What Envoy does with the leaves: longest key, then the first entry that matches, and no way back. */
function pick(leaves: readonly Leaf[], { path, method = 'GET', stage }: Request): string | undefined {
  const leaf = leaves.filter(({ key }) => path.startsWith(key)).sort((a, b) => b.key.length - a.key.length)[0];
  const bare = path.split('?')[0]!;
  const found = leaf?.entries.find(
    (entry) => matchesPath(entry, bare) && matchesMethod(entry, method) && matchesStage(entry, stage),
  );
  if (!found) return undefined;
  return found.target.type === 'Route' ? found.target.route.id : found.target.id;
}

function matchesPath({ path: rule }: Entry, path: string): boolean {
  if (rule.type === 'Exact') return path === rule.value;
  if (rule.type === 'Template') return new RegExp(`^(?:${templateRegex(rule.segments)})$`).test(path);
  return rule.value === '/' || path === rule.value || path.startsWith(`${rule.value}/`);
}

const matchesMethod = ({ methods }: Entry, method: string): boolean =>
  methods === 'All' || (methods === 'AllButOptions' ? method !== 'OPTIONS' : methods.includes(method));

const matchesStage = ({ stage: rule }: Entry, stage: string | undefined): boolean =>
  rule.type === 'Any' || (rule.type === 'Present' ? stage !== undefined : stage === rule.value);

const BACKENDS = Object.fromEntries(['main', 'one', 'two', 'three'].map((id) => [id, { endpoints: ['127.0.0.1:1'] }]));

function hostOf(groups: readonly GroupInput[], hostname = 'api.example.com'): Host {
  const host = hostsOf(buildModel({ backends: BACKENDS, groups })).find(({ hostnames }) =>
    hostnames.includes(hostname),
  );
  if (!host) throw new Error(`no host ${hostname}`);
  return host;
}

const id = (environment: string, backend: string, group = 'shop/orders'): string =>
  `${group} ${environment} ${backend} 4096 15000`;

const group = (apis: readonly ApiInput[], rest: Partial<GroupInput> = {}): GroupInput => ({
  key: 'shop/orders',
  hostnames: ['api.example.com'],
  basePath: '/orders',
  environments: [
    {
      name: 'release',
      default: true,
      match: { type: 'PathPrefix', value: 'release' },
      route: { backend: 'main' },
      apis,
    },
  ],
  ...rest,
});

describe('a group whose APIs share one route', () => {
  test('is one leaf per mount, however many APIs it has', () => {
    const apis = Array.from({ length: 1000 }, (_, i): ApiInput => ({
      name: `a${i}`,
      path: { type: 'Exact', value: `/a${i}` },
    }));
    const leaves = routeTree(hostOf([group(apis)]));
    expect(leaves.map(({ key, entries }) => [key, entries.length])).toEqual([
      ['/orders', 1],
      ['/orders/release', 2],
    ]);
    expect(pick(leaves, { path: '/orders/release/a7' })).toBe(id('release', 'main'));
  });

  test('does not claim paths that only begin like its base path', () => {
    const leaves = routeTree(hostOf([group([])]));
    expect(pick(leaves, { path: '/orders' })).toBe(id('release', 'main'));
    expect(pick(leaves, { path: '/orders?x=1' })).toBe(id('release', 'main'));
    expect(pick(leaves, { path: '/orders/' })).toBe(id('release', 'main'));
    expect(pick(leaves, { path: '/ordersx' })).toBeUndefined();
  });
});

describe('an API with a route of its own', () => {
  const one = { backend: 'one' };

  test('takes its path and method only; the rest of the path falls back inside the leaf', () => {
    const leaves = routeTree(
      hostOf([group([{ name: 'a', path: { type: 'Exact', value: '/a' }, methods: ['POST'], route: one }])]),
    );
    expect(pick(leaves, { path: '/orders/a', method: 'POST' })).toBe(id('release', 'one'));
    expect(pick(leaves, { path: '/orders/a?q=1', method: 'POST' })).toBe(id('release', 'one'));
    expect(pick(leaves, { path: '/orders/a' })).toBe(id('release', 'main'));
    expect(pick(leaves, { path: '/orders/ab', method: 'POST' })).toBe(id('release', 'main'));
    expect(pick(leaves, { path: '/orders/a/', method: 'POST' })).toBe(id('release', 'main'));
    expect(pick(leaves, { path: '/orders/release/a', method: 'POST' })).toBe(id('release', 'one'));
  });

  test('yields to a more specific API of the common route', () => {
    const leaves = routeTree(
      hostOf([
        group([
          { name: 'all', path: { type: 'Prefix', value: '/v1' }, route: one },
          { name: 'exact', path: { type: 'Exact', value: '/v1/a' } },
          { name: 'template', path: { type: 'Template', value: '/v1/{id}/b' } },
        ]),
      ]),
    );
    expect(pick(leaves, { path: '/orders/v1/x' })).toBe(id('release', 'one'));
    expect(pick(leaves, { path: '/orders/v1/a' })).toBe(id('release', 'main'));
    expect(pick(leaves, { path: '/orders/v1/x/b' })).toBe(id('release', 'main'));
    expect(pick(leaves, { path: '/orders/v1/x/bc' })).toBe(id('release', 'one'));
  });

  test('keeps leaves short where prefixes nest a hundred deep', () => {
    const apis = Array.from({ length: 100 }, (_, i): ApiInput => ({
      name: `a${i}`,
      path: { type: 'Prefix', value: '/a'.repeat(i + 1) },
      route: i % 2 ? one : { backend: 'two' },
    }));
    const leaves = routeTree(hostOf([group(apis)]));
    expect(Math.max(...leaves.map(({ entries }) => entries.length))).toBeLessThanOrEqual(4);
  });

  test('does not grow the tree with the square of the APIs', () => {
    const apis = Array.from({ length: 1000 }, (_, i): ApiInput => ({
      name: `a${i}`,
      path: i % 2 ? { type: 'Template', value: `/{x}/t${i}` } : { type: 'Exact', value: `/e${i}` },
      route: { backend: 'one', timeoutMs: i + 1 },
    }));
    const leaves = routeTree(hostOf([group(apis)]));
    expect(leaves.reduce((sum, { entries }) => sum + entries.length, 0)).toBeLessThan(5_000);
    expect(pick(leaves, { path: '/orders/e4' })).toBe('shop/orders release one 4096 5');
    expect(pick(leaves, { path: '/orders/e4/t7' })).toBe('shop/orders release one 4096 8');
    expect(pick(leaves, { path: '/orders/release/e4/t7' })).toBe('shop/orders release one 4096 8');
    expect(pick(leaves, { path: '/orders/releasex/t7' })).toBe('shop/orders release one 4096 8');
    expect(pick(leaves, { path: '/orders/e4/t8' })).toBe(id('release', 'main'));
  });

  test('adds no leaf for its neighbours of the common route', () => {
    const apis: ApiInput[] = Array.from({ length: 500 }, (_, i) => ({
      name: `a${i}`,
      path: { type: 'Exact', value: `/a${i}` },
    }));
    const leaves = routeTree(
      hostOf([group([...apis, { name: 'own', path: { type: 'Exact', value: '/a7x' }, route: one }])]),
    );
    expect(leaves.map(({ key }) => key)).toEqual(['/orders', '/orders/a7x', '/orders/release', '/orders/release/a7x']);
  });
});

describe('environments', () => {
  const staged = group([], {
    environments: [
      { name: 'release', default: true, match: { type: 'Header', value: 'RELEASE' }, route: { backend: 'main' } },
      { name: 'test', match: { type: 'Header', value: 'TEST' }, route: { backend: 'one' } },
    ],
  });
  const unknown = 'unknown-environment:shop/orders';

  test('are chosen by X-Stage, and a stage that nobody lists reaches no environment', () => {
    const leaves = routeTree(hostOf([staged]));
    expect(pick(leaves, { path: '/orders/a' })).toBe(id('release', 'main'));
    expect(pick(leaves, { path: '/orders/a', stage: 'RELEASE' })).toBe(id('release', 'main'));
    expect(pick(leaves, { path: '/orders/a', stage: 'TEST' })).toBe(id('test', 'one'));
    for (const stage of ['test', '', 'TEST,RELEASE', 'PRE'])
      expect(pick(leaves, { path: '/orders/a', stage })).toBe(unknown);
  });

  test('without a default refuse a request that chooses none', () => {
    const environments = [
      { name: 'test', match: { type: 'PathPrefix', value: 'test' }, route: { backend: 'one' } },
    ] as const;
    const leaves = routeTree(hostOf([group([], { environments })]));
    expect(pick(leaves, { path: '/orders/test/a' })).toBe(id('test', 'one'));
    expect(pick(leaves, { path: '/orders/a' })).toBe(unknown);
    expect(pick(leaves, { path: '/orders/testing' })).toBe(unknown);
  });

  test('with a hostname of their own are reached there and only there', () => {
    const groups = [
      group([], {
        environments: [
          {
            name: 'release',
            default: true,
            match: { type: 'PathPrefix', value: 'release' },
            route: { backend: 'main' },
          },
          { name: 'test', match: { type: 'Hostname', value: 'test.example.com' }, route: { backend: 'one' } },
        ],
      }),
    ];
    expect(pick(routeTree(hostOf(groups)), { path: '/orders/a' })).toBe(id('release', 'main'));
    const onTest = routeTree(hostOf(groups, 'test.example.com'));
    expect(pick(onTest, { path: '/orders/release/a' })).toBe(id('test', 'one'));
  });
});

describe('hosts', () => {
  test('with the same mounts share one virtual host, others do not', () => {
    const hosts = hostsOf(
      buildModel({
        backends: BACKENDS,
        groups: [
          group([], { hostnames: ['b.example.com', 'a.example.com', 'c.example.com'] }),
          group([], { key: 'shop/more', basePath: '/more', hostnames: ['c.example.com'] }),
        ],
      }),
    );
    expect(hosts.map(({ hostnames }) => hostnames)).toEqual([['a.example.com', 'b.example.com'], ['c.example.com']]);
  });

  test('serve the longest base path; its refusals do not fall through to a shorter one', () => {
    const groups = [
      group([], { key: 'shop/all', basePath: '/' }),
      group([], {
        environments: [{ name: 'test', match: { type: 'PathPrefix', value: 'test' }, route: { backend: 'one' } }],
      }),
    ];
    const leaves = routeTree(hostOf(groups));
    expect(pick(leaves, { path: '/x' })).toBe(id('release', 'main', 'shop/all'));
    expect(pick(leaves, { path: '/orders/x' })).toBe('unknown-environment:shop/orders');
    expect(pick(leaves, { path: '/ordersx' })).toBe(id('release', 'main', 'shop/all'));
  });
});

describe('Envoy and the authorizer', () => {
  const word = fc.constantFrom('a', 'b', 'ab');
  const texts = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => `/${words.join('/')}`);
  const template = fc
    .array(fc.oneof(word, fc.constant('{x}')), { minLength: 1, maxLength: 3 })
    .map((words) => `/${words.map((w, i) => (w === '{x}' ? `{x${i}}` : w)).join('/')}`);
  const path = fc.oneof(
    texts.map((value) => ({ type: 'Exact' as const, value })),
    template.filter((value) => value.includes('{')).map((value) => ({ type: 'Template' as const, value })),
    fc.oneof(texts, fc.constant('/')).map((value) => ({ type: 'Prefix' as const, value })),
  );
  const methods = fc.oneof(fc.constant(undefined), fc.subarray(['GET', 'POST', 'OPTIONS'], { minLength: 1 }));
  const backend = fc.constantFrom('main', 'main', 'one', 'two');
  const apis = fc.array(fc.record({ path, methods, backend }), { maxLength: 8 });

  test('pick the same route for every path and method', () => {
    fc.assert(
      fc.property(apis, fc.constantFrom('/', '/a', '/orders'), (drawn, basePath) => {
        const inputs = drawn.map(({ path: value, methods: listed, backend: name }, i): ApiInput => ({
          name: `api${i}`,
          path: value,
          ...(listed ? { methods: listed } : {}),
          ...(name === 'main' ? {} : { route: { backend: name } }),
        }));
        const input = group(inputs, { basePath });
        const environment = buildModel({ backends: BACKENDS, groups: [input] }).groups[0]!.environments[0]!;
        const [leaves, unspread] = [routeTree(hostOf([input])), routeTree(hostOf([input]), -1_000_000)];
        for (const rest of PATHS) {
          for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
            const request = { path: (basePath === '/' ? '' : basePath) + rest, method };
            if (request.path === '') continue;
            const expected = authorizerRoute(environment, rest, method);
            if (pick(leaves, request) !== expected || pick(unspread, request) !== expected)
              expect([request, pick(leaves, request), pick(unspread, request)]).toEqual([request, expected, expected]);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  const WORDS = ['', 'a', 'b', 'ab', 'abc', 'release'];
  const PATHS = [
    '',
    ...WORDS.flatMap((a) => [`/${a}`, ...WORDS.flatMap((b) => [`/${a}/${b}`, `/${a}/${b}/a`, `/${a}/${b}/b/ab`])]),
  ];

  /** The API that the authorizer finds says which route it expects; none leaves the mount's own. */
  function authorizerRoute({ apis: known, route }: Environment, rest: string, method: string): string {
    const own = rest === '/release' || rest.startsWith('/release/') ? rest.slice('/release'.length) : rest;
    return (compileApis(known).find(own, method).found?.api.route ?? route).id;
  }
});
