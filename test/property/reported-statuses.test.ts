/** Statuses that are reported change by change are those that are worked out at once, and so is the board of them. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ReportedStatuses } from '../../src/app/controller/reported-statuses.js';
import { createStatusBoard } from '../../src/app/controller/status-board.js';
import {
  objectStatus,
  Problems,
  withLimiter,
  withProgrammed,
  type LimiterState,
  type ProgrammedOutcome,
} from '../../src/translate/statuses/status.js';
import type { ObjectStatus } from '../../src/translate/translation.js';

const OBJECTS = ['ApiGroup', 'SignatureKey', 'UsagePlan'].flatMap((kind) =>
  ['one', 'two'].map((name) => ({ kind, namespace: 'shop', name })),
);
const idOf = ({ kind, namespace, name }: ObjectStatus['object']): string => `${kind}/${namespace}/${name}`;
const object = fc.constantFrom(...OBJECTS);

const outcome = fc.constantFrom<ProgrammedOutcome[]>(
  { type: 'Programmed' },
  { type: 'NoDataPlane' },
  { type: 'Rejected', message: 'one' },
  { type: 'Rejected', message: 'other' },
  { type: 'Propagating', acked: 1, expected: 2, lacking: ['a'] },
  { type: 'Propagating', acked: 1, expected: 2, lacking: ['b'] },
);
const status = fc
  .record({
    object,
    problem: fc.constantFrom<('error' | 'warn' | undefined)[]>('error', 'warn', undefined),
    idle: fc.constantFrom<ObjectStatus['idle'][]>('Disabled', 'Offline', undefined),
  })
  .map(({ object: { kind, ...metadata }, problem, idle }) => {
    const problems = new Problems({ kind, metadata });
    if (problem) problems[problem]('InvalidValue', 'spec', 'is bad');
    return objectStatus({ kind, metadata }, problems, {}, { idle });
  });
const step = fc.oneof(
  { weight: 4, arbitrary: status.map((to) => ({ type: 'put' as const, to })) },
  { weight: 2, arbitrary: object.map((of) => ({ type: 'delete' as const, of })) },
  { weight: 3, arbitrary: fc.tuple(object, outcome).map(([of, to]) => ({ type: 'outcome' as const, of, to })) },
  { weight: 1, arbitrary: fc.boolean().map((healthy) => ({ type: 'limiter' as const, healthy })) },
  { weight: 4, arbitrary: fc.constant({ type: 'report' as const }) },
);

test('what is reported change by change is what is worked out at once', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
      const [reported, board] = [new ReportedStatuses(), createStatusBoard(() => 0)];
      const statuses = new Map<string, ObjectStatus>();
      const outcomes = new Map<string, ProgrammedOutcome>();
      const outcomeOf = (id: string): ProgrammedOutcome => outcomes.get(id) ?? { type: 'Programmed' };
      let limiter: LimiterState = { mode: 'Single', healthy: true, message: '' };
      /** Of somebody who knows nothing but what changed. */
      const told = new Map<string, ObjectStatus>();
      for (const each of steps) {
        if (each.type === 'put') statuses.set(idOf(each.to.object), each.to);
        if (each.type === 'delete') statuses.delete(idOf(each.of));
        if (each.type === 'outcome') outcomes.set(idOf(each.of), each.to);
        if (each.type === 'limiter') limiter = { ...limiter, healthy: each.healthy };
        if (each.type !== 'report') continue;
        const changes = reported.update(statuses, outcomeOf, limiter);
        board.update(changes);
        for (const [id, to] of changes.changed) told.set(id, to);
        for (const id of changes.gone) told.delete(id);

        const expected = new Map(
          [...statuses].map(([id, of]) => [id, withProgrammed(withLimiter(of, limiter), outcomeOf(id))]),
        );
        expect(reported.all).toEqual(expected);
        expect(told).toEqual(expected);
        const shown = board.entries.map(({ object: of, conditions }) => [
          idOf(of),
          conditions.map(({ type, reason, message }) => `${type} ${reason} ${message}`),
        ]);
        const wanted = [...expected].map(([id, { conditions }]) => [
          id,
          conditions.map(({ type, reason, message }) => `${type} ${reason} ${message}`),
        ]);
        expect(new Set(shown)).toEqual(new Set(wanted));
        const counts = new Map<string, number>();
        for (const { object: of, conditions } of expected.values()) {
          const row = `${of.kind} ${conditions.find(({ type }) => type === 'Ready')!.status}`;
          counts.set(row, (counts.get(row) ?? 0) + 1);
        }
        expect(new Map(board.counts().map(({ kind, ready, count }) => [`${kind} ${ready}`, count]))).toEqual(counts);
      }
    }),
    { numRuns: 500 },
  );
});
