import { describe, expect, test } from '@jest/globals';
import { ReplayWindow } from '../../../src/backend/index.js';

const SKEW_MS = 300_000;
const admit = (window: ReplayWindow, marker: string, signedAtMs: number, nowMs = signedAtMs) =>
  window.admit(marker, signedAtMs, signedAtMs + SKEW_MS, nowMs);

describe('ReplayWindow', () => {
  test('knows a marker until its date would be refused anyway', () => {
    const window = new ReplayWindow();
    expect(admit(window, 'a', 0)).toBe('fresh');
    expect(admit(window, 'a', 0, SKEW_MS)).toBe('seen');
    expect(admit(window, 'b', 0)).toBe('fresh');
  });

  test('a full window refuses what is as old as what it forgot, and never admits a marker twice', () => {
    const window = new ReplayWindow({ maxEntries: 3 });
    for (const second of [1, 2, 3, 4]) expect(admit(window, `m${second}`, second * 1000)).toBe('fresh');
    expect(admit(window, 'm1', 1000, 4000)).toBe('forgotten');
    expect(admit(window, 'late', 500, 4000)).toBe('forgotten');
    expect(admit(window, 'm2', 2000, 4000)).toBe('seen');
    expect(admit(window, 'new', 5000)).toBe('fresh');
  });

  test('a date that is no number is not fresh', () => {
    const window = new ReplayWindow({ maxEntries: 1 });
    expect(window.admit('a', Number.NaN, Number.NaN, 0)).toBe('forgotten');
  });
});
