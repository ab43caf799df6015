import { describe, expect, test } from '@jest/globals';
import { checkObject } from '../../../src/api/schema.js';
import type { ApiGroup, SignatureKey, UsagePlan } from '../../../src/api/types.js';

const apiVersion = 'countersign.dev/v1alpha1';
const key = (spec: object, metadata: object = { name: 'mobile' }) => ({
  apiVersion,
  kind: 'SignatureKey',
  metadata,
  spec,
});
const callerKey = { usage: 'Caller', identity: 'SignatureKeyPair', type: 'HMAC' };
const group = (spec: object) => ({
  apiVersion,
  kind: 'ApiGroup',
  metadata: { name: 'orders' },
  spec: {
    hostnames: ['a.example.com'],
    verification: { dialects: ['Huawei'] },
    environments: [{ name: 'release', default: true }],
    ...spec,
  },
});
const found = (raw: unknown) =>
  checkObject(raw).problems.map(({ path, reason, message }) => `${path}: ${reason}: ${message}`);

describe('defaults', () => {
  test('are filled in where the schema has them, parents first', () => {
    const plan = {
      keys: { refs: [{ name: 'mobile' }] },
      targets: [{ apiGroup: 'orders', environment: 'release', apis: ['*'] }],
    };
    const { object } = checkObject({ apiVersion, kind: 'UsagePlan', metadata: { name: 'gold' }, spec: plan });
    expect((object as UsagePlan).spec).toEqual({
      ...plan,
      state: 'Enabled',
      enforcement: 'Enforce',
      onStoreFailure: { rate: 'LocalFallback', quota: 'Deny' },
    });
  });

  test('of a group leave access, verification and backend as written: they are merged with overrides first', () => {
    const { object } = checkObject(
      group({ access: {}, apis: [{ name: 'a', match: { path: { type: 'Exact', value: '/' } }, access: {} }] }),
    );
    const { spec } = object as ApiGroup;
    expect(spec).toMatchObject({ basePath: '/', errors: 'Vendor', access: {}, verification: { dialects: ['Huawei'] } });
    expect(spec.environments[0]!.state).toBe('Released');
    expect(spec.apis![0]!.access).toEqual({});
  });

  test('take the place of a null, and a null without default is dropped', () => {
    const { object } = checkObject(key({ ...callerKey, state: null, description: null }));
    expect((object as SignatureKey).spec).toEqual({ ...callerKey, state: 'Enabled' });
  });

  test('leave the input alone', () => {
    const raw = key({ ...callerKey });
    checkObject(raw);
    expect(raw).toEqual(key(callerKey));
  });
});

describe('an object', () => {
  test('without namespace is in default, and its status is not read', () => {
    const { object } = checkObject({ ...key(callerKey), status: { keyID: 'forged' } });
    expect(object).toEqual({
      apiVersion,
      kind: 'SignatureKey',
      metadata: { name: 'mobile', namespace: 'default' },
      spec: { ...callerKey, state: 'Enabled' },
    });
  });

  test.each([null, undefined, 'text', 7, [], [[]]])('that is %j is refused, not thrown at', (raw) => {
    expect(found(raw)).toEqual([': InvalidValue: must be a mapping with apiVersion, kind, metadata and spec']);
  });

  test('of an unknown kind is told the nearest one', () => {
    expect(found({ ...key(callerKey), kind: 'SignatureKeys' })).toEqual([
      'kind: UnknownKind: must be SignatureKey, ApiGroup, Authorization or UsagePlan; did you mean "SignatureKey"?',
    ]);
  });

  test('of another version is refused', () => {
    expect(found({ ...key(callerKey), apiVersion: 'countersign.dev/v1' })).toEqual([
      `apiVersion: InvalidValue: must be ${apiVersion}`,
    ]);
  });

  test('with a field beside spec is refused', () => {
    expect(found({ ...key(callerKey), specs: {} })).toEqual([
      'specs: UnknownField: unknown field; did you mean "spec"?',
    ]);
  });

  test('with a member named __proto__ is refused and pollutes nothing', () => {
    const raw = key(
      JSON.parse(
        '{"usage":"Caller","identity":"SignatureKeyPair","type":"HMAC","__proto__":{"state":"Enabled"}}',
      ) as object,
    );
    expect(found(raw)).toEqual([expect.stringMatching(/^spec\.__proto__: UnknownField: /)]);
    expect(({} as { state?: string }).state).toBeUndefined();
  });
});

describe('metadata', () => {
  test.each([
    [undefined, 'metadata: RequiredField: must be a mapping that holds at least name'],
    [{}, 'metadata.name: RequiredField: required field is missing'],
    [{ name: 'a', nameSpace: 'b' }, 'metadata.nameSpace: UnknownField: unknown field; did you mean "namespace"?'],
    [
      { name: 'a', namespace: 'a.b' },
      'metadata.namespace: InvalidValue: must be lower-case letters, digits and "-", starting and ending with a letter or digit, at most 63 characters',
    ],
    [
      { name: 'a', labels: { 'a b': 'c' } },
      'metadata.labels["a b"]: InvalidValue: the key must be a name of letters, digits, "-", "_" and ".", with an optional DNS prefix before a slash',
    ],
    [
      { name: 'a', annotations: { 'example.com/a': true } },
      'metadata.annotations["example.com/a"]: InvalidValue: must be text: quote it',
    ],
  ])('%j has one problem', (metadata, problem) => {
    expect(found({ ...key(callerKey), metadata })).toEqual([problem]);
  });

  test('of an API server passes, and what we read of it is kept', () => {
    const metadata = {
      name: 'a',
      namespace: 'b',
      uid: 'u',
      generation: 3,
      resourceVersion: '7',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { 'example.com/tier': 'gold' },
    };
    const { object } = checkObject(key(callerKey, { ...metadata, managedFields: [], finalizers: [] }));
    expect(object!.metadata).toEqual(metadata);
  });
});

describe('several mistakes', () => {
  test('are all reported, each once', () => {
    const api = { name: 'a', match: { path: { type: 'exact', value: 'v1' }, methods: ['get', 'GET', 'GET'] } };
    expect(found(group({ basePath: 7, backend: { type: 'URL' }, apis: [api, { ...api, match: {} }] }))).toEqual([
      'spec.basePath: InvalidValue: must be text, not a number: quote it',
      'spec.apis[0].match.path.type: InvalidValue: must be Exact, Template or Prefix; did you mean "Exact"?',
      'spec.apis[0].match.path.value: InvalidValue: must be a path in canonical form that starts with a slash; a variable is a whole segment in braces',
      'spec.apis[0].match.methods[0]: InvalidValue: must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS; did you mean "GET"?',
      'spec.apis[1].match.path: RequiredField: required field is missing',
      'spec.apis[0].match.methods[2]: Duplicate: is listed already: spec.apis[0].match.methods[1]',
      'spec.apis[1]: Duplicate: has the same name as another entry: spec.apis[0]',
      'spec.backend.url: InvalidValue: url is required when type is URL, and not allowed otherwise',
    ]);
  });

  test('do not follow from one: a misspelt field is not also missing by a rule', () => {
    expect(found(key({ usage: 'Backend', type: 'AES', aess: { algorithm: 'AES128CFB' } }))).toEqual([
      'spec.aess: UnknownField: unknown field; did you mean "aes"?',
    ]);
  });

  test('never repeat a value, which may be a secret in the wrong place', () => {
    const secret = 'bm90IGEgcmVhbCBzZWNyZXQ=';
    const raw = key({ ...callerKey, secretRef: secret, keyID: secret, state: secret, pairID: [secret] });
    expect(found(raw).join()).not.toContain(secret);
    expect(found(raw)).toHaveLength(4);
  });
});
