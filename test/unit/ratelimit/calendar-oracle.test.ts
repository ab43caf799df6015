/** Quota windows against Python's zoneinfo: another implementation, on another copy of the time zone data. */
import { describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { windowAt } from '../../../src/ratelimit/calendar.js';

/** Clock changes of every kind: north, south, half an hour, at midnight, none; and a zone that left out a day. */
const ZONES = [
  'UTC',
  'Asia/Shanghai',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/Sao_Paulo',
  'Africa/Cairo',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'America/Santiago',
];
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PERIODS = ['Day', 'Week', 'Month'] as const;

/** Around every change of clocks, month end and year end of the years, and at each second around them. */
function instants(zone: string): number[] {
  const found: number[] = [];
  const around = (atMs: number): void => {
    for (const offsetMs of [-DAY_MS, -HOUR_MS, -1000, -1, 0, 1, 1000, HOUR_MS / 2, HOUR_MS, DAY_MS])
      found.push(atMs + offsetMs);
  };
  for (const year of [2011, 2018, 2026])
    for (let month = 0; month < 12; month++) {
      const { startMs, endMs } = windowAt('Month', zone, Date.UTC(year, month, 15));
      around(startMs);
      for (let dayMs = startMs; dayMs < endMs; dayMs += DAY_MS)
        if (offsetOf(zone, dayMs) !== offsetOf(zone, dayMs + DAY_MS))
          for (let atMs = dayMs; atMs < dayMs + DAY_MS; atMs += HOUR_MS)
            if (offsetOf(zone, atMs) !== offsetOf(zone, atMs + HOUR_MS)) around(atMs);
    }
  return found;
}

const formats = new Map<string, Intl.DateTimeFormat>();
function offsetOf(zone: string, atMs: number): string {
  let format = formats.get(zone);
  if (!format)
    formats.set(zone, (format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })));
  return format.formatToParts(atMs).find(({ type }) => type === 'timeZoneName')?.value ?? '';
}

const oracle = join(import.meta.dirname, '../../support/calendar-oracle.py');
const usable = spawnSync('python3', ['-c', 'import zoneinfo; zoneinfo.ZoneInfo("Europe/Berlin")']).status === 0;
if (!usable) process.stderr.write('NOT RUN: calendar windows against zoneinfo: no python3 ≥ 3.9 with time zone data\n');

(usable ? describe : describe.skip)('calendar windows', () => {
  test('are those of zoneinfo around clock changes, month ends and year ends', () => {
    const questions = Object.fromEntries(ZONES.map((zone) => [zone, instants(zone)]));
    const { stdout, stderr, status } = spawnSync('python3', [oracle], {
      input: JSON.stringify(questions),
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const answers = JSON.parse(stdout) as Record<string, number[][][]>;
    const differences: object[] = [];
    let compared = 0;
    for (const [zone, asked] of Object.entries(questions))
      for (const [i, atMs] of asked.entries())
        for (const [p, period] of PERIODS.entries()) {
          const { startMs, endMs } = windowAt(period, zone, atMs);
          compared += 1;
          if (answers[zone]?.[i]?.[p]?.join() !== `${startMs},${endMs}`)
            differences.push({
              zone,
              period,
              at: new Date(atMs).toISOString(),
              startMs,
              endMs,
              expected: answers[zone]?.[i]?.[p],
            });
        }
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(8000);
  }, 60_000);
});
