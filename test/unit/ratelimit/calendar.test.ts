import { describe, expect, test } from '@jest/globals';
import { isTimeZone, windowAt, type CalendarPeriod } from '../../../src/ratelimit/calendar.js';

const DAY_MS = 86_400_000;

/** Expected bounds are those of Python's zoneinfo: `datetime(y, m, d, tzinfo=ZoneInfo(zone))` of both dates, in UTC. */
const windows: [period: CalendarPeriod, zone: string, at: string, start: string, end: string][] = [
  ['Day', 'Asia/Shanghai', '2026-11-22T15:59:59Z', '2026-11-21T16:00:00Z', '2026-11-22T16:00:00Z'],
  ['Day', 'Asia/Shanghai', '2026-11-22T16:00:00Z', '2026-11-22T16:00:00Z', '2026-11-23T16:00:00Z'],
  ['Day', 'America/New_York', '2026-03-08T12:00:00Z', '2026-03-08T05:00:00Z', '2026-03-09T04:00:00Z'],
  ['Day', 'America/New_York', '2026-11-01T12:00:00Z', '2026-11-01T04:00:00Z', '2026-11-02T05:00:00Z'],
  ['Day', 'Europe/Berlin', '2026-03-29T00:30:00Z', '2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z'],
  ['Week', 'Europe/Berlin', '2026-10-25T22:59:59Z', '2026-10-18T22:00:00Z', '2026-10-25T23:00:00Z'],
  ['Week', 'Europe/Berlin', '2026-10-25T23:00:00Z', '2026-10-25T23:00:00Z', '2026-11-01T23:00:00Z'],
  ['Day', 'Africa/Cairo', '2026-04-24T00:00:00Z', '2026-04-23T22:00:00Z', '2026-04-24T21:00:00Z'],
  ['Day', 'America/Havana', '2026-11-01T04:30:00Z', '2026-11-01T04:00:00Z', '2026-11-02T05:00:00Z'],
  ['Day', 'Asia/Beirut', '2026-03-29T05:00:00Z', '2026-03-28T22:00:00Z', '2026-03-29T21:00:00Z'],
  ['Day', 'America/Sao_Paulo', '2018-11-04T12:00:00Z', '2018-11-04T03:00:00Z', '2018-11-05T02:00:00Z'],
  ['Day', 'America/Sao_Paulo', '2018-02-18T02:30:00Z', '2018-02-17T02:00:00Z', '2018-02-18T03:00:00Z'],
  ['Day', 'Australia/Lord_Howe', '2026-04-05T01:00:00Z', '2026-04-04T13:00:00Z', '2026-04-05T13:30:00Z'],
  ['Month', 'Asia/Kathmandu', '2028-02-29T12:00:00Z', '2028-01-31T18:15:00Z', '2028-02-29T18:15:00Z'],
  ['Month', 'Pacific/Kiritimati', '2026-12-31T10:00:00Z', '2026-12-31T10:00:00Z', '2027-01-31T10:00:00Z'],
  ['Month', 'America/St_Johns', '2027-01-01T03:29:59Z', '2026-12-01T03:30:00Z', '2027-01-01T03:30:00Z'],
  ['Month', 'Asia/Shanghai', '2026-12-31T16:00:00Z', '2026-12-31T16:00:00Z', '2027-01-31T16:00:00Z'],
  ['Week', 'Asia/Shanghai', '2027-01-02T00:00:00Z', '2026-12-27T16:00:00Z', '2027-01-03T16:00:00Z'],
  ['Month', 'Europe/London', '2026-03-31T23:30:00Z', '2026-03-31T23:00:00Z', '2026-04-30T23:00:00Z'],
  ['Week', 'UTC', '1969-12-31T00:00:00Z', '1969-12-29T00:00:00Z', '1970-01-05T00:00:00Z'],
];

describe('calendar windows', () => {
  test.each(windows)('%s in %s at %s is [%s, %s)', (period, zone, at, start, end) => {
    const window = windowAt(period, zone, Date.parse(at));
    expect([window.startMs, window.endMs].map((ms) => new Date(ms).toISOString())).toEqual(
      [start, end].map((text) => new Date(text).toISOString()),
    );
  });

  test('the last millisecond of a window belongs to it, the next to the following one', () => {
    const end = Date.parse('2026-11-30T16:00:00Z');
    const last = windowAt('Month', 'Asia/Shanghai', end - 1);
    const next = windowAt('Month', 'Asia/Shanghai', end);
    expect(last.endMs).toBe(end);
    expect(next.startMs).toBe(end);
    expect(next.windowId).not.toBe(last.windowId);
  });

  test('windows of the same first date have the same name in every zone, and no name comes twice in one', () => {
    const at = Date.parse('2026-11-30T12:00:00Z');
    const names = ['UTC', 'Asia/Tokyo', 'America/New_York'].map((zone) => windowAt('Month', zone, at).windowId);
    expect(new Set(names)).toEqual(new Set(['Month-2026-11-01']));
    expect(windowAt('Week', 'UTC', at).windowId).toBe('Week-2026-11-30');
    // Clocks are set back over midnight into the day before: its window stays ended.
    const days = Array.from({ length: 24 * 400 }, (_, hour) =>
      windowAt('Day', 'America/Havana', at + hour * 3_600_000),
    );
    expect(new Set(days.map(({ windowId }) => windowId)).size).toBe(new Set(days.map(({ startMs }) => startMs)).size);
  });

  test('consecutive windows meet without gap or overlap over two years of clock changes', () => {
    for (const zone of ['Africa/Cairo', 'Australia/Lord_Howe', 'America/Havana']) {
      let window = windowAt('Day', zone, Date.UTC(2025, 0, 1));
      while (window.endMs < Date.UTC(2027, 0, 1)) {
        const next = windowAt('Day', zone, window.endMs);
        expect(next.startMs).toBe(window.endMs);
        expect(windowAt('Day', zone, next.startMs - 1)).toEqual(window);
        expect((next.endMs - next.startMs) / DAY_MS).toBeCloseTo(1, 0);
        window = next;
      }
    }
  });

  test('a date that the zone left out has no window of its own', () => {
    const before = windowAt('Day', 'Pacific/Apia', Date.parse('2011-12-30T09:59:59.999Z'));
    const after = windowAt('Day', 'Pacific/Apia', Date.parse('2011-12-30T10:00:00Z'));
    expect(new Date(before.endMs).toISOString()).toBe('2011-12-30T10:00:00.000Z');
    expect(new Date(after.endMs).toISOString()).toBe('2011-12-31T10:00:00.000Z');
  });

  test('an hour set back into the past date counts to the new one', () => {
    // Newfoundland went from 00:01 back to 23:01 on 2010-11-07: that date had begun and stays begun.
    const repeated = windowAt('Day', 'America/St_Johns', Date.parse('2010-11-07T03:00:00Z'));
    expect(new Date(repeated.startMs).toISOString()).toBe('2010-11-07T02:30:00.000Z');
  });
});

describe('time zone names', () => {
  test.each(['Asia/Shanghai', 'Asia/Calcutta', 'UTC', 'Etc/GMT+8', 'America/Argentina/Buenos_Aires', 'EST5EDT'])(
    'accepts %s',
    (name) => expect(isTimeZone(name)).toBe(true),
  );
  test.each(['', '+08:00', 'Mars/Olympus', 'Asia/Shanghai ', 'Asia/../UTC', 'x'.repeat(500)])('refuses %j', (name) =>
    expect(isTimeZone(name)).toBe(false),
  );
});
