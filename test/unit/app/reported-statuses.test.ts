import { beforeEach, describe, expect, test } from '@jest/globals';
import { ReportedStatuses } from '../../../src/app/controller/reported-statuses.js';
import type { LimiterState, ProgrammedOutcome } from '../../../src/translate/statuses/status.js';
import type { ObjectStatus } from '../../../src/translate/translation.js';

const HEALTHY: LimiterState = { mode: 'Single', healthy: true, message: '' };
const AWAY: LimiterState = { mode: 'Single', healthy: false, message: 'refused' };
const statusOf = (kind: string, name: string): ObjectStatus => ({
  object: { kind, namespace: 'shop', name },
  generation: 1,
  conditions: [{ type: 'Accepted', status: 'True', reason: 'Accepted', message: '' }],
  idle: undefined,
  fields: {},
});
const KEY = 'SignatureKey/shop/app';
const PLAN = 'UsagePlan/shop/gold';
const programmed = (): ProgrammedOutcome => ({ type: 'Programmed' });

let statuses: ReportedStatuses;
let translated: Map<string, ObjectStatus>;
beforeEach(() => {
  statuses = new ReportedStatuses();
  translated = new Map([
    [KEY, statusOf('SignatureKey', 'app')],
    [PLAN, statusOf('UsagePlan', 'gold')],
  ]);
  statuses.update(translated, programmed, HEALTHY);
});

const changedBy = (outcomeOf: (id: string) => ProgrammedOutcome = programmed, limiter = HEALTHY): string[] => [
  ...statuses.update(translated, outcomeOf, limiter).changed.keys(),
];
const readyOf = (id: string) => statuses.all.get(id)?.conditions.find(({ type }) => type === 'Ready')?.reason;

describe('a status is told again', () => {
  test('not while nothing about it is new', () => {
    expect(changedBy()).toEqual([]);
  });

  test('when the object was translated to another one', () => {
    translated.set(KEY, statusOf('SignatureKey', 'app'));
    expect(changedBy()).toEqual([KEY]);
  });

  test('when the nodes say something else of it, in type or in words', () => {
    const rejected = (message: string) => (id: string) =>
      id === KEY ? ({ type: 'Rejected', message } as const) : programmed();
    expect(changedBy(rejected('one'))).toEqual([KEY]);
    expect(readyOf(KEY)).toBe('Rejected');
    expect(changedBy(rejected('one'))).toEqual([]);
    expect(changedBy(rejected('two'))).toEqual([KEY]);
    expect(changedBy()).toEqual([KEY]);
    expect(readyOf(KEY)).toBe('Ready');
  });

  test('when it is a plan and the counter store is otherwise', () => {
    expect(changedBy(programmed, AWAY)).toEqual([PLAN]);
    expect(changedBy(programmed, AWAY)).toEqual([]);
  });
});

test('an object that is gone is named once, and one of its name that comes back is new', () => {
  const status = translated.get(KEY)!;
  translated.delete(KEY);
  expect(statuses.update(translated, programmed, HEALTHY)).toEqual({ changed: new Map(), gone: [KEY] });
  expect([...statuses.all.keys()]).toEqual([PLAN]);
  expect(statuses.update(translated, programmed, HEALTHY).gone).toEqual([]);
  translated.set(KEY, status);
  expect(changedBy()).toEqual([KEY]);
});
