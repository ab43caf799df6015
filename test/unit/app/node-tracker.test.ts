import { describe, expect, test } from '@jest/globals';
import { NodeTracker } from '../../../src/app/controller/node-tracker.js';

const node = (id: string, stream: number, version = '1') => ({ id, cluster: 'test', stream, version });
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

  test('that answers at a port is one for Envoys that do not connect', () => {
    const tracker = new NodeTracker(1000);
    const standalone = { ...node('a', 1), metadata: { atPort: true } };
    tracker.connected('authorizer', standalone);
    tracker.holds('authorizer', standalone, 3);
    expect(tracker.expected('authorizer')).toMatchObject([{ id: 'a', atPort: true }]);
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

describe('the Envoy beside authorizers', () => {
  function synced(): NodeTracker {
    const tracker = new NodeTracker(1000);
    for (const id of ['pod/0', 'pod/1']) {
      tracker.connected('authorizer', node(id, Number(id.at(-1))));
      tracker.holds('authorizer', node(id, Number(id.at(-1))), 1);
    }
    tracker.connected('envoy', node('pod/envoy', 9));
    tracker.holds('envoy', node('pod/envoy', 9), 1);
    return tracker;
  }

  test.each([['before'], ['after']])('is not waited for when it goes %s all of them said goodbye', (when) => {
    const tracker = synced();
    if (when === 'before') tracker.disconnected('envoy', node('pod/envoy', 9), false, 0);
    tracker.disconnected('authorizer', node('pod/0', 0), true, 0);
    expect(tracker.expected('envoy')).toHaveLength(1);
    tracker.disconnected('authorizer', node('pod/1', 1), true, 0);
    if (when === 'after') tracker.disconnected('envoy', node('pod/envoy', 9), false, 0);
    expect(tracker.expected('envoy')).toEqual([]);
  });

  test('is waited for when one of them vanished, or is there again', () => {
    const vanished = synced();
    vanished.disconnected('authorizer', node('pod/0', 0), false, 0);
    vanished.disconnected('authorizer', node('pod/1', 1), true, 0);
    vanished.disconnected('envoy', node('pod/envoy', 9), false, 0);
    expect(vanished.expected('envoy')).toHaveLength(1);
    const back = synced();
    for (const id of [0, 1]) back.disconnected('authorizer', node(`pod/${String(id)}`, id), true, 0);
    back.connected('authorizer', node('pod/0', 2));
    back.disconnected('envoy', node('pod/envoy', 9), false, 0);
    expect(back.expected('envoy')).toHaveLength(1);
  });
});

test('a change waits for those that are connected or may come back, and not for one that is long gone', () => {
  const tracker = new NodeTracker(60_000);
  tracker.connected('authorizer', node('a', 1));
  tracker.connected('authorizer', node('new', 1));
  tracker.holds('authorizer', node('a', 1), 5);
  expect(tracker.hold('authorizer', 5, 0, 1000)).toBe(true);
  expect(tracker.hold('authorizer', 6, 0, 1000)).toBe(false);
  expect(tracker.hold('envoy', 6, 0, 1000)).toBe(true);
  tracker.disconnected('authorizer', node('a', 1), false, 100);
  expect(tracker.hold('authorizer', 6, 1099, 1000)).toBe(false);
  expect(tracker.hold('authorizer', 6, 1100, 1000)).toBe(true);
});

describe('a new leader', () => {
  test('expects those whom the leader before expected, as long as if they had vanished now', () => {
    const before = new NodeTracker(1000);
    before.connected('authorizer', node('a', 1));
    before.holds('authorizer', node('a', 1), 5);
    before.connected('envoy', node('pod/envoy', 1));
    before.holds('envoy', node('pod/envoy', 1), 5);
    before.connected('envoy', node('never synced', 2));
    const tracker = new NodeTracker(1000);
    tracker.take(before.names, 500);
    expect(tracker.expected('authorizer')).toMatchObject([{ id: 'a', held: 0, connected: false }]);
    expect(tracker.expected('envoy')).toMatchObject([{ id: 'pod/envoy', held: 0 }]);
    expect(tracker.serves('envoy')).toBe(false);
    tracker.connected('authorizer', node('a', 1));
    expect(heldBy(tracker)).toEqual({ a: 0 });
    tracker.holds('authorizer', node('a', 1), 2);
    expect(heldBy(tracker)).toEqual({ a: 2 });
    expect(tracker.expire(1499)).toEqual([]);
    expect(tracker.expire(1500)).toMatchObject([{ id: 'pod/envoy' }]);
  });

  test('that led before forgets who said goodbye meanwhile, and keeps what the others held', () => {
    const tracker = new NodeTracker(1000);
    for (const id of ['a', 'b']) {
      tracker.connected('authorizer', node(id, 1));
      tracker.holds('authorizer', node(id, 1), 5);
      tracker.disconnected('authorizer', node(id, 1), false, 0);
    }
    tracker.take('{"authorizer":["b","c"]}', 5000);
    expect(heldBy(tracker)).toEqual({ b: 5, c: 0 });
    expect(tracker.expire(5999)).toEqual([]);
  });

  test.each([['{'], ['null'], ['[]'], ['{"authorizer":{}}'], ['{"authorizer":[1,null]}']])(
    'takes nobody from %s',
    (text) => {
      const tracker = new NodeTracker(1000);
      tracker.take(text, 0);
      expect(tracker.expected('authorizer')).toEqual([]);
    },
  );

  test('gets no more names than an annotation can hold', () => {
    const tracker = new NodeTracker(1000);
    for (let i = 0; i < 5000; i += 1) {
      const name = `${'é"'.repeat(20)}/${String(i)}`;
      tracker.connected('authorizer', node(name, i));
      tracker.holds('authorizer', node(name, i), 1);
    }
    expect(Buffer.byteLength(tracker.names)).toBeLessThan(256 * 1024);
    expect((JSON.parse(tracker.names) as { authorizer: string[] }).authorizer.length).toBeGreaterThan(1000);
  });
});
