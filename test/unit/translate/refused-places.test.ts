/** What an error refuses keeps its place: its requests are answered 503, never by something broader. */
import { describe, expect, test } from '@jest/globals';
import { checkObject } from '../../../src/api/schema.js';
import { compileApis } from '../../../src/authz/table/api-matcher.js';
import type { Api, Model } from '../../../src/model/model.js';
import type { GroupRemains } from '../../../src/resources/remains.js';
import { createResourceSet, withRemains } from '../../../src/resources/resource-set.js';
import { translate } from '../../../src/translate/translate.js';
import { hostsOf } from '../../../src/xds/render/routes/mounts.js';
import { apiGroup } from '../../support/resources/resources.js';

type Fields = Readonly<Record<string, unknown>>;

const BACKEND = { type: 'URL', url: 'http://backend.example.net' };

const groupOf = (name: string, spec: Fields) =>
  apiGroup(name, {
    hostnames: ['api.example.com'],
    access: { authentication: 'None' },
    backend: BACKEND,
    environments: [{ name: 'release', default: true }],
    ...spec,
  });

function modelOf(objects: readonly Fields[], remains: readonly GroupRemains[] = []): Model {
  const resources = objects.map((each) => {
    const { object, problems } = checkObject(each);
    if (!object) throw new Error(problems.map(({ path, message }) => `${path} ${message}`).join());
    return object;
  });
  return translate(withRemains(createResourceSet(resources), remains), {
    nowMs: 0,
    services: new Map(),
    allowedBackendHosts: ['*'],
    hostnameClaims: [],
  }).model;
}

const prefix = (value: string, methods?: readonly string[]): Fields => ({
  path: { type: 'Prefix', value },
  ...(methods && { methods }),
});
const template = (value: string, methods?: readonly string[]): Fields => ({
  path: { type: 'Template', value },
  ...(methods && { methods }),
});

/** The state of the API that serves each `METHOD /path`, in a group with an open API for every path. */
function statesOf(apis: readonly Fields[], spec: Fields = {}): (request: string) => string {
  const model = modelOf([groupOf('edge', { apis: [{ name: 'public', match: prefix('/') }, ...apis], ...spec })]);
  const [environment] = model.groups[0]!.environments;
  const matcher = compileApis(environment!.apis);
  return (request) => {
    const [method, path] = request.split(' ') as [string, string];
    const api: Api | undefined = matcher.find(path, method).found?.api;
    return api ? `${api.name} ${api.state}` : 'none';
  };
}

describe('an API in error', () => {
  const signed = { access: { authentication: 'Signature' }, verification: { dialects: ['Tencent'] } };
  const admin = { name: 'admin', match: prefix('/admin'), ...signed };
  test.each<[string, Fields, Fields?]>([
    ['a rewrite with an unknown variable', { ...admin, rewrite: { path: '/{unknown}' } }],
    ['a variable named twice', { ...admin, match: template('/admin/{id}/{id}') }],
    ['no dialect', { name: 'admin', match: prefix('/admin'), access: { authentication: 'Signature' } }],
    ['a contradiction', { name: 'admin', match: prefix('/admin'), access: { usagePlan: 'Required' } }],
    ['no backend', admin, { backend: undefined }],
  ])('keeps its path with %s', (_, api, spec = {}) => {
    const broken = statesOf([api], spec);
    expect(broken('GET /admin/users/7')).toBe('admin Refused');
    expect(broken('DELETE /admin/users/7')).toBe('admin Refused');
  });

  test('leaves other paths and methods alone', () => {
    const broken = statesOf([{ ...admin, match: prefix('/admin', ['POST']), rewrite: { path: '/{unknown}' } }]);
    expect(broken('POST /admin')).toBe('admin Refused');
    expect(broken('GET /admin')).toBe('public Released');
    expect(broken('POST /administration')).toBe('public Released');
  });

  test('does not hand its path to the next API of the same match', () => {
    const broken = statesOf([
      { ...admin, rewrite: { path: '/{unknown}' } },
      { name: 'again', match: prefix('/admin') },
    ]);
    expect(broken('GET /admin')).toBe('admin Refused');
  });

  test('has no way to a backend, and nothing that could open', () => {
    const model = modelOf([groupOf('edge', { apis: [{ ...admin, rewrite: { path: '/{unknown}' } }] })]);
    expect(model.groups[0]!.environments[0]!.apis[0]).toMatchObject({
      access: { authentication: 'Signature', authorization: 'Enabled', usagePlan: 'Required' },
      route: { backend: undefined },
      backendSignature: undefined,
    });
  });
});

describe('an API in conflict', () => {
  test('keeps the methods that only it lists', () => {
    const states = statesOf([
      { name: 'first', match: prefix('/a', ['GET', 'POST']) },
      { name: 'second', match: prefix('/a', ['POST', 'PUT']) },
    ]);
    expect(['GET /a', 'POST /a', 'PUT /a', 'PATCH /a'].map(states)).toEqual([
      'first Released',
      'first Released',
      'second Refused',
      'public Released',
    ]);
  });

  test.each([
    ['/a/{x}', '/{y}/b', 'GET /c/b'],
    ['/{y}/b', '/a/{x}', 'GET /a/c'],
  ])(
    'of %s and %s the later keeps the paths that only it fits, the earlier serves what both do',
    (first, second, own) => {
      const states = statesOf([
        { name: 'first', match: template(first) },
        { name: 'second', match: template(second) },
      ]);
      expect(states('GET /a/b')).toBe('first Released');
      expect(states(own)).toBe('second Refused');
    },
  );
});

describe('a group of which nothing can be served', () => {
  const outer = groupOf('outer', { basePath: '/' });
  const hostnameOnly = (hostname: string): Fields => ({
    environments: [{ name: 'canary', match: { type: 'Hostname', value: hostname } }],
  });
  const mountsOf = (model: Model): Readonly<Record<string, readonly string[]>> =>
    Object.fromEntries(
      hostsOf(model).flatMap(({ hostnames, mounts }) =>
        hostnames.map((hostname) => [
          hostname,
          [...new Set(mounts.map(({ group, prefix: path }) => `${path} ${group}`))],
        ]),
      ),
    );

  test('keeps its base path before an outer group of the host', () => {
    const canary = groupOf('aaa', { basePath: '/admin', hostnames: ['canary.example.com'] });
    const inner = groupOf('inner', { basePath: '/admin', ...hostnameOnly('canary.example.com') });
    const model = modelOf([outer, canary, inner]);
    expect(mountsOf(model)['api.example.com']).toEqual(['/admin shop/inner', '/ shop/outer']);
    expect(model.groups.find(({ name }) => name === 'inner')?.environments).toEqual([]);
  });

  test('serves the environment that has a host of its own when the others are lost', () => {
    const wildcard = groupOf('wildcard', { basePath: '/', hostnames: ['*.example.com'] });
    const winner = groupOf('aaa', { basePath: '/admin' });
    const loser = groupOf('loser', { basePath: '/admin', ...hostnameOnly('canary.example.com') });
    const model = modelOf([wildcard, winner, loser]);
    expect(mountsOf(model)).toEqual({
      '*.example.com': ['/ shop/wildcard'],
      'api.example.com': ['/admin shop/aaa'],
      'canary.example.com': ['/admin shop/loser'],
    });
  });
});

describe('a refused group with hosts that cannot be read', () => {
  type Left = Partial<GroupRemains>;
  const left = (name: string, fields: Left = {}): GroupRemains => ({
    ...{ kind: 'ApiGroup', namespace: 'shop', name, createdMs: undefined, basePath: '/admin' },
    hostnames: [],
    ...(fields.hostnames === undefined && { unreadHostnames: true }),
    ...fields,
  });
  const elsewhere = (group: Fields): Fields => ({ ...group, metadata: { name: 'theirs', namespace: 'other' } });
  /** `host path group` of each place that is held. */
  const heldBy = (remains: readonly GroupRemains[], ...objects: Fields[]): readonly string[] =>
    modelOf(objects, remains)
      .groups.filter(({ environments }) => environments.length === 0)
      .flatMap(({ key, hostnames, basePath }) => hostnames.map((host) => `${host} ${basePath} ${key}`));
  const outer = groupOf('outer', { basePath: '/' });

  test('holds its base path on every hostname of the groups of its namespace', () => {
    const canary = { environments: [{ name: 'canary', match: { type: 'Hostname', value: 'canary.example.com' } }] };
    expect(heldBy([left('inner')], outer, groupOf('more', { basePath: '/more', ...canary }))).toEqual([
      'api.example.com /admin shop/inner',
      'canary.example.com /admin shop/inner',
    ]);
  });

  test('holds nothing where no group could be around it', () => {
    expect(heldBy([left('inner')])).toEqual([]);
    expect(heldBy([left('inner', { namespace: 'other' })], outer)).toEqual([]);
  });

  test('also holds those that can be read', () => {
    expect(heldBy([left('inner', { hostnames: ['www.example.com'], unreadHostnames: true })], outer)).toEqual([
      'www.example.com /admin shop/inner',
      'api.example.com /admin shop/inner',
    ]);
  });

  test('takes no place from a good group, whatever their names', () => {
    const good = groupOf('zzz', { basePath: '/admin' });
    const model = modelOf([outer, good], [left('aaa')]);
    expect(model.groups.map(({ key, hostnames }) => [key, hostnames])).toEqual([
      ['shop/outer', ['api.example.com']],
      ['shop/zzz', ['api.example.com']],
    ]);
  });

  test('takes no place of another namespace, however old it is', () => {
    const theirs = elsewhere(groupOf('theirs', { basePath: '/theirs' }));
    const own = groupOf('own', { basePath: '/own' });
    for (const basePath of ['/', '/theirs', '/theirs/inner'])
      expect(heldBy([left('inner', { basePath, createdMs: 1 })], own, theirs)).toEqual([]);
    expect(heldBy([left('inner', { basePath: '/own/inner' })], own, theirs)).toHaveLength(1);
  });

  test('and another of the same base path hold one place', () => {
    expect(heldBy([left('two'), left('one')], outer)).toEqual(['api.example.com /admin shop/one']);
    expect(heldBy([left('one'), left('two', { hostnames: ['api.example.com'] })], outer)).toEqual([
      'api.example.com /admin shop/two',
    ]);
  });
});
