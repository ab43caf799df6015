import { beforeEach, describe, expect, test } from '@jest/globals';
import { createStatusBoard, type StatusBoard } from '../../../src/app/controller/status-board.js';
import type { ConditionState, Reason } from '../../../src/api/conditions.js';
import type { StatusChanges } from '../../../src/app/controller/reported-statuses.js';

let nowMs: number;
let board: StatusBoard;
beforeEach(() => {
  nowMs = Date.UTC(2026, 0, 1);
  board = createStatusBoard(() => nowMs);
});

const ready = (status: ConditionState['status'], reason: Reason, message = ''): StatusChanges => ({
  gone: [],
  changed: new Map([
    [
      'ApiGroup/shop/orders',
      {
        object: { kind: 'ApiGroup', namespace: 'shop', name: 'orders' },
        generation: undefined,
        idle: undefined,
        fields: {},
        conditions: [{ type: 'Ready', status, reason, message }],
      },
    ],
  ]),
});
const reasons = (changes: StatusChanges): string[] => board.update(changes).map((change) => change.ready.reason);

describe('what a reader is told', () => {
  test('is nothing while all is well, and nothing of states that pass', () => {
    expect(reasons(ready('False', 'Propagating'))).toEqual([]);
    expect(reasons(ready('True', 'Ready'))).toEqual([]);
  });

  test('is a failure once, a changed message again, and the recovery once', () => {
    expect(reasons(ready('False', 'ServiceNotFound', 'a'))).toEqual(['ServiceNotFound']);
    expect(reasons(ready('False', 'ServiceNotFound', 'a'))).toEqual([]);
    expect(reasons(ready('False', 'ServiceNotFound', 'b'))).toEqual(['ServiceNotFound']);
    expect(reasons(ready('True', 'Ready'))).toEqual(['Ready']);
    expect(reasons(ready('True', 'Ready'))).toEqual([]);
  });
});

describe('the board', () => {
  test('keeps the time of a transition while the status stays, whatever the reason', () => {
    board.update(ready('False', 'ServiceNotFound'));
    nowMs += 1000;
    board.update(ready('False', 'SecretNotFound'));
    expect(board.entries[0]?.conditions[0]).toMatchObject({
      reason: 'SecretNotFound',
      lastTransitionTime: '2026-01-01T00:00:00.000Z',
    });
    board.update(ready('True', 'Ready'));
    expect(board.entries[0]?.conditions[0]).toMatchObject({ lastTransitionTime: '2026-01-01T00:00:01.000Z' });
  });

  test('counts objects by kind and readiness, and forgets those that are gone', () => {
    board.update(ready('True', 'Ready'));
    expect(board.counts()).toEqual([{ kind: 'ApiGroup', ready: 'True', count: 1 }]);
    board.update({ changed: new Map(), gone: ['ApiGroup/shop/orders'] });
    expect(board.entries).toEqual([]);
    expect(board.counts()).toEqual([]);
  });
});
