"""Calendar windows by Python's zoneinfo. Reads {zone: [epoch ms, ...]} from stdin, answers {zone: [[day, week, month], ...]}
with each window as [start ms, end ms]. A window starts at the first instant whose local date is in it."""
import json
import sys
from datetime import date, datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def local_date(zone, second):
    return (EPOCH + timedelta(seconds=second)).astimezone(zone).date()


@cache
def start_of(zone, day):
    """First second that the zone's calendar shows `day` or later: found second by second, without its offsets."""
    midnight = int((datetime(day.year, day.month, day.day, tzinfo=timezone.utc) - EPOCH).total_seconds())
    before, after = midnight - 40 * 3600, midnight + 40 * 3600
    # Local dates may step back for an hour after midnight; the first crossing counts, so walk up in short steps.
    step = 900
    second = before
    while second <= after and local_date(zone, second) < day:
        second += step
    low, high = second - step, second
    while high - low > 1:
        middle = (low + high) // 2
        if local_date(zone, middle) >= day:
            high = middle
        else:
            low = middle
    return high


def bounds(period, day):
    if period == "day":
        return day, day + timedelta(days=1)
    if period == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    first = day.replace(day=1)
    return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)


def window(zone, period, ms):
    day = local_date(zone, ms // 1000)
    while True:
        first, following = bounds(period, day)
        end = start_of(zone, following)
        if ms < end * 1000:
            return [start_of(zone, first) * 1000, end * 1000]
        day = following


def main():
    answers = {}
    for name, instants in json.load(sys.stdin).items():
        zone = ZoneInfo(name)
        answers[name] = [[window(zone, period, ms) for period in ("day", "week", "month")] for ms in instants]
    json.dump(answers, sys.stdout)


main()
