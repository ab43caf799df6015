import { describe, expect, test } from '@jest/globals';
import { createGate } from '../../support/authz/authz-check.js';
import { EVERYTHING, fixture, SIGNED } from '../../support/authz/authz-fixture.js';
import type { ApiInput, EnvironmentInput, ModelInput } from '../../support/authz/authz-model.js';
import type { RequestInput } from '../../support/authz/authz-request.js';

const outcome = async (model: ModelInput, request: Partial<RequestInput> & { target: string }): Promise<string> => {
  const decision = await createGate(model).send({ ...SIGNED, ...request });
  return decision.outcome === 'allow'
    ? `200 ${decision.facts.environment} ${decision.facts.api}`
    : `${decision.status} ${decision.reason}`;
};
const OK = '200 release team/orders/everything';

describe('the gateway', () => {
  test('is refused without raw headers or without our route', async () => {
    expect(await outcome(fixture(), { target: '/orders/x', rawHeaders: false })).toBe('503 unsafe_gateway');
    expect(await outcome(fixture(), { target: '/orders/x', route: '' })).toBe('503 unsafe_gateway');
    expect(await outcome(fixture(), { target: '/orders/x', gatewayFault: 'a setting' })).toBe('503 unsafe_gateway');
  });
  test('is refused over a route that nobody knows', async () => {
    expect(await outcome(fixture(), { target: '/orders/x', route: 'other' })).toBe('503 route_mismatch');
  });
});

describe('a group without environments', () => {
  test('has an error and refuses what its base path holds', async () => {
    const model: ModelInput = { groups: [{ key: 'team/orders', environments: [] }] };
    expect(await outcome(model, { target: '/orders/x', route: 'unknown-environment:team/orders' })).toBe(
      '503 api_invalid',
    );
  });
});

describe('an API in error', () => {
  test('is refused before anything of the request is verified', async () => {
    const model = fixture({ apis: [{ name: 'broken', path: { type: 'Prefix', value: '/' }, state: 'Refused' }] });
    expect(await outcome(model, { target: '/orders/x', headers: [] })).toBe('503 api_invalid');
  });
  test('is refused over a route from before the error too', async () => {
    const model = fixture({
      apis: [{ name: 'broken', path: { type: 'Prefix', value: '/' }, state: 'Refused', route: 'x' }],
    });
    expect(await outcome(model, { target: '/orders/x' })).toBe('503 api_invalid');
  });
});

describe('a path that reads as one of another group of the host', () => {
  const open: ApiInput = { ...EVERYTHING, access: { authentication: 'None', authorization: 'Disabled' } };
  const model: ModelInput = {
    groups: [
      { key: 'team/outer', environments: [{ name: 'release', default: true, apis: [open], route: 'outer' }] },
      { key: 'team/sec', basePath: '/sec', environments: [{ name: 'release', default: true, apis: [EVERYTHING] }] },
    ],
  };
  test.each(['/%73ec/x', '/sec;a/x', '/%2573ec', '/sec;a'])('%s is refused', async (target) => {
    expect(await outcome(model, { target, route: 'outer', headers: [] })).toBe('400 ambiguous_path');
  });
  test.each(['/second;a/x', '/x%20y', '/x/%73ec'])('%s is not one', async (target) => {
    expect(await outcome(model, { target, route: 'outer', headers: [] })).toBe('200 release team/outer/everything');
  });
});

describe('environments', () => {
  const test_: EnvironmentInput = { name: 'test', apis: [EVERYTHING] };
  const release: EnvironmentInput = { name: 'release', default: true, apis: [EVERYTHING] };
  const model = fixture({ group: { environments: [release, test_] } });
  const staged = fixture({
    group: {
      environments: [
        { ...release, match: { type: 'Header', value: 'RELEASE' } },
        { ...test_, match: { type: 'Header', value: 'TEST' } },
      ],
    },
    grants: [
      {
        key: 'team/grant',
        callerKeys: ['caller/app'],
        targets: [{ group: 'team/orders', environment: 'release', apis: '*' }],
      },
    ],
  });

  test('a path segment or its absence chooses as Envoy did', async () => {
    expect(await outcome(model, { target: '/orders/release/x' })).toBe(OK);
    expect(await outcome(model, { target: '/orders/x' })).toBe(OK);
    expect(await outcome(model, { target: '/orders/test/x' })).toBe('503 route_mismatch');
    expect(await outcome(model, { target: '/orders/x', route: 'orders-test' })).toBe('503 route_mismatch');
  });
  test('X-Stage chooses as Envoy did and never grants', async () => {
    const stage = (value: string): Partial<RequestInput> => ({ headers: [['x-stage', value]] });
    expect(await outcome(staged, { target: '/orders/x', ...stage('RELEASE') })).toBe(OK);
    expect(await outcome(staged, { target: '/orders/x' })).toBe(OK);
    expect(await outcome(staged, { target: '/orders/x', ...stage('TEST') })).toBe('503 route_mismatch');
    expect(await outcome(staged, { target: '/orders/x', ...stage('TEST'), route: 'orders-test' })).toBe(
      '403 not_authorized',
    );
    expect(await outcome(staged, { target: '/orders/x', ...stage('STAGING') })).toBe('404 unknown_environment');
    expect(
      await outcome(staged, {
        target: '/orders/x',
        headers: [
          ['x-stage', 'RELEASE'],
          ['x-stage', 'TEST'],
        ],
      }),
    ).toBe('404 unknown_environment');
  });
  test('a stage header means nothing where no environment has one', async () => {
    expect(await outcome(model, { target: '/orders/x', headers: [['x-stage', 'TEST']] })).toBe(OK);
  });
  test('the route for unknown environments answers in the shape of the group', async () => {
    expect(await outcome(model, { target: '/orders/x', route: 'unknown-environment:team/orders' })).toBe(
      '404 unknown_environment',
    );
    const vendor = createGate(fixture({ group: { errors: 'Vendor' } }));
    const decision = await vendor.send({ target: '/orders/x', route: 'unknown-environment:team/orders' });
    expect(JSON.parse(decision.outcome === 'deny' ? decision.body : '')).toHaveProperty('error_code', 'APIG.0101');
    expect(await outcome(model, { target: '/x', route: 'unknown-environment:team/nobody' })).toBe(
      '404 unknown_environment',
    );
  });
  test('offline environments and APIs are not there', async () => {
    expect(
      await outcome(fixture({ group: { environments: [{ ...release, state: 'Offline' }] } }), { target: '/orders/x' }),
    ).toBe('404 environment_offline');
    expect(await outcome(fixture({ apis: [{ ...EVERYTHING, state: 'Offline' }] }), { target: '/orders/x' })).toBe(
      '404 environment_offline',
    );
  });
  test('a base path ends at a segment', async () => {
    expect(await outcome(model, { target: '/ordersX/x' })).toBe('503 route_mismatch');
    expect(await outcome(model, { target: '/orders' })).toBe(OK);
  });
});

describe('APIs', () => {
  const apis: ApiInput[] = [
    { name: 'create', path: { type: 'Exact', value: '/v1/orders' }, methods: ['POST', 'PUT'] },
    {
      name: 'admin',
      path: { type: 'Prefix', value: '/admin' },
      methods: ['GET'],
      access: { authorization: 'Enabled' },
    },
    { name: 'item', path: { type: 'Template', value: '/items/{id}' }, methods: ['GET'] },
  ];
  test('405 names the methods there are, 404 nothing', async () => {
    const decision = await createGate(fixture({ apis })).send({ target: '/orders/v1/orders', ...SIGNED });
    expect(decision).toMatchObject({ outcome: 'deny', status: 405, reason: 'method_not_allowed' });
    expect(decision.outcome === 'deny' && decision.headers).toContainEqual(['allow', 'POST, PUT']);
    expect(await outcome(fixture({ apis }), { target: '/orders/v1/none' })).toBe('404 not_found');
  });
  test.each(['TRACE', 'CONNECT'])('%s is refused whatever the path', async (method) => {
    expect(await outcome(fixture(), { target: '/orders/x', method })).toBe('405 method_not_allowed');
    expect(await outcome(fixture(), { target: '', method })).toBe('405 method_not_allowed');
  });
  test('a path that a decoding backend takes for another API is ambiguous', async () => {
    const model = fixture({ apis: [...apis, EVERYTHING] });
    for (const target of ['/orders/%61dmin/x', '/orders/admin;a=1/x', '/orders/%2561dmin/x', '/orders/%61dmin%3bx/y'])
      expect(await outcome(model, { target })).toBe('400 ambiguous_path');
    expect(await outcome(model, { target: '/orders/%7a/x;v=1' })).toBe(OK);
  });
  test('an escape or parameter inside a variable is the same API in every reading', async () => {
    expect(await outcome(fixture({ apis }), { target: '/orders/items/a%20b;c' })).toBe('200 release team/orders/item');
  });
  test('paths and headers are guarded before anything else is said', async () => {
    expect(await outcome(fixture(), { target: '/orders/../x' })).toBe('400 non_canonical_path');
    expect(await outcome(fixture(), { target: '/orders/x?a=/../b' })).toBe(OK);
    expect(await outcome(fixture(), { target: '/orders/x', headers: [['x_countersign_key_id', 'me']] })).toBe(
      '400 reserved_header',
    );
  });
  test('addresses outside the ranges are refused before the signature is looked at', async () => {
    const model = fixture({ apis: [{ ...EVERYTHING, access: { sourceRanges: { allow: ['10.0.0.0/8'], deny: [] } } }] });
    expect(await outcome(model, { target: '/orders/x', alter: [{ remove: 'authorization' }] })).toBe(
      '403 source_address_denied',
    );
    expect(await outcome(model, { target: '/orders/x', sourceAddress: '10.9.8.7' })).toBe(OK);
  });
});

describe('bodies', () => {
  const small = fixture({ apis: [{ ...EVERYTHING, verification: { maxBodyBytes: 10 } }] });
  const post = { method: 'POST', target: '/orders/x' };
  test('of exactly the limit pass, one byte more is 413', async () => {
    expect(await outcome(small, { ...post, body: 'x'.repeat(10) })).toBe(OK);
    expect(await outcome(small, { ...post, body: 'x'.repeat(11) })).toBe('413 body_too_large');
  });
  test('that Envoy cut are 413: it would forward the whole', async () => {
    expect(await outcome(small, { ...post, body: 'x', partialBody: true })).toBe('413 body_too_large');
    expect(await outcome(small, { ...post, body: 'x', headers: [['content-length', '12']] })).toBe(
      '413 body_too_large',
    );
    // Envoy was told to buffer and did not.
    expect(await outcome(small, { ...post, headers: [['content-length', '5']] })).toBe('503 unsafe_gateway');
  });
  test('are not seen on streamed routes, nor those of upgrades anywhere', async () => {
    const streamed = fixture({
      apis: [{ ...EVERYTHING, verification: { body: 'Streamed' } }],
      group: {
        environments: [
          {
            name: 'release',
            default: true,
            apis: [{ ...EVERYTHING, verification: { body: 'Streamed' }, route: 'streamed' }],
          },
        ],
      },
    });
    const onStream = (headers: [string, string][], protocol = 'HTTP/1.1') =>
      outcome(streamed, { ...post, route: 'streamed', headers, protocol });
    expect(await onStream([['content-length', '5']])).toBe('401 body_unavailable');
    expect(await onStream([['transfer-encoding', 'chunked']])).toBe('401 body_unavailable');
    // Envoy takes Transfer-Encoding away before the Check: only a length of 0 proves that nothing follows.
    expect(await onStream([])).toBe('401 body_unavailable');
    expect(await onStream([['content-length', '0']])).toBe(OK);
    expect(await onStream([], 'HTTP/2')).toBe('401 body_unavailable');
    const upgrade = {
      ...post,
      headers: [
        ['upgrade', 'websocket'],
        ['content-length', '5'],
      ] as const,
    };
    expect(await outcome(small, upgrade)).toBe('401 body_unavailable');
    expect(await outcome(small, { target: '/orders/x', headers: [['upgrade', 'websocket']] })).toBe(
      '401 body_unavailable',
    );
  });
});
