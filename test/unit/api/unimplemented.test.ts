import { expect, test } from '@jest/globals';
import { checkObject } from '../../../src/api/schema.js';
import { UNIMPLEMENTED, unimplementedProblems, type Unimplemented } from '../../../src/api/unimplemented.js';
import { crdSchema, type Schema } from '../../../src/api/crd.js';

const { object } = checkObject({
  apiVersion: 'countersign.dev/v1alpha1',
  kind: 'ApiGroup',
  metadata: { name: 'orders' },
  spec: {
    hostnames: ['a.example.com'],
    access: { authentication: 'None' },
    environments: [{ name: 'release', default: true }],
    apis: [
      { name: 'a', match: { path: { type: 'Exact', value: '/a' } } },
      { name: 'b', match: { path: { type: 'Exact', value: '/b' } }, rewrite: { method: 'PUT' } },
      { name: 'c', match: { path: { type: 'Exact', value: '/c' } }, rewrite: { method: 'POST' } },
    ],
  },
});
const reference = { kind: 'ApiGroup', namespace: 'default', name: 'orders' };
const places = (list: readonly Unimplemented[]) =>
  unimplementedProblems(object!, reference, list).map(({ path }) => path);

test('every use of a field that is not implemented is refused at its place', () => {
  const entry: Unimplemented = { kind: 'ApiGroup', path: 'spec.apis[].rewrite.method', message: 'not yet' };
  expect(places([entry])).toEqual(['spec.apis[1].rewrite.method', 'spec.apis[2].rewrite.method']);
  expect(unimplementedProblems(object!, reference, [entry])[0]).toMatchObject({
    severity: 'error',
    reason: 'NotImplemented',
  });
});

test('a single value of a field can be named', () => {
  const entry: Unimplemented = {
    kind: 'ApiGroup',
    path: 'spec.apis[].rewrite.method',
    when: (value) => value === 'PUT',
    message: 'not yet',
  };
  expect(places([entry])).toEqual(['spec.apis[1].rewrite.method']);
});

test('another kind is not concerned', () => {
  expect(places([{ kind: 'UsagePlan', path: 'spec.apis', message: 'not yet' }])).toEqual([]);
});

test('every entry of the list names a field that the schema has', () => {
  const exists = ({ kind, path }: Unimplemented) => {
    let schema: Schema | undefined = crdSchema(kind);
    for (const step of path.replaceAll('[]', '.[]').split('.'))
      schema = step === '[]' ? schema?.items : schema?.properties?.[step];
    return schema !== undefined;
  };
  expect(UNIMPLEMENTED.filter((entry) => !exists(entry))).toEqual([]);
});
