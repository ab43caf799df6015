import { describe, expect, test } from '@jest/globals';
import { didYouMean, nearest } from '../../../src/api/did-you-mean.js';
import { joinPath } from '../../../src/api/problem.js';
import { durationMs, sizeBytes } from '../../../src/api/units.js';

describe('durationMs', () => {
  test.each([
    ['0s', 0],
    ['250ms', 250],
    ['15m', 900_000],
    ['1h30m', 5_400_000],
    ['1m1s1ms', 61_001],
  ])('reads %s as %d ms', (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });

  test.each(['', '5', '1.5h', '-1s', '3d', '1s ', '100000h'])('has no number for %j', (text) => {
    expect(durationMs(text)).toBeNaN();
  });
});

describe('sizeBytes', () => {
  test.each([
    ['1', 1],
    ['512Ki', 524_288],
    ['16Mi', 16_777_216],
  ])('reads %s as %d bytes', (text, bytes) => {
    expect(sizeBytes(text)).toBe(bytes);
  });

  test.each(['', '0', '4MB', '1Gi', '1.5Mi', '1e3'])('has no number for %j', (text) => {
    expect(sizeBytes(text)).toBeNaN();
  });
});

describe('nearest', () => {
  test('finds a slip of a letter, a swap and a wrong case', () => {
    const fields = ['hostnames', 'basePath', 'access'];
    expect(['hostname', 'bsaePath', 'ACCESS'].map((word) => nearest(word, fields))).toEqual(fields);
  });

  test('finds nothing far away or too long', () => {
    expect(nearest('listeners', ['hostnames', 'apis'])).toBeUndefined();
    expect(didYouMean('x'.repeat(1000), ['x'])).toBe('');
  });
});

test('joinPath quotes members that are no identifiers', () => {
  expect(joinPath(joinPath(joinPath('spec.apis', 0), 'match'), 'a/b')).toBe('spec.apis[0].match["a/b"]');
});
