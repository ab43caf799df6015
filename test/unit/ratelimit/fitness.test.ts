import { describe, expect, test } from '@jest/globals';
import { flawsOf } from '../../../src/ratelimit/redis/fitness.js';

const info = (fields: Readonly<Record<string, string>>): string =>
  `# Server\r\n${Object.entries({
    redis_version: '7.0.15',
    maxmemory_policy: 'noeviction',
    aof_enabled: '1',
    ...fields,
  })
    .map(([name, value]) => `${name}:${value}`)
    .join('\r\n')}\r\n`;
const checks = (fields: Readonly<Record<string, string>>): string[] => flawsOf(info(fields)).map(({ check }) => check);

describe('a server', () => {
  test.each([
    ['as it should be', {}, []],
    ['that evicts', { maxmemory_policy: 'allkeys-lru' }, ['eviction']],
    ['that evicts only what expires, as counters do', { maxmemory_policy: 'volatile-ttl' }, ['eviction']],
    ['without an append-only file', { aof_enabled: '0' }, ['persistence']],
    ['of 6.2', { redis_version: '6.2.14' }, ['version']],
    ['of 7.0', { redis_version: '7.0.0' }, []],
    ['of 10.1', { redis_version: '10.1.0' }, []],
    ['Valkey 9, which names the Redis it is compatible with', { redis_version: '7.2.4', valkey_version: '9.1.2' }, []],
    [
      'with everything wrong',
      { redis_version: '5.0.3', maxmemory_policy: 'allkeys-lfu', aof_enabled: '0' },
      ['eviction', 'persistence', 'version'],
    ],
  ])('%s', (_, fields, expected) => {
    expect(checks(fields)).toEqual(expected);
  });

  test('that says nothing has no known flaw', () => {
    expect(flawsOf('')).toEqual([]);
  });
});
