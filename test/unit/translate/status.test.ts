import { describe, expect, test } from '@jest/globals';
import {
  objectStatus,
  Problems,
  type ProgrammedOutcome,
  withProgrammed,
} from '../../../src/translate/statuses/status.js';

const resource = { kind: 'ApiGroup', metadata: { namespace: 'shop', name: 'orders', generation: 4 } };
const ready = (
  outcome: ProgrammedOutcome,
  problems = new Problems(resource),
  idle?: 'Disabled' | 'Offline',
): string => {
  const { conditions } = withProgrammed(objectStatus(resource, problems, { environments: [] }, { idle }), outcome);
  return conditions.map(({ type, status, reason }) => `${type}=${status}/${reason}`).join(' ');
};
const fine = 'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs';

describe('Ready', () => {
  test('follows the data plane when the object is fine', () => {
    expect(ready({ type: 'Programmed' })).toBe(`${fine} Programmed=True/Programmed Ready=True/Ready`);
    expect(ready({ type: 'NoDataPlane' })).toBe(`${fine} Programmed=Unknown/NoDataPlane Ready=Unknown/NoDataPlane`);
    expect(ready({ type: 'Rejected', message: 'no such cluster' })).toBe(
      `${fine} Programmed=False/Rejected Ready=False/Rejected`,
    );
  });

  test('names who lacks the object while it propagates', () => {
    const { conditions } = withProgrammed(objectStatus(resource, new Problems(resource), { environments: [] }), {
      type: 'Propagating',
      acked: 2,
      expected: 8,
      lacking: ['a', 'b', 'c', 'd', 'e', 'f'],
    });
    expect(conditions.at(-1)).toEqual({
      type: 'Ready',
      status: 'False',
      reason: 'Propagating',
      message: '2/8; waiting for a, b, c, d, e, …',
    });
  });

  test('is True and says why for an object that is idle by its own wish', () => {
    expect(ready({ type: 'Programmed' }, new Problems(resource), 'Offline')).toContain('Ready=True/Offline');
  });

  test('of what is switched off does not ask for references and times, but for the data plane and the object itself', () => {
    const problems = new Problems(resource);
    problems.unresolved('SecretNotFound', 'spec.secretRef.name', 'is gone');
    problems.error('Expired', 'spec.expirationTime', 'has passed');
    expect(ready({ type: 'Programmed' }, problems, 'Disabled')).toBe(
      'Accepted=False/Expired ResolvedRefs=False/SecretNotFound Programmed=True/Programmed Ready=True/Disabled',
    );
    expect(ready({ type: 'Rejected', message: '' }, problems, 'Disabled')).toContain('Ready=False/Rejected');
    const conflicting = new Problems(resource);
    conflicting.error('Conflicted', 'spec.hostnames[0]', 'is taken');
    expect(ready({ type: 'Programmed' }, conflicting, 'Offline')).toContain('Ready=False/Conflicted');
  });

  test('what time has ended is a warning to a check of files, and not ready all the same', () => {
    const part = new Problems(resource);
    part.lapse('Accepted', 'Expired', 'spec.expirationTime', 'has passed');
    part.lapse('ResolvedRefs', 'KeyExpired', 'spec.keys.refs[0]', 'it has expired');
    part.warn('AdmitsNothing', 'spec.quotas[0]', 'is 0');
    const problems = part.copy();
    expect(problems.list.map(({ severity }) => severity)).toEqual(['warning', 'warning', 'warning']);
    expect(ready({ type: 'Programmed' }, problems)).toBe(
      'Accepted=False/Expired ResolvedRefs=False/KeyExpired Programmed=True/Programmed Ready=False/Expired',
    );
    expect(problems.conditions()[0]?.message).toBe('spec.expirationTime: has passed');
    expect(problems.obstacle()).toMatchObject({ problem: { reason: 'Expired' }, lapsed: true });
  });

  test('and Accepted tell warnings by their message', () => {
    const problems = new Problems(resource);
    problems.warn('Conflicted', 'spec.targets[0]', 'another goes before');
    problems.warn('AdmitsNothing', 'spec.quotas[0]', 'is 0');
    const { conditions } = withProgrammed(objectStatus(resource, problems, { environments: [] }), {
      type: 'Programmed',
    });
    expect(conditions.map(({ type, status, message }) => `${type}=${status} ${message}`)).toEqual([
      'Accepted=True Warning: spec.targets[0]: another goes before; spec.quotas[0]: is 0',
      'ResolvedRefs=True ',
      'Programmed=True ',
      'Ready=True Warning: spec.targets[0]: another goes before; spec.quotas[0]: is 0',
    ]);
  });

  test('names the obstacle of the object before that of the data plane', () => {
    const problems = new Problems(resource);
    problems.unresolved('ServiceNotFound', 'spec.backend.service', 'is gone');
    problems.warn('Conflicted', 'spec', 'a warning refuses nothing');
    expect(ready({ type: 'NoDataPlane' }, problems)).toBe(
      'Accepted=True/Accepted ResolvedRefs=False/ServiceNotFound Programmed=Unknown/NoDataPlane Ready=False/ServiceNotFound',
    );
    problems.error('Conflicted', 'spec.hostnames[0]', 'is taken');
    expect(ready({ type: 'Programmed' }, problems)).toContain('Ready=False/Conflicted');
  });
});

describe('problems', () => {
  test('are told once for a place that several units share, and all together in the message of the condition', () => {
    const problems = new Problems(resource);
    for (let i = 0; i < 3; i++) problems.unresolved('ServiceNotFound', 'spec.backend.service', 'is gone');
    problems.unresolved('SecretNotFound', 'spec.backend.tls', 'is gone too');
    expect(problems.list).toHaveLength(2);
    expect(problems.conditions()[1]).toMatchObject({
      status: 'False',
      message: 'spec.backend.service: is gone; spec.backend.tls: is gone too',
    });
    for (let i = 0; i < 5; i++) problems.unresolved('ServiceNotFound', `spec.apis[${i}].backend`, 'is gone');
    expect(problems.conditions()[1]?.message).toMatch(/; spec\.apis\[2\]\.backend: is gone \(and 2 more\)$/);
  });

  test('of a copy leave the original alone', () => {
    const problems = new Problems(resource);
    problems.unresolved('ServiceNotFound', 'spec.backend.service', 'is gone');
    const copy = problems.copy();
    copy.error('Conflicted', 'spec', 'is taken');
    expect([problems.list.length, copy.list.length]).toEqual([1, 2]);
    expect(copy.conditions().map(({ reason }) => reason)).toEqual(['Conflicted', 'ServiceNotFound']);
  });
});
