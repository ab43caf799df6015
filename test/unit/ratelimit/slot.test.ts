import { expect, test } from '@jest/globals';
import { slotOf } from '../../../src/ratelimit/redis/slot.js';

test('slots are those of the cluster specification', () => {
  // The check value of CRC-16/XMODEM, and keys whose slots the Redis documentation and its server name.
  expect(slotOf('123456789')).toBe(0x31c3);
  expect(slotOf('foo')).toBe(12_182);
  expect(slotOf('somekey')).toBe(11_058);
  expect(slotOf('')).toBe(0);
});
