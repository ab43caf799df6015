import { describe, expect, test } from '@jest/globals';
import { crdSchema } from '../../../src/api/crd.js';
import { ruleProblems } from '../../../src/api/rules.js';

const schema = crdSchema('ApiGroup').properties!['spec']!;
const object = { kind: 'ApiGroup', namespace: 'shop', name: 'orders' };
const tooLong = { verification: { dialects: ['Huawei'], maxClockSkew: '16m' } };
const paths = (spec: object, faults: readonly string[]) =>
  ruleProblems(schema, spec, undefined, 'spec', { object, faults, transitions: false }).map(({ path }) => path);

describe('rules', () => {
  test('say nothing about a fault, about what is in one, or about a field that holds one', () => {
    expect(paths(tooLong, [])).toEqual(['spec.verification.maxClockSkew']);
    for (const fault of [
      'spec.verification.maxClockSkew',
      'spec.verification',
      'spec',
      'spec.verification.maxClockSkew.x',
    ])
      expect(paths(tooLong, [fault])).toEqual([]);
  });

  test('are not silenced by a fault beside them, whatever its name looks like', () => {
    const beside = [
      'spec.verification.maxClock',
      'spec["verification.maxClockSkew"]',
      'spec.verification["maxClockSkew[0]"]',
    ];
    expect(paths(tooLong, beside)).toEqual(['spec.verification.maxClockSkew']);
  });

  test('look at each fault once, however many fields have rules', () => {
    const count = 500;
    const apis = Array.from({ length: count }, (_, i) => ({
      name: `a${i}`,
      match: { path: { type: 'Exact', value: `/${i}` } },
      verification: { maxClockSkew: '16m' },
    }));
    let reads = 0;
    const faults = new Proxy(
      Array.from({ length: count }, (_, i) => `spec.unknown${i}`),
      {
        get(list, member, receiver): unknown {
          if (typeof member === 'string' && /^\d+$/.test(member)) reads += 1;
          return Reflect.get(list, member, receiver);
        },
      },
    );
    expect(paths({ ...tooLong, apis }, faults)).toHaveLength(count + 1);
    expect(reads).toBeLessThanOrEqual(count);
  });
});
