import { describe, expect, test } from '@jest/globals';
import { KubeApiError, type KubeApi, type RawObject } from '../../../../src/provider/kubernetes/kube-api.js';
import { createLeaderElector, type LeaderElector } from '../../../../src/provider/kubernetes/leader-election.js';

/** Time that passes only when the test says so. */
function createTimeline() {
  let nowMs = 0;
  let sequence = 0;
  let queue: { readonly atMs: number; readonly order: number; readonly wake: () => void }[] = [];
  return {
    now: () => nowMs,
    at: (ms: number) =>
      new Promise<void>((wake) => {
        queue.push({ atMs: nowMs + Math.max(0, ms), order: (sequence += 1), wake });
      }),
    /** Wakes the next sleeper and lets everything run that follows from it. */
    async step() {
      const [next] = [...queue].sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      if (!next) throw new Error('nobody sleeps');
      queue = queue.filter((each) => each !== next);
      nowMs = next.atMs;
      next.wake();
      for (let i = 0; i < 20; i += 1) await Promise.resolve();
    },
  };
}

/** Repeatable. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** One Lease with versions, as a server keeps it, behind a network of any latency that loses requests and answers. */
function createServer(timeline: ReturnType<typeof createTimeline>, random: () => number) {
  let stored: { version: number; object: RawObject } | undefined;
  let version = 0;
  const network = async () => {
    // Mostly quick, at times longer than a deadline.
    await timeline.at(random() < 0.9 ? random() * 200 : random() * 14_000);
    if (random() < 0.1) throw new KubeApiError('the connection broke');
  };
  const answer = (): RawObject => {
    const { object, version: at } = stored!;
    return { ...object, metadata: { ...(object['metadata'] as object), resourceVersion: String(at) } };
  };
  const call = async (act: () => RawObject): Promise<RawObject> => {
    await network();
    const result = act();
    await network();
    return result;
  };
  return {
    get: () =>
      call(() => {
        if (!stored) throw new KubeApiError('not found', { status: 404 });
        return answer();
      }),
    create: (_type: unknown, object: RawObject) =>
      call(() => {
        if (stored) throw new KubeApiError('exists', { status: 409 });
        stored = { version: (version += 1), object };
        return answer();
      }),
    replace: (_type: unknown, object: RawObject) =>
      call(() => {
        const { resourceVersion } = object['metadata'] as { resourceVersion?: string };
        if (resourceVersion !== String(stored?.version)) throw new KubeApiError('conflict', { status: 409 });
        stored = { version: (version += 1), object };
        return answer();
      }),
  } as unknown as KubeApi;
}

describe('leader election over a network of any latency', () => {
  test.each(Array.from({ length: 40 }, (_, seed) => [seed + 1]))(
    'never two leaders, terms that only grow, and somebody leads (seed %i)',
    async (seed) => {
      const timeline = createTimeline();
      const random = createRandom(seed);
      const api = createServer(timeline, random);
      const electors: LeaderElector[] = [];
      const terms: number[] = [];
      for (const identity of ['a', 'b', 'c']) {
        // Clocks begin anywhere and run up to 5 % wrong.
        const [offset, rate] = [random() * 1e9, 0.95 + random() * 0.1];
        electors.push(
          createLeaderElector({
            api,
            namespace: 'n',
            name: 'l',
            identity,
            onGained: (term) => terms.push(term),
            onLost: () => undefined,
            clock: timeline.now,
            monotonicMs: () => offset + timeline.now() * rate,
            pause: (ms) => timeline.at(ms * (0.5 + random() * 2)),
          }),
        );
      }
      for (const elector of electors) elector.start();
      let ledSteps = 0;
      for (let i = 0; i < 1500; i += 1) {
        await timeline.step();
        const leaders = electors.filter(({ isLeader }) => isLeader).length;
        expect(leaders).toBeLessThanOrEqual(1);
        ledSteps += leaders;
      }
      expect(ledSteps).toBeGreaterThan(500);
      expect(terms.length).toBeGreaterThan(0);
      expect(terms).toEqual([...new Set(terms)].sort((a, b) => a - b));
    },
  );

  test('refuses times that would let two lead', () => {
    const options = {
      api: {} as KubeApi,
      namespace: 'n',
      name: 'l',
      identity: 'a',
      onGained: () => undefined,
      onLost: () => undefined,
      clock: () => 0,
    };
    expect(() => createLeaderElector({ ...options, renewDeadlineMs: 15_000 })).toThrow(RangeError);
  });
});
