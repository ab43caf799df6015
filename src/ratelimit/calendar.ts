/**
 * Calendar windows of quotas: which day, week (from Monday) or month an instant belongs to in an IANA time
 * zone, and where that window starts and ends. Pure but for caches; the zone data is that of Intl.
 * A window starts at the first instant that the zone's calendar shows its first date, so days of 23, 24 and
 * 25 hours, midnights that are skipped or come twice, and dates that a zone left out all fall in place.
 */
import type { QuotaPeriod } from './store.js';

export type CalendarPeriod = Exclude<QuotaPeriod, 'Total'>;

/** `[startMs, endMs)` in milliseconds since the Unix epoch. */
export interface QuotaWindow {
  /** Period and first date, without the zone: a plan whose zone is edited goes on counting. No user text. */
  readonly windowId: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** How a store asks for windows; tests pass shorter ones. */
export type WindowAt = (period: CalendarPeriod, timeZone: string, atMs: number) => QuotaWindow;

const DAY_MS = 86_400_000;
/**
 * How long a counter outlives its window: longer than zones are apart (26 h), since a plan whose zone is edited goes
 * on with the counter of the same dates, in a window that may end later.
 */
export const QUOTA_GRACE_MS = 27 * 3_600_000;
/** Zone names come from users, and Intl takes them in any case: bound what is kept. */
const MAX_CACHED = 2048;

const formatters = new Map<string, Intl.DateTimeFormat>();
const currentWindows = new Map<string, QuotaWindow>();

/** True for IANA names and their aliases that this runtime knows; offsets like `+08:00` are not names. */
export function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(text)) return false;
  try {
    formatterOf(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The window of `period` that holds `atMs`. Cached per period and zone while it lasts.
 * @throws RangeError for a zone that `isTimeZone` refuses.
 */
export function windowAt(period: CalendarPeriod, timeZone: string, atMs: number): QuotaWindow {
  const name = `${period} ${timeZone}`;
  const cached = currentWindows.get(name);
  if (cached !== undefined && cached.startMs <= atMs && atMs < cached.endMs) return cached;
  const window = computeWindow(period, timeZone, atMs);
  remember(currentWindows, name, window);
  return window;
}

function computeWindow(period: CalendarPeriod, timeZone: string, atMs: number): QuotaWindow {
  let day = Math.floor((atMs + offsetAt(timeZone, atMs)) / DAY_MS);
  for (;;) {
    const [first, next] = bounds(period, day);
    const startMs = startOfDay(timeZone, first);
    const endMs = startOfDay(timeZone, next);
    // Just after midnight some clocks are set back into the date that has already ended; it stays ended.
    if (atMs < endMs) return { windowId: `${period}-${dateOf(first)}`, startMs, endMs };
    day = next;
  }
}

/** @param day since 1970-01-01. @returns `2026-11-30` */
const dateOf = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

/** First day of the period that holds `day`, and of the one after it; days since 1970-01-01 (a Thursday). */
function bounds(period: CalendarPeriod, day: number): readonly [first: number, next: number] {
  switch (period) {
    case 'Day':
      return [day, day + 1];
    case 'Week': {
      const monday = day - ((((day + 3) % 7) + 7) % 7);
      return [monday, monday + 7];
    }
    case 'Month': {
      const date = new Date(day * DAY_MS);
      const month = (offset: number): number =>
        Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + offset, 1) / DAY_MS;
      return [month(0), month(1)];
    }
  }
}

/** The first instant at which the zone shows `day` or a later date. */
function startOfDay(timeZone: string, day: number): number {
  const midnight = day * DAY_MS;
  // The offsets before and after any change of clocks near this midnight, and those at the two guesses.
  const around = [offsetAt(timeZone, midnight - 1.5 * DAY_MS), offsetAt(timeZone, midnight + 1.5 * DAY_MS)];
  const offsets = [...around, ...around.map((offset) => offsetAt(timeZone, midnight - offset))];
  const candidates = offsets
    .map((offset) => midnight - offset)
    .filter((instant) => offsetAt(timeZone, instant) === midnight - instant);
  if (candidates.length > 0) return Math.min(...candidates);
  // Midnight was skipped: the day starts at the jump. Local time only grows between these two instants.
  let before = midnight - Math.max(...offsets) - 1;
  let after = midnight - Math.min(...offsets);
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (middle + offsetAt(timeZone, middle) >= midnight) after = middle;
    else before = middle;
  }
  return after;
}

/** Local time minus UTC, in milliseconds. */
function offsetAt(timeZone: string, atMs: number): number {
  const whole = Math.floor(atMs / 1000) * 1000;
  const fields: Record<string, number> = {};
  for (const { type, value } of formatterOf(timeZone).formatToParts(whole)) fields[type] = Number(value);
  const { year = NaN, month = NaN, day = NaN, hour = NaN, minute = NaN, second = NaN } = fields;
  return Date.UTC(year, month - 1, day, hour, minute, second) - whole;
}

function formatterOf(timeZone: string): Intl.DateTimeFormat {
  const cached = formatters.get(timeZone);
  if (cached !== undefined) return cached;
  const formatter = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  remember(formatters, timeZone, formatter);
  return formatter;
}

function remember<T>(cache: Map<string, T>, name: string, value: T): void {
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(name, value);
}
