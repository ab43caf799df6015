import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hmac, isHmac, type HmacHash } from '../../src/signature/hmac.js';

interface Group {
  readonly tagSize: number;
  readonly tests: readonly {
    readonly tcId: number;
    readonly key: string;
    readonly msg: string;
    readonly tag: string;
    readonly result: 'valid' | 'invalid';
  }[];
}

const BITS = { sha1: 160, sha256: 256, sha384: 384, sha512: 512 } as const;

function readGroups(hash: HmacHash): readonly Group[] {
  const url = new URL(`../vectors/wycheproof/hmac_${hash}_test.json`, import.meta.url);
  return (JSON.parse(readFileSync(url, 'utf8')) as { testGroups: Group[] }).testGroups;
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

describe.each(Object.keys(BITS) as HmacHash[])('Wycheproof, HMAC with %s', (hash) => {
  test('a whole tag is accepted exactly where the case is valid, a cut one never', () => {
    const counts = { valid: 0, invalid: 0, cut: 0 };
    for (const { tagSize, tests } of readGroups(hash)) {
      const isCut = tagSize < BITS[hash];
      for (const { tcId, key, msg, tag, result } of tests) {
        const accepted = isHmac(hash, bytes(key), bytes(msg).toString('latin1'), bytes(tag));
        expect({ tcId, accepted }).toEqual({ tcId, accepted: result === 'valid' && !isCut });
        counts[isCut ? 'cut' : result]++;
      }
    }
    expect(counts.valid).toBeGreaterThan(30);
    expect(counts.invalid).toBeGreaterThan(30);
    expect(counts.cut).toBeGreaterThan(60);
  });

  test('keys and texts of any length: as createHmac', () => {
    const binary = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(
        fc.oneof(binary(300), fc.string({ maxLength: 200, unit: 'binary' })),
        binary(9_000),
        (key, message) => {
          const expected = createHmac(hash, key).update(message).digest();
          const text = message.toString('latin1');
          expect(hmac(hash, key, text, 'hex')).toBe(expected.toString('hex'));
          expect(hmac(hash, key, text, 'base64')).toBe(expected.toString('base64'));
          expect(isHmac(hash, key, text, expected)).toBe(true);
          expected[expected.length - 1]! ^= 1;
          expect(isHmac(hash, key, text, expected)).toBe(false);
        },
      ),
    );
  });

  test('keys around the block length, text beyond the buffer kept for it', () => {
    for (const keyLength of [0, 1, 63, 64, 65, 127, 128, 129, 384, 385]) {
      for (const textLength of [0, 8_191, 8_192, 8_193, 100_000]) {
        const key = 'k'.repeat(keyLength);
        const text = '\u00e9'.repeat(textLength);
        expect(hmac(hash, key, text, 'hex')).toBe(createHmac(hash, key).update(text, 'latin1').digest('hex'));
      }
    }
    const wide = '\u4e2d'.repeat(64); // 64 characters, 192 bytes of UTF-8
    expect(hmac(hash, wide, 'x', 'hex')).toBe(createHmac(hash, wide).update('x').digest('hex'));
  });
});
