import { describe, expect, test } from '@jest/globals';
import { readStored, writtenMsOf } from '../../../src/provider/kubernetes/stored-objects.js';
import { must } from '../../support/must.js';

describe('a stored plan that the schema refuses', () => {
  const plan = (resourceVersion: string, requests: unknown) => ({
    metadata: { name: 'gold', namespace: 'shop', uid: 'u', resourceVersion, generation: Number(resourceVersion) },
    spec: {
      rateLimits: [{ name: 'rate', requests, interval: '1s', scope: 'Key' }],
      keys: { refs: [{ name: 'app' }] },
      targets: [{ apiGroup: 'orders', environment: 'release', apis: ['*'] }],
    },
  });

  test('leaves its bindings, by identity while they do not change, until it is mended', () => {
    const refused = must(readStored('UsagePlan', plan('1', 'many')));
    expect(refused).toMatchObject({ resource: undefined, remains: { kind: 'UsagePlan', name: 'gold' } });
    const again = must(readStored('UsagePlan', plan('2', 'few'), refused));
    expect(again.remains).toBe(refused.remains);
    const mended = must(readStored('UsagePlan', plan('3', 5), again));
    expect(mended).toMatchObject({ resource: { kind: 'UsagePlan' }, remains: undefined });
  });

  test('leaves nothing while it is being deleted', () => {
    const { metadata, spec } = plan('1', 'many');
    const deleted = { metadata: { ...metadata, deletionTimestamp: '2027-01-01T00:00:00Z' }, spec };
    expect(readStored('UsagePlan', deleted)).toBeUndefined();
  });
});

describe('when an object was written', () => {
  const written = (...managedFields: object[]) => writtenMsOf({ metadata: { managedFields } });
  const user = { manager: 'kubectl', time: '2027-01-01T00:00:05Z' };

  test('is the end of the second of the last write, writes of subresources apart', () => {
    const earlier = { manager: 'helm', time: '2027-01-01T00:00:01Z' };
    const status = { manager: 'countersign', subresource: 'status', time: '2027-01-01T00:00:09Z' };
    expect(written(earlier, user, status)).toBe(Date.parse('2027-01-01T00:00:06Z'));
  });

  test.each<[string, number | undefined]>([
    ['no managed fields', writtenMsOf({ metadata: {} })],
    ['no list of them', writtenMsOf({ metadata: { managedFields: 'x' } })],
    ['a time that is none', written({ time: 'yesterday' })],
    ['an entry that is none', written(null as unknown as object)],
  ])('is unknown with %s', (_name, ms) => expect(ms).toBeUndefined());
});
