/**
 * What is remembered between translations must never show: after any edits, in any order, with time passing, the
 * translation with a memo is that of somebody who sees the objects for the first time.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ApiGroup, Authorization, Namespace, SignatureKey, UsagePlan } from '../../src/api/types.js';
import { encodePolicy } from '../../src/policy/encode.js';
import { SecretResource } from '../../src/resources/core-resources.js';
import type { Remains } from '../../src/resources/remains.js';
import {
  createResourceSet,
  EMPTY_RESOURCES,
  keyOf,
  withRemains,
  type AnyKind,
  type AnyResource,
  type ResourceSet,
} from '../../src/resources/resource-set.js';
import { createTranslationMemo, translate } from '../../src/translate/translate.js';
import type { TranslateContext, Translation } from '../../src/translate/translation.js';

const START_MS = Date.parse('2027-01-01T00:00:00Z');
const HOUR_MS = 3_600_000;
const after = (hours: number): string => new Date(START_MS + hours * HOUR_MS).toISOString();
const apiVersion = 'countersign.dev/v1alpha1';

/** Few names, so that objects meet. */
const namespaces = fc.constantFrom('a', 'a', 'a', 'a', 'a-b', 'c');
const few = fc.constantFrom('one', 'one', 'two', 'three');
const states = fc.constantFrom<('Enabled' | 'Disabled')[]>('Enabled', 'Disabled');
const hours = fc.option(fc.integer({ min: -2, max: 12 }), { nil: undefined, freq: 3 });
const meta = fc.record({ namespace: namespaces, name: few });
const refs = fc.array(fc.record({ name: few, namespace: fc.option(namespaces, { nil: undefined }) }), { maxLength: 3 });
const ids = fc.array(
  fc.record({ keyID: fc.constantFrom('ID0001', 'ID0002'), namespace: fc.option(namespaces, { nil: undefined }) }),
  { maxLength: 1 },
);
const targets = fc.array(
  fc.record({
    apiGroup: few,
    environment: fc.constantFrom('release', 'test'),
    apis: fc.constantFrom(['*'], ['get'], ['get', 'gone']),
  }),
  { minLength: 1, maxLength: 2 },
);

const signatureKey: fc.Arbitrary<AnyResource> = fc
  .record({
    meta,
    id: fc.constantFrom('ID0001', 'ID0002', 'ID0003', undefined),
    usage: fc.constantFrom<('Caller' | 'Backend')[]>('Caller', 'Caller', 'Backend'),
    state: states,
    secret: fc.option(few, { nil: undefined }),
    from: fc.constantFrom<('Same' | 'All' | 'Selector')[]>('Same', 'All', 'Selector'),
    tier: fc.constantFrom('gold', 'tin'),
    label: fc.constantFrom('team', 'kubernetes.io/metadata.name'),
    ends: hours,
    begins: hours,
    created: hours,
  })
  .map(
    ({
      meta: { namespace, name },
      id,
      usage,
      state,
      secret,
      from,
      tier,
      label,
      ends,
      begins,
      created,
    }): SignatureKey => ({
      apiVersion,
      kind: 'SignatureKey',
      metadata: {
        namespace,
        name,
        labels: { tier },
        ...(created !== undefined && { creationTimestamp: after(created) }),
      },
      spec: {
        usage,
        type: 'HMAC',
        state,
        ...(usage === 'Caller' && { identity: 'SignatureKeyPair' }),
        ...(secret !== undefined && { secretRef: { name: secret } }),
        ...(id !== undefined && secret !== undefined && { keyID: id }),
        ...(ends !== undefined && { expirationTime: after(ends) }),
        ...(begins !== undefined && { notBeforeTime: after(begins) }),
        ...(usage === 'Caller' && {
          allowedAuthorizers: {
            namespaces: {
              from,
              ...(from === 'Selector' && { selector: { matchLabels: { [label]: label === 'team' ? 'x' : 'c' } } }),
            },
          },
        }),
      },
    }),
  );

const AUTHORITY = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
const textOf = (name: string, text: string | undefined): (readonly [string, Buffer])[] =>
  text === undefined ? [] : [[name, Buffer.from(text)]];

const secret: fc.Arbitrary<AnyResource> = fc
  .record({
    meta,
    generated: fc.boolean(),
    id: fc.constantFrom('ID0001', 'ID0002', 'ID0003'),
    text: fc.constantFrom('0123456789abcdef', 'fedcba9876543210', '0123', ''),
    type: fc.constantFrom(...Array<string>(5).fill('countersign.dev/signature-key'), 'Opaque'),
    grace: hours,
    generation: fc.constantFrom('1', '2', undefined),
    authority: fc.boolean(),
  })
  .map(
    ({ meta: { namespace, name }, generated, id, text, type, grace, generation, authority }) =>
      new SecretResource(
        { namespace, name: generated ? `${name}-signature-key` : name },
        type,
        new Map([
          ['keyId', Buffer.from(id)],
          ['secret', Buffer.from(text)],
          ...textOf('previousSecret', grace === undefined ? undefined : 'abcdefabcdef1234'),
          ...textOf('previousNotAfter', grace === undefined ? undefined : after(grace).replace('.000Z', 'Z')),
          ...textOf('generation', generation),
          ...textOf('ca.crt', authority ? AUTHORITY : undefined),
        ]),
      ),
  );

const maybe = fc.option(few, { nil: undefined });
const signatureOf = (key: { readonly name: string } | 'None') =>
  key === 'None'
    ? { type: 'None' as const }
    : { type: 'Key' as const, signatureKeyRef: key, dialect: 'Huawei' as const };

const apiGroup: fc.Arbitrary<AnyResource> = fc
  .record({
    meta,
    hostname: fc.constantFrom('api.example.com', 'www.example.com'),
    basePath: fc.constantFrom('/', '/orders', '/orders/v2'),
    state: fc.constantFrom<('Released' | 'Offline')[]>('Released', 'Offline'),
    test: fc.boolean(),
    service: few,
    backendKey: fc.option(few, { nil: undefined }),
    open: fc.boolean(),
    timeout: fc.constantFrom('15s', '5s'),
    created: fc.option(fc.integer({ min: -9, max: -1 }), { nil: undefined }),
    authority: maybe,
    environmentService: maybe,
    environmentHostname: fc.constantFrom(undefined, 'api.example.com', 'www.example.com', 'stage.example.com'),
    apiService: maybe,
    apiSignature: fc.option(
      fc.constantFrom<({ name: string } | 'None')[]>('None', { name: 'one' }, { name: 'three' }),
      {
        nil: undefined,
      },
    ),
    usagePlan: fc.constantFrom<('Optional' | 'Required')[]>('Optional', 'Required'),
  })
  .map(({ meta: { namespace, name }, hostname, basePath, state, open, timeout, created, ...rest }): ApiGroup => ({
    apiVersion,
    kind: 'ApiGroup',
    metadata: { namespace, name, ...(created !== undefined && { creationTimestamp: after(created) }) },
    spec: {
      hostnames: [hostname],
      basePath,
      errors: 'Vendor',
      verification: { dialects: ['JDCloud'] },
      access: { usagePlan: rest.usagePlan, ...(open && { authorization: 'Disabled' as const }) },
      backend: {
        ...{ type: 'Service', service: { name: rest.service, port: 8080 }, timeout },
        ...(rest.authority !== undefined && { tls: { caSecretRef: { name: rest.authority } } }),
      },
      environments: [
        {
          name: 'release',
          state,
          default: true,
          match: { type: 'PathPrefix', value: 'release' },
          ...(rest.backendKey !== undefined && {
            backendSignature: { type: 'Key' as const, signatureKeyRef: { name: rest.backendKey } },
          }),
        },
        ...(rest.test
          ? [
              {
                ...{ name: 'test', state: 'Released' as const },
                match: rest.environmentHostname
                  ? { type: 'Hostname' as const, value: rest.environmentHostname }
                  : { type: 'PathPrefix' as const, value: 'test' },
                ...(rest.environmentService !== undefined && {
                  backend: { type: 'Service' as const, service: { name: rest.environmentService, port: 9090 } },
                }),
              },
            ]
          : []),
      ],
      apis: [
        {
          ...{ name: 'get', match: { path: { type: 'Exact', value: '/v1/orders' }, methods: ['GET'] } },
          ...(rest.apiService !== undefined && { backend: { service: { name: rest.apiService, port: 8080 } } }),
          ...(rest.apiSignature !== undefined && {
            environments: [{ name: 'release', backendSignature: signatureOf(rest.apiSignature) }],
          }),
        },
      ],
    },
  }));

const authorization: fc.Arbitrary<AnyResource> = fc
  .record({ meta, state: states, refs, ids, targets, ends: hours })
  .map(({ meta: metadata, state, refs: keyRefs, ids: keyIds, targets: places, ends }): Authorization => ({
    apiVersion,
    kind: 'Authorization',
    metadata,
    spec: {
      type: 'GatewaySignature',
      state,
      keys: { refs: refsOf(keyRefs), ids: idsOf(keyIds) },
      targets: places,
      ...(ends !== undefined && { expirationTime: after(ends) }),
    },
  }));

const usagePlan: fc.Arbitrary<AnyResource> = fc
  .record({
    meta,
    state: states,
    refs,
    selects: fc.boolean(),
    targets,
    requests: fc.constantFrom(0, 10),
    created: hours,
  })
  .map(({ meta, state, refs: keyRefs, selects, targets: places, requests, created }): UsagePlan => ({
    apiVersion,
    kind: 'UsagePlan',
    metadata: { ...meta, ...(created !== undefined && { creationTimestamp: after(created) }) },
    spec: {
      state,
      enforcement: 'Enforce',
      onStoreFailure: { rate: 'Deny', quota: 'Deny' },
      rateLimits: [{ name: 'second', requests, interval: '1s', scope: 'Plan' }],
      keys: { refs: refsOf(keyRefs), ...(selects && { selector: { matchLabels: { tier: 'gold' } } }) },
      targets: places,
    },
  }));

const namespaceObject: fc.Arbitrary<AnyResource> = fc
  .record({ name: namespaces, team: fc.constantFrom('x', 'y') })
  .map(({ name, team }): Namespace => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { team } },
  }));

const service: fc.Arbitrary<AnyResource> = fc
  .record({ meta, port: fc.constantFrom(8080, 9090) })
  .map(({ meta: metadata, port }) => ({ apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port }] } }));

type Ref = { readonly name: string; readonly namespace: string | undefined };
const refsOf = (all: readonly Ref[]) =>
  all.map(({ name, namespace }) => ({ name, ...(namespace !== undefined && { namespace }) }));
const idsOf = (all: readonly { readonly keyID: string; readonly namespace: string | undefined }[]) =>
  all.map(({ keyID, namespace }) => ({ keyID, ...(namespace !== undefined && { namespace }) }));

const remains: fc.Arbitrary<Remains> = fc.oneof(
  meta.map(({ namespace, name }): Remains => ({
    ...{ kind: 'UsagePlan', namespace, name },
    ...{ keys: { refs: [{ name: 'one' }] }, targets: undefined },
  })),
  meta.map(({ namespace, name }): Remains => ({
    ...{ kind: 'ApiGroup', namespace, name, createdMs: START_MS - HOUR_MS },
    ...{ hostnames: ['api.example.com'], basePath: '/orders' },
  })),
  fc
    .record({ meta, basePath: fc.constantFrom('/', '/orders', '/orders/v2') })
    .map(({ meta: { namespace, name }, basePath }): Remains => ({
      ...{ kind: 'ApiGroup', namespace, name, createdMs: undefined },
      ...{ hostnames: [], unreadHostnames: true, basePath },
    })),
);

const [metadata, other] = [
  { namespace: 'a', name: 'one' },
  { namespace: 'a', name: 'two' },
];
const data = (keyId: string): Map<string, Buffer> =>
  new Map([
    ['keyId', Buffer.from(keyId)],
    ['secret', Buffer.from('0123456789abcdef')],
  ]);
const release = [{ apiGroup: 'one', environment: 'release', apis: ['*'] }];
const ours = { apiVersion } as const;
const caller = { usage: 'Caller', identity: 'SignatureKeyPair', type: 'HMAC', state: 'Enabled' } as const;
const plan = { state: 'Enabled', enforcement: 'Enforce', onStoreFailure: { rate: 'Deny', quota: 'Deny' } } as const;

/** Where everything works to begin with; most edits break or change something of it. */
const WORLD: readonly AnyResource[] = [
  new SecretResource(metadata, 'countersign.dev/signature-key', data('ID0001')),
  new SecretResource(other, 'countersign.dev/signature-key', data('ID0002')),
  { ...ours, kind: 'SignatureKey', metadata, spec: { ...caller, keyID: 'ID0001', secretRef: { name: 'one' } } },
  {
    ...{ ...ours, kind: 'SignatureKey', metadata: { namespace: 'a', name: 'three' } },
    spec: { usage: 'Backend', type: 'HMAC', state: 'Enabled', secretRef: { name: 'two' } },
  },
  { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 8080 }] } },
  {
    ...{ ...ours, kind: 'ApiGroup', metadata },
    spec: {
      hostnames: ['api.example.com'],
      basePath: '/orders',
      errors: 'Vendor',
      verification: { dialects: ['JDCloud'] },
      backend: { type: 'Service', service: { name: 'one', port: 8080 } },
      environments: [
        {
          ...{ name: 'release', state: 'Released', default: true, match: { type: 'PathPrefix', value: 'release' } },
          backendSignature: { type: 'Key', signatureKeyRef: { name: 'three' } },
        },
      ],
      apis: [{ name: 'get', match: { path: { type: 'Exact', value: '/v1/orders' }, methods: ['GET'] } }],
    },
  },
  {
    ...{ ...ours, kind: 'Authorization', metadata },
    spec: { type: 'GatewaySignature', state: 'Enabled', keys: { refs: [{ name: 'one' }] }, targets: release },
  },
  { ...ours, kind: 'UsagePlan', metadata, spec: { ...plan, keys: { refs: [{ name: 'one' }] }, targets: release } },
  {
    ...{ ...ours, kind: 'UsagePlan', metadata: other },
    spec: { ...plan, keys: { selector: { matchLabels: { tier: 'gold' } } }, targets: release },
  },
];

type Edit =
  | { readonly type: 'Put'; readonly resource: AnyResource }
  | { readonly type: 'Delete'; readonly index: number }
  /** An object of before comes back, the same in memory: a cache may know it. */
  | { readonly type: 'Return'; readonly index: number }
  | { readonly type: 'Refuse'; readonly remains: readonly Remains[] }
  /** Objects that are refused and leave nothing. */
  | { readonly type: 'Hide'; readonly references: readonly string[] }
  | { readonly type: 'Pass'; readonly hours: number };

const edit: fc.Arbitrary<Edit> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .oneof(signatureKey, secret, apiGroup, authorization, usagePlan, namespaceObject, service)
      .map((resource) => ({ type: 'Put' as const, resource })),
  },
  { weight: 3, arbitrary: fc.nat(20).map((index) => ({ type: 'Delete' as const, index })) },
  { weight: 4, arbitrary: fc.nat(60).map((index) => ({ type: 'Return' as const, index })) },
  {
    weight: 1,
    arbitrary: fc.array(remains, { maxLength: 2 }).map((all) => ({ type: 'Refuse' as const, remains: all })),
  },
  {
    weight: 3,
    arbitrary: fc
      .array(fc.tuple(fc.constantFrom('SignatureKey', 'ApiGroup', 'Secret', 'Service'), namespaces, few), {
        maxLength: 3,
      })
      .map((all) => ({ type: 'Hide' as const, references: all.map((parts) => parts.join('/')) })),
  },
  // A clock can be set back.
  { weight: 2, arbitrary: fc.integer({ min: -1, max: 3 }).map((passed) => ({ type: 'Pass' as const, hours: passed })) },
);

/** What others see, with the content of secrets, which objects hide. */
const seen = ({ model, statuses, problems, nextChangeMs }: Translation) => ({
  order: [model.callerKeys, model.groups, model.grants, model.plans].map((list) => list.map(({ key }) => key)),
  policy: [...encodePolicy(model)].map(([type, byName]) => [
    type,
    [...byName].map(([name, { version }]) => [name, version]),
  ]),
  groups: model.groups,
  statuses: [...statuses],
  problems,
  nextChangeMs,
});

const SETTINGS: Omit<TranslateContext, 'nowMs'> = {
  services: new Map(),
  clusterDomain: 'cluster.local',
  allowedBackendHosts: 'Any',
  hostnameClaims: [],
};

/** As providers do: a kind of which nothing changed keeps its map. */
function sharing(before: ResourceSet | undefined, now: ResourceSet): ResourceSet {
  if (!before) return now;
  const kinds = Object.keys(EMPTY_RESOURCES) as AnyKind[];
  const same = kinds.filter(
    (kind) =>
      now[kind].size === before[kind].size &&
      [...now[kind]].every(([key, value]) => (before[kind] as ReadonlyMap<string, unknown>).get(key) === value),
  );
  return { ...now, ...Object.fromEntries(same.map((kind) => [kind, before[kind]])) };
}

describe('a translation with a memo', () => {
  test('is that of the objects as they are now, whatever they were before', () => {
    fc.assert(
      fc.property(fc.array(edit, { minLength: 20, maxLength: 60 }), fc.boolean(), (edits, singleOwner) => {
        const memo = createTranslationMemo();
        const history: AnyResource[] = [];
        const objects = new Map<string, AnyResource>();
        const put = (resource: AnyResource): void => {
          objects.set(`${resource.kind}/${keyOf(resource)}`, resource);
          history.push(resource);
        };
        WORLD.forEach(put);
        let left: readonly Remains[] = [];
        let hidden: readonly string[] = [];
        let refused: ReadonlySet<string> | undefined;
        let resources: ResourceSet | undefined;
        let nowMs = START_MS;
        for (const each of edits) {
          if (each.type === 'Put') put(each.resource);
          if (each.type === 'Return') put(history[each.index % history.length]!);
          if (each.type === 'Delete') objects.delete([...objects.keys()][each.index] ?? '');
          if (each.type === 'Refuse') left = each.remains;
          if (each.type === 'Hide') hidden = each.references;
          if (each.type === 'Refuse' || each.type === 'Hide')
            refused = new Set([...hidden, ...left.map(({ kind, namespace, name }) => `${kind}/${namespace}/${name}`)]);
          if (each.type === 'Pass') nowMs += each.hours * HOUR_MS;
          resources = sharing(resources, withRemains(createResourceSet(objects.values(), refused), left));
          const now = { ...SETTINGS, nowMs, singleOwner };
          const [remembered, fresh] = [seen(translate(resources, now, memo)), seen(translate(resources, now))];
          // Texts are compared in a tenth of the time; a difference is told by the objects.
          if (JSON.stringify(remembered) !== JSON.stringify(fresh)) expect(remembered).toEqual(fresh);
        }
      }),
      { numRuns: 250 },
    );
  });
});
