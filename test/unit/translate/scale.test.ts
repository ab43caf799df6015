import { describe, expect, test } from '@jest/globals';
import type { ApiGroup, Authorization, SignatureKey, UsagePlan } from '../../../src/api/types.js';
import { SecretResource } from '../../../src/resources/core-resources.js';
import { type AnyResource, createResourceSet } from '../../../src/resources/resource-set.js';
import { createTranslationMemo, translate } from '../../../src/translate/translate.js';

const GROUPS = 100;
const APIS = 100;
const KEYS = 10_000;
const AUTHORIZATIONS = 1000;

const own = { apiVersion: 'countersign.dev/v1alpha1' } as const;
const group = (g: number, timeout = '15s'): ApiGroup => ({
  ...own,
  kind: 'ApiGroup',
  metadata: { name: `group-${g}`, namespace: 'shop' },
  spec: {
    hostnames: ['api.example.com'],
    basePath: `/group-${g}`,
    errors: 'Vendor',
    verification: { dialects: ['JDCloud'] },
    backend: { type: 'Service', service: { name: 'orders', port: 8080 }, timeout },
    environments: [
      { name: 'release', state: 'Released', default: true, match: { type: 'PathPrefix', value: 'release' } },
    ],
    apis: Array.from({ length: APIS }, (_, a) => ({
      name: `api-${a}`,
      match: { path: { type: 'Template', value: `/v1/resource-${a}/{id}` }, methods: ['GET'] },
    })),
  },
});
const key = (k: number): SignatureKey => ({
  ...own,
  kind: 'SignatureKey',
  metadata: { name: `key-${k}`, namespace: 'mobile', labels: { tier: 'gold' } },
  spec: {
    usage: 'Caller',
    identity: 'SignatureKeyPair',
    type: 'HMAC',
    state: 'Enabled',
    keyID: `AKID${k}`,
    secretRef: { name: `key-${k}` },
    allowedAuthorizers: { namespaces: { from: 'All' } },
  },
});
const secret = (k: number): SecretResource =>
  new SecretResource(
    { name: `key-${k}`, namespace: 'mobile' },
    'countersign.dev/signature-key',
    new Map([
      ['keyId', Buffer.from(`AKID${k}`)],
      ['secret', Buffer.from('0123456789abcdef')],
    ]),
  );
const authorization = (n: number): Authorization => ({
  ...own,
  kind: 'Authorization',
  metadata: { name: `authorization-${n}`, namespace: 'shop' },
  spec: {
    type: 'GatewaySignature',
    state: 'Enabled',
    keys: { refs: Array.from({ length: 10 }, (_, i) => ({ name: `key-${n * 10 + i}`, namespace: 'mobile' })) },
    targets: [{ apiGroup: `group-${n % GROUPS}`, environment: 'release', apis: ['*'] }],
  },
});
const plan: UsagePlan = {
  ...own,
  kind: 'UsagePlan',
  metadata: { name: 'gold', namespace: 'mobile' },
  spec: {
    enforcement: 'Enforce',
    onStoreFailure: { rate: 'Deny', quota: 'Deny' },
    state: 'Enabled',
    keys: { selector: { matchLabels: { tier: 'gold' } } },
    targets: [{ apiGroup: 'none', environment: 'release', apis: ['*'] }],
  },
};
const times = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const context = {
  nowMs: Date.parse('2027-01-01T00:00:00Z'),
  services: new Map([['shop/orders:8080', [{ host: '192.0.2.1', port: 80 }]]]),
  allowedBackendHosts: 'Any',
  hostnameClaims: [],
} as const;

describe('10,000 APIs in 100 groups with 10,000 keys', () => {
  const groups = times(GROUPS).map((g) => group(g));
  const rest: AnyResource[] = [
    ...times(KEYS).flatMap((k) => [key(k), secret(k)]),
    ...times(AUTHORIZATIONS).map(authorization),
    plan,
  ];
  const memo = createTranslationMemo();
  const first = translate(createResourceSet([...rest, ...groups]), context, memo);

  test('translate without a problem but the one they have', () => {
    expect(first.model.callerKeys).toHaveLength(KEYS);
    expect(first.model.groups.flatMap(({ environments }) => environments[0]?.apis ?? [])).toHaveLength(GROUPS * APIS);
    expect(first.model.grants).toHaveLength(AUTHORIZATIONS);
    expect(first.problems.map(({ reason }) => reason)).toEqual(['ApiGroupNotFound']);
  });

  test('an edit of one group translates that group and what names it, and leaves the rest by identity', () => {
    const edited = [group(0, '5s'), ...groups.slice(1)];
    const second = translate(createResourceSet([...rest, ...edited]), context, memo);
    const changed = second.model.groups.filter((each, i) => each !== first.model.groups[i]);
    expect(changed.map((each) => each.key)).toEqual(['shop/group-0']);
    expect(second.model.callerKeys.every((each, i) => each === first.model.callerKeys[i])).toBe(true);
    const touched = second.model.grants.filter((each, i) => each !== first.model.grants[i]);
    expect(touched).toHaveLength(AUTHORIZATIONS / GROUPS);
  });

  test('a translation with a memo equals one without', () => {
    const resources = createResourceSet([...rest.slice(5), ...groups.slice(1)]);
    expect(JSON.stringify(translate(resources, context, memo).model)).toBe(
      JSON.stringify(translate(resources, context).model),
    );
  });
});
