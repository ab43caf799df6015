import { describe, expect, test } from '@jest/globals';
import { NodeTracker } from '../../../src/app/node-tracker.js';

const node = (id: string, stream: number, version = '1') => ({ id, cluster: 'test', stream, metadata: { version } });
const heldBy = (tracker: NodeTracker) =>
  Object.fromEntries(tracker.expected('authorizer').map(({ id, held }) => [id, held]));

describe('a node', () => {
  test('is expected once it finished a first sync', () => {
    const tracker = new NodeTracker(1000);
    tracker.connected('authorizer', node('a', 1));
    expect(tracker.expected('authorizer')).toEqual([]);
    expect(tracker.serves('authorizer')).toBe(false);
    tracker.holds('authorizer', node('a', 1), 3);
    expect(tracker.expected('authorizer')).toEqual([
      { kind: 'authorizer', id: 'a', held: 3, connected: true, version: '1' },
    ]);
    expect(tracker.expected('envoy')).toEqual([]);
  });

  test('that leaves before its first sync, or says goodbye, is not waited for', () => {
    const tracker = new NodeTracker(1000);
    tracker.connected('authorizer', node('a', 1));
    tracker.disconnected('authorizer', node('a', 1), false, 0);
    tracker.connected('authorizer', node('b', 2));
    tracker.holds('authorizer', node('b', 2), 1);
    tracker.disconnected('authorizer', node('b', 2), true, 0);
    expect(tracker.expected('authorizer')).toEqual([]);
    expect(tracker.expire(10_000)).toEqual([]);
  });

  test('that vanishes stays expected with what it held, until the time is over', () => {
    const tracker = new NodeTracker(1000);
    tracker.connected('authorizer', node('a', 1));
    tracker.holds('authorizer', node('a', 1), 5);
    tracker.disconnected('authorizer', node('a', 1), false, 100);
    expect(tracker.expected('authorizer')).toMatchObject([{ id: 'a', held: 5, connected: false }]);
    expect(tracker.expire(1099)).toEqual([]);
    expect(tracker.expire(1100)).toMatchObject([{ id: 'a' }]);
    expect(tracker.expected('authorizer')).toEqual([]);
  });

  test('that comes back counts with what it held before, until it has synced again', () => {
    const tracker = new NodeTracker(1000);
    tracker.connected('authorizer', node('a', 1));
    tracker.holds('authorizer', node('a', 1), 5);
    tracker.disconnected('authorizer', node('a', 1), false, 0);
    tracker.connected('authorizer', node('a', 2, '2'));
    expect(tracker.expire(5000)).toEqual([]);
    expect(heldBy(tracker)).toEqual({ a: 5 });
    expect(tracker.serves('authorizer')).toBe(false);
    tracker.holds('authorizer', node('a', 2), 9);
    expect(tracker.expected('authorizer')).toMatchObject([{ held: 9, version: '2' }]);
  });

  test('whose old stream ends after the new one began is not gone', () => {
    const tracker = new NodeTracker(1000);
    tracker.connected('authorizer', node('a', 1));
    tracker.holds('authorizer', node('a', 1), 5);
    tracker.connected('authorizer', node('a', 2));
    tracker.disconnected('authorizer', node('a', 1), false, 0);
    tracker.holds('authorizer', node('a', 1), 6);
    expect(heldBy(tracker)).toEqual({ a: 5 });
    expect(tracker.expire(5000)).toEqual([]);
  });

  test('that shares its name with another holds what both hold', () => {
    const tracker = new NodeTracker(1000);
    for (const stream of [1, 2]) tracker.connected('authorizer', node('a', stream));
    tracker.holds('authorizer', node('a', 1), 5);
    tracker.holds('authorizer', node('a', 2), 3);
    expect(heldBy(tracker)).toEqual({ a: 3 });
    tracker.holds('authorizer', node('a', 2), 6);
    expect(heldBy(tracker)).toEqual({ a: 5 });
  });
});
