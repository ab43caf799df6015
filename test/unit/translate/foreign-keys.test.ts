import { describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { parseManifest } from '../../../src/provider/file/manifest.js';
import { readObjects } from '../../../src/provider/file/manifest-objects.js';
import { createResourceSet } from '../../../src/resources/resource-set.js';
import { translate } from '../../../src/translate/translate.js';
import { apiGroup, importedKey, toYaml } from '../../support/resources/resources.js';

const KEY_ID = 'AKFOREIGN0001';
const PAIR_ID = 'PAFOREIGN0001';
const FOREIGN = 'mobile';

/** What a tenant sees who names a key of another one in every way there is. */
async function answersTo(keys: readonly object[]) {
  const naming = {
    refs: [{ name: 'theirs', namespace: FOREIGN }],
    ids: [
      { keyID: KEY_ID, namespace: FOREIGN },
      { keyID: KEY_ID },
      { pairID: PAIR_ID, namespace: FOREIGN },
      { pairID: PAIR_ID },
    ],
  };
  const targets = [{ apiGroup: 'orders', environment: 'release', apis: ['*'] }];
  const askers = [
    { kind: 'Authorization', spec: { type: 'GatewaySignature', keys: naming, targets } },
    { kind: 'UsagePlan', spec: { keys: naming, targets } },
  ].map((each) => ({
    apiVersion: 'countersign.dev/v1alpha1',
    metadata: { name: 'asker', namespace: 'shop' },
    ...each,
  }));
  const manifest = await parseManifest(
    toYaml(
      apiGroup('orders', {
        verification: { dialects: ['JDCloud'] },
        backend: { type: 'URL', url: 'http://127.0.0.1:1' },
      }),
      ...askers,
    ) + keys.map((each) => `---\n${stringify(each)}`).join(''),
  );
  if (!manifest.ok) throw new Error(manifest.fault.message);
  const objects = manifest.documents.flatMap(readObjects);
  expect(objects.flatMap(({ problems }) => problems)).toEqual([]);
  const { statuses, problems, model } = translate(
    createResourceSet(objects.flatMap(({ resource }) => resource ?? [])),
    {
      nowMs: Date.parse('2027-01-01T00:00:00Z'),
      services: new Map(),
      allowedBackendHosts: 'Any',
      hostnameClaims: [],
    },
  );
  const ofAskers = (kind: string): boolean => kind === 'Authorization' || kind === 'UsagePlan';
  return {
    keys: model.callerKeys.length,
    told: {
      statuses: [...statuses.values()].filter(({ object }) => ofAskers(object.kind)),
      problems: problems.filter(({ object }) => ofAskers(object.kind)),
      grants: model.grants,
      plans: model.plans,
    },
  };
}

const theirs = (spec: Readonly<Record<string, unknown>>) =>
  importedKey('theirs', KEY_ID, 'foreign-secret-01', { pairID: PAIR_ID, ...spec }).map((each) => ({
    ...each,
    metadata: { name: 'theirs', namespace: FOREIGN },
  }));
const [unfit] = theirs({});

describe('who names a key of another tenant gets the answer for a key that does not exist', () => {
  test.each([
    ['is not shared', theirs({}), 1],
    [
      'is shared with others',
      theirs({ allowedAuthorizers: { namespaces: { from: 'Selector', selector: { matchLabels: { a: 'b' } } } } }),
      1,
    ],
    ['is disabled and not shared', theirs({ state: 'Disabled' }), 1],
    ['has expired and is not shared', theirs({ expirationTime: '2020-01-01T00:00:00Z' }), 1],
    ['has no Secret and is not shared', [unfit], 1],
    ['is a Backend key', theirs({ usage: 'Backend', identity: null, keyID: null, pairID: null }), 0],
  ] as const)('when it %s', async (_what, keys, callerKeys) => {
    const absent = await answersTo([]);
    const present = await answersTo(keys as object[]);
    expect(present.keys).toBe(callerKeys);
    expect(present.told).toEqual(absent.told);
    expect(absent.told.statuses).toHaveLength(2);
    expect(absent.told.problems.length).toBeGreaterThanOrEqual(10);
    expect(absent.told.grants).toEqual([]);
  });
});
