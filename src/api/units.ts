/** Durations and sizes as the schema writes them. Both take text that the schema has accepted. */

const UNIT_MS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/** Milliseconds of a Gateway API duration (GEP-2257): `15m`, `1h30m`, `250ms`. NaN when it is none. */
export function durationMs(text: string): number {
  if (!/^([0-9]{1,5}(h|m|s|ms)){1,4}$/.test(text)) return NaN;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/([0-9]+)(ms|h|m|s)/g)) {
    total += Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return total;
}

const UNIT_BYTES = { '': 1, Ki: 1024, Mi: 1024 * 1024 } as const;

/** Bytes of a size: `4Mi`, `512Ki`, `1500`. NaN when it is none. */
export function sizeBytes(text: string): number {
  const match = /^([1-9][0-9]{0,7})(Ki|Mi)?$/.exec(text);
  return match ? Number(match[1]) * UNIT_BYTES[(match[2] ?? '') as keyof typeof UNIT_BYTES] : NaN;
}
