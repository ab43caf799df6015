import { describe, expect, test } from '@jest/globals';
import { KINDS } from '../../../src/api/types.js';
import { POLICY_RESOURCE_TYPES } from '../../../src/policy/resource-types.js';
import { DIALECTS } from '../../../src/signature/dialects.js';
import { createMetrics, mergeMetrics } from '../../../src/telemetry/metrics.js';
import { ENVOY_RESOURCE_TYPES } from '../../../src/xds/resource-types.js';

/** Labels and value of each series of a metric. */
async function series(name: string, text = createMetrics().render()): Promise<string[]> {
  return (await text).split('\n').filter((line) => line.startsWith(`${name}{`));
}

describe('what rises from nothing to 1 is seen to rise: there is a 0 from the start', () => {
  test('of every type that a node may refuse', async () => {
    const types = [...ENVOY_RESOURCE_TYPES, ...POLICY_RESOURCE_TYPES].map(({ typeUrl }) => typeUrl.split('.').at(-1)!);
    expect((await series('countersign_xds_nacks_total')).sort()).toEqual(
      types.map((type) => `countersign_xds_nacks_total{type="${type}"} 0`).sort(),
    );
  });

  test('of every fault of our own, for a request in any dialect and in none', async () => {
    const found = await series('countersign_requests_total');
    for (const dialect of ['none', ...DIALECTS.map(({ name }) => name)])
      for (const reason of ['internal_error', 'api_invalid', 'store_unavailable'])
        expect(found).toContain(
          `countersign_requests_total{decision="deny",reason="${reason}",dialect="${dialect}"} 0`,
        );
    expect(found.join('\n')).not.toContain('bad_signature');
  });

  test('of every kind that is watched, by cause', async () => {
    const found = await series('countersign_watch_restarts_total');
    for (const kind of [...KINDS, 'Secret', 'Service', 'Namespace'])
      expect(found).toContain(`countersign_watch_restarts_total{kind="${kind}",cause="Expired"} 0`);
  });

  test('and in what several processes show together', async () => {
    const [one, two] = [createMetrics(), createMetrics()];
    one.requests.inc({ decision: 'deny', reason: 'internal_error', dialect: 'Huawei' });
    const found = await series('countersign_requests_total', mergeMetrics([await one.export(), await two.export()]));
    expect(found).toContain('countersign_requests_total{decision="deny",reason="internal_error",dialect="Huawei"} 1');
    expect(found).toContain('countersign_requests_total{decision="deny",reason="internal_error",dialect="none"} 0');
  });
});
