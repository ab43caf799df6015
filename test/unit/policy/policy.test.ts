import { describe, expect, test } from '@jest/globals';
import { inspect } from 'node:util';
import type { Group, Model } from '../../../src/model/model.js';
import type { Epoch } from '../../../src/policy/decode.js';
import { encodePolicy, encodeResource, policyVersion } from '../../../src/policy/encode.js';
import { policySnapshot, summarize } from '../../../src/policy/epoch.js';
import {
  CONTENT_TYPES,
  EPOCH_TYPE,
  GRANT_TYPE,
  GROUP_TYPE,
  KEY_TYPE,
  PLAN_TYPE,
} from '../../../src/policy/resource-types.js';
import { PolicyStaging, type PolicyResponse, type StagingResult } from '../../../src/policy/staging.js';
import type { Resources, VersionedResource } from '../../../src/xds/snapshot.js';
import { buildModel, type ModelInput } from '../../support/authz/authz-model.js';

const INPUT: ModelInput = {
  callerKeys: [
    {
      key: 'caller/mobile',
      keyId: 'AKmobile',
      secret: 'mobile-secret',
      previous: { secret: 'mobile-before', notAfter: '2030-01-01T00:00:00Z' },
      admits: ['team', 'caller'],
      notBefore: '2020-01-01T00:00:00Z',
    },
    { key: 'caller/unready', keyId: 'AKunready', state: 'Disabled', identity: 'UserAccessKey' },
  ],
  groups: [
    {
      key: 'team/orders',
      basePath: '/orders',
      errors: 'Vendor',
      backend: { host: { type: 'Fixed', value: 'internal' }, headers: ['Tencent'] },
      access: { sourceRanges: { allow: ['10.0.0.0/8'], deny: [] } },
      backendSignature: { type: 'HMAC', dialect: 'Huawei', keyId: 'BK', secret: 'backend-secret' },
      environments: [
        {
          name: 'release',
          default: true,
          apis: [
            { name: 'all', path: { type: 'Prefix', value: '/' } },
            {
              name: 'item',
              path: { type: 'Template', value: '/v1/{id}' },
              methods: ['GET'],
              rewrite: { path: '/i/{id}', setHeaders: [['x-a', '1']] },
              verification: { body: 'Streamed', requiredSignedHeaders: ['host'] },
              route: 'other',
            },
          ],
        },
        { name: 'test', state: 'Offline', match: { type: 'Header', value: 'TEST' } },
      ],
    },
  ],
  grants: [
    {
      key: 'team/grant',
      callerKeys: ['caller/mobile'],
      targets: [{ group: 'team/orders', environment: 'release', apis: ['all', 'item'] }],
      expiration: '2031-01-01T00:00:00Z',
    },
  ],
  plans: [
    {
      key: 'team/plan',
      callerKeys: ['caller/mobile'],
      targets: [{ group: 'team/orders', environment: 'release', apis: '*' }],
      responseHeaders: ['Tencent', 'IETF'],
      rateLimits: [{ name: 'rps', requests: 5, intervalMs: 1000, burst: 7, scope: 'Key' }],
      quotas: [{ name: 'month', requests: 0, period: 'Month', timeZone: 'Asia/Shanghai', scope: 'Plan' }],
      createdMs: 1_800_000_000_000,
    },
  ],
};

/** What Envoy alone needs is not sent. */
const forAuthorizer = (model: Model): Model => ({
  ...model,
  groups: model.groups.map((group): Group => {
    const withoutAddresses = <T extends { readonly route: Group['environments'][number]['route'] }>(holder: T): T => ({
      ...holder,
      route: {
        ...holder.route,
        backend: holder.route.backend && {
          ...holder.route.backend,
          description: '',
          endpoints: [],
          tls: undefined,
          protocol: 'HTTP1',
        },
      },
    });
    return {
      ...group,
      cors: undefined,
      environments: group.environments.map((environment) => ({
        ...withoutAddresses(environment),
        apis: environment.apis.map(withoutAddresses),
      })),
    };
  }),
});

/** Secrets too, which `toEqual` cannot see into. */
const revealed = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, function (this: Record<string, unknown>, name, member: unknown) {
      const original = this[name];
      if (original instanceof Set) return [...(original as Set<unknown>)].sort();
      if (original instanceof Object && 'reveal' in original) return (original as { reveal(): unknown }).reveal();
      return member;
    }),
  );

const responses = (resources: Resources): PolicyResponse[] =>
  [...resources].map(([typeUrl, byName]) => ({ typeUrl, resources: [...byName].map(received(typeUrl)), removed: [] }));

const received =
  (typeUrl: string) =>
  ([name, { version, resource }]: readonly [string, VersionedResource]) => ({
    name,
    version,
    typeUrl: resource.typeUrl === '' ? typeUrl : resource.typeUrl,
    value: resource.value,
  });

const one = (typeUrl: string, name: string, resource: VersionedResource): PolicyResponse => ({
  typeUrl,
  resources: [received(typeUrl)([name, resource])],
  removed: [],
});

const epochOf = (content: Resources, revision: number, more: Partial<Epoch> = {}): Epoch => ({
  ...summarize(content),
  revision,
  authorizers: 2,
  routesHeld: false,
  ...more,
});

/** Applies content and epoch; the outcome is that of the epoch. */
function applyAll(
  staging: PolicyStaging,
  content: Resources,
  revision: number,
  more: Partial<Epoch> = {},
): StagingResult {
  let last: StagingResult = { outcome: 'staged' };
  for (const response of responses(policySnapshot(content, epochOf(content, revision, more)).resources))
    last = staging.apply(response);
  return last;
}

const switched = (result: StagingResult): Model => {
  if (result.outcome !== 'switch') throw new Error(inspect(result));
  return result.model;
};

/** `content` with one resource's JSON changed. */
function withChanged(
  content: Resources,
  typeUrl: string,
  name: string,
  change: (fields: Record<string, unknown>) => unknown,
): Resources {
  const before = content.get(typeUrl)!.get(name)!;
  const fields = JSON.parse(Buffer.from(before.resource.value).toString()) as Record<string, unknown>;
  const { minReader: _, ...changed } = { ...fields };
  const value = Buffer.from(JSON.stringify(change({ ...changed, minReader: fields['minReader'] })));
  const resource = { version: policyVersion(value), resource: { ...before.resource, value } };
  return new Map([...content, [typeUrl, new Map([...content.get(typeUrl)!, [name, resource]])]]);
}

const model = buildModel(INPUT);
const content = encodePolicy(model);

describe('the model as policy', () => {
  test('comes back as it was, secrets included, without what only Envoy needs', () => {
    const decoded = switched(applyAll(new PolicyStaging(), content, 1));
    expect(revealed(decoded)).toEqual(revealed(forAuthorizer(model)));
    expect(decoded.grants[0]!.targets[0]!.apis).toEqual(new Set(['all', 'item']));
  });

  test('has equal bytes and versions for equal models, and keeps what did not change', () => {
    const again = encodePolicy(buildModel(INPUT));
    for (const type of CONTENT_TYPES)
      expect([...again.get(type)!].map(([name, { version }]) => [name, version])).toEqual(
        [...content.get(type)!].map(([name, { version }]) => [name, version]),
      );
    expect(
      encodePolicy({ ...model, plans: [] })
        .get(KEY_TYPE)!
        .get('caller/mobile'),
    ).toBe(content.get(KEY_TYPE)!.get('caller/mobile'));
    expect(summarize(again)).toEqual(summarize(content));
  });

  test('keeps the map of each list that did not change, and has a new one for a list that did', () => {
    const changed = encodePolicy({ ...model, grants: [], plans: [...model.plans] });
    const kept = CONTENT_TYPES.filter((type) => changed.get(type) === content.get(type));
    expect(kept).toEqual([KEY_TYPE, GROUP_TYPE]);
    expect(changed.get(PLAN_TYPE)).toEqual(content.get(PLAN_TYPE));
  });

  test('holds secrets in keys and groups only, and shows none when printed', () => {
    const textOf = (type: string) =>
      [...content.get(type)!.values()].map(({ resource }) => Buffer.from(resource.value).toString()).join();
    expect(textOf(KEY_TYPE)).toContain('mobile-secret');
    expect(textOf(GROUP_TYPE)).toContain('backend-secret');
    expect(textOf(GRANT_TYPE) + textOf(PLAN_TYPE)).not.toMatch(/secret|before/);
    expect(inspect(switched(applyAll(new PolicyStaging(), content, 1)), { depth: 20 })).not.toMatch(
      /-secret|mobile-before/,
    );
  });
});

describe('staging', () => {
  test('switches only when hash and counts agree, and keeps unchanged members as they are', () => {
    const staging = new PolicyStaging();
    const first = switched(applyAll(staging, content, 1));
    const changed = encodePolicy({ ...model, grants: [] });
    expect(staging.apply({ typeUrl: GRANT_TYPE, resources: [], removed: ['team/grant'] })).toEqual({
      outcome: 'staged',
    });
    const epoch = policySnapshot(changed, epochOf(changed, 2)).resources.get(EPOCH_TYPE)!.get('epoch')!;
    const second = switched(staging.apply(one(EPOCH_TYPE, 'epoch', epoch)));
    expect(second.grants).toEqual([]);
    expect([second.groups, second.callerKeys, second.plans]).toEqual([first.groups, first.callerKeys, first.plans]);
    for (const kind of ['groups', 'callerKeys', 'plans'] as const) expect(second[kind]).toBe(first[kind]);
    expect(first.grants).toHaveLength(1);
  });

  test('refuses an epoch over another content and asks to start again', () => {
    const staging = new PolicyStaging();
    switched(applyAll(staging, content, 1));
    const other = encodePolicy({ ...model, callerKeys: model.callerKeys.slice(1) });
    const epoch = policySnapshot(other, epochOf(other, 2)).resources.get(EPOCH_TYPE)!.get('epoch')!;
    expect(staging.apply(one(EPOCH_TYPE, 'epoch', epoch))).toMatchObject({ outcome: 'refused', restart: true });
    staging.clear();
    expect(staging.initialVersions(KEY_TYPE)).toEqual({});
    expect(switched(applyAll(staging, other, 2)).callerKeys).toHaveLength(1);
  });

  test('refuses a lower revision, and the same one with another content; takes the same one again', () => {
    const staging = new PolicyStaging();
    switched(applyAll(staging, content, 7));
    switched(applyAll(staging, content, 7));
    const other = encodePolicy({ ...model, grants: [] });
    staging.apply({ typeUrl: GRANT_TYPE, resources: [], removed: ['team/grant'] });
    expect(applyAll(staging, other, 7)).toMatchObject({
      outcome: 'refused',
      error: expect.stringContaining('another content'),
    });
    expect(applyAll(staging, other, 6)).toMatchObject({
      outcome: 'refused',
      error: expect.stringContaining('lower than 7'),
    });
    expect(applyAll(new PolicyStaging(8), content, 7)).toMatchObject({ outcome: 'refused' });
    expect(staging.revision).toBe(7);
  });

  test('tells after a reconnection what it holds, but for what it refused', () => {
    const staging = new PolicyStaging();
    applyAll(
      staging,
      withChanged(content, KEY_TYPE, 'caller/mobile', (fields) => ({ ...fields, minReader: 99 })),
      1,
    );
    expect(Object.keys(staging.initialVersions(KEY_TYPE))).toEqual(['caller/unready']);
    expect(Object.keys(staging.initialVersions(GROUP_TYPE))).toEqual(['team/orders']);
    expect(staging.initialVersions(EPOCH_TYPE)).toEqual({});
  });
});

describe('a controller one version ahead', () => {
  /** What a later version would add for those who know it, in every object of a resource. */
  const extended = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(extended);
    if (typeof value !== 'object' || value === null) return value;
    const members = Object.entries(value).map(([name, member]) => [name, extended(member)] as const);
    return { ...Object.fromEntries(members), inventedLater: { state: 'Enabled' } };
  };

  test('adds fields that this version does not know, and every resource counts as before', () => {
    let changed: Resources = content;
    for (const [type, resources] of content)
      for (const name of resources.keys()) changed = withChanged(changed, type, name, (fields) => extended(fields));
    expect(changed).not.toEqual(content);
    const served = (resources: Resources) => revealed(switched(applyAll(new PolicyStaging(), resources, 1)));
    expect(served(changed)).toEqual(served(content));
  });

  test('tells the epoch more, and it is taken over', () => {
    const staging = new PolicyStaging();
    const sent = responses(policySnapshot(content, epochOf(content, 1)).resources);
    const { value, ...epoch } = sent.at(-1)!.resources[0]!;
    const fields = JSON.parse(Buffer.from(value).toString()) as Record<string, unknown>;
    const more = { ...epoch, value: Buffer.from(JSON.stringify({ ...fields, inventedLater: 1 })) };
    for (const response of sent.slice(0, -1)) staging.apply(response);
    expect(staging.apply({ ...sent.at(-1)!, resources: [more] })).toMatchObject({ outcome: 'switch' });
  });
});

describe('a resource that cannot be read', () => {
  const newer = (fields: Record<string, unknown>) => ({ ...fields, minReader: 2, invented: true });
  const rows: readonly (readonly [string, string, string, (served: Model) => void])[] = [
    [
      'key',
      KEY_TYPE,
      'caller/mobile',
      ({ callerKeys }) => expect(callerKeys.map(({ key }) => key)).toEqual(['caller/unready']),
    ],
    ['group', GROUP_TYPE, 'team/orders', ({ groups }) => expect(groups).toEqual([])],
    ['grant', GRANT_TYPE, 'team/grant', ({ grants }) => expect(grants).toEqual([])],
    [
      'plan, whose callers it must not leave unlimited',
      PLAN_TYPE,
      'team/plan',
      ({ plans }) =>
        expect(plans).toMatchObject([
          { key: 'team/plan', valid: false, callerKeys: ['caller/mobile'], targets: [{ apis: '*' }] },
        ]),
    ],
  ];
  test.each(rows)('is refused and takes only what it covers: a newer %s', (_what, type, name, check) => {
    const staging = new PolicyStaging();
    const changed = withChanged(content, type, name, newer);
    const outcomes = responses(policySnapshot(changed, epochOf(changed, 1)).resources).map((each) =>
      staging.apply(each),
    );
    expect(outcomes.filter(({ outcome }) => outcome === 'refused')).toEqual([
      { outcome: 'refused', restart: false, error: `${name}: needs a reader of form 2, this one reads 1` },
    ]);
    check(switched(outcomes.at(-1)!));
  });

  test('closes the namespace when it is a plan that does not even tell whom it binds', () => {
    const changed = withChanged(content, PLAN_TYPE, 'team/plan', () => ({ minReader: 1 }));
    expect(switched(applyAll(new PolicyStaging(), changed, 1))).toMatchObject({ groups: [], plans: [] });
  });

  test('becomes good again with its next version', () => {
    const staging = new PolicyStaging();
    applyAll(staging, withChanged(content, GROUP_TYPE, 'team/orders', newer), 1);
    expect(switched(applyAll(staging, content, 2)).groups).toHaveLength(1);
  });

  const broken: readonly (readonly [string, string, string, (fields: Record<string, unknown>) => unknown])[] = [
    ['an unknown word', KEY_TYPE, 'caller/mobile', (fields) => ({ ...fields, state: 'enabled' })],
    ['a word of every object', KEY_TYPE, 'caller/mobile', (fields) => ({ ...fields, state: 'constructor' })],
    ['a missing field', KEY_TYPE, 'caller/mobile', ({ admits: _, ...fields }) => fields],
    ['a time that is a text', KEY_TYPE, 'caller/mobile', (fields) => ({ ...fields, expirationMs: '2030' })],
    [
      'a negative number',
      PLAN_TYPE,
      'team/plan',
      (fields) => ({ ...fields, quotas: [{ name: 'q', requests: -1, period: 'Day', timeZone: 'UTC', scope: 'Key' }] }),
    ],
    [
      'an unlimited rate',
      PLAN_TYPE,
      'team/plan',
      (fields) => ({ ...fields, rateLimits: [{ name: 'r', requests: 1, intervalMs: 0, burst: 1, scope: 'Key' }] }),
    ],
    ['an index beyond its table', GROUP_TYPE, 'team/orders', (fields) => ({ ...fields, routes: [] })],
    ['a list in place of an object', GRANT_TYPE, 'team/grant', () => []],
    ['no minReader', GRANT_TYPE, 'team/grant', ({ minReader: _, ...fields }) => fields],
  ];
  test.each(broken)('is one with %s; the message names no value', (_what, type, name, change) => {
    const staging = new PolicyStaging();
    const resource = withChanged(content, type, name, change).get(type)!.get(name)!;
    const result = staging.apply(one(type, name, resource));
    expect(result).toMatchObject({ outcome: 'refused', restart: false });
    expect(inspect(result)).not.toMatch(/secret|mobile-before|2030/);
  });

  test.each([
    ['bytes that are no JSON', Buffer.from('{"secret":"mobile-secret"')],
    ['bytes that are no text', Buffer.from([0xff, 0xfe])],
    ['nothing', Buffer.alloc(0)],
  ])('is one of %s', (_what, value) => {
    const resource = { ...content.get(KEY_TYPE)!.get('caller/mobile')!.resource, value };
    const result = new PolicyStaging().apply(
      one(KEY_TYPE, 'caller/mobile', { version: policyVersion(value), resource }),
    );
    expect(result).toEqual({ outcome: 'refused', restart: false, error: 'caller/mobile: not JSON' });
  });

  test('is one whose bytes are not those of its version, of another type, or without a namespace', () => {
    const key = content.get(KEY_TYPE)!.get('caller/mobile')!;
    const staging = new PolicyStaging();
    expect(staging.apply(one(KEY_TYPE, 'caller/mobile', { ...key, version: 'other' }))).toMatchObject({
      outcome: 'refused',
    });
    expect(staging.apply(one(KEY_TYPE, 'caller/mobile', content.get(GRANT_TYPE)!.get('team/grant')!))).toMatchObject({
      outcome: 'refused',
    });
    expect(staging.apply(one(KEY_TYPE, 'mobile', key))).toMatchObject({ outcome: 'refused' });
    expect(staging.apply(one(EPOCH_TYPE, 'epoch', encodeResource(EPOCH_TYPE, { hash: '' })))).toMatchObject({
      outcome: 'refused',
    });
    expect(staging.apply({ typeUrl: 'toString', resources: [], removed: [] })).toMatchObject({ outcome: 'refused' });
  });
});
