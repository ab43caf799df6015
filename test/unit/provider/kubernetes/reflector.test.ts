import { describe, expect, test } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type KubeApi,
  KubeApiError,
  type ListPage,
  type WatchEvent,
  type WatchOptions,
} from '../../../../src/provider/kubernetes/kube-api.js';
import {
  createReflector,
  type ReflectorOptions,
  type WatchIncident,
} from '../../../../src/provider/kubernetes/reflector.js';
import { SERVICE } from '../../../../src/provider/kubernetes/resource-types.js';
import { eventually } from '../../../support/eventually.js';

const object = (name: string, resourceVersion: string) => ({ metadata: { name, namespace: 'a', resourceVersion } });
const page = (resourceVersion: string, names: readonly string[] = [], continueToken?: string): ListPage => ({
  items: names.map((name) => object(name, '1')),
  resourceVersion,
  continueToken,
});
const forever = (signal: AbortSignal) =>
  new Promise<never>((_, fail) => signal.addEventListener('abort', () => fail(new Error('aborted'))));

type Watch = (options: WatchOptions) => AsyncGenerator<WatchEvent>;

/** A server that answers lists and watches in the given order, and the last one for ever. */
function start(
  { lists, watches }: { lists: (() => ListPage)[]; watches: Watch[] },
  options: Partial<ReflectorOptions> = {},
) {
  const seen = {
    lists: 0,
    watchedFrom: [] as (string | undefined)[],
    incidents: [] as WatchIncident[],
    /** Every wait that was asked for, ms; none really happens. */
    pauses: [] as number[],
    events: [] as string[],
  };
  const api = {
    list: async () => {
      const answer = lists[Math.min(seen.lists, lists.length - 1)];
      seen.lists += 1;
      return answer!();
    },
    watch: (_type: unknown, asked: WatchOptions) => {
      const watch = watches[Math.min(seen.watchedFrom.length, watches.length - 1)];
      seen.watchedFrom.push(asked.resourceVersion);
      return watch!(asked);
    },
  } as unknown as KubeApi;
  const reflector = createReflector({
    api,
    type: SERVICE,
    onReplace: (items) =>
      seen.events.push(`replace ${items.map((item) => (item['metadata'] as { name: string }).name).join()}`),
    onChange: (type, item) => seen.events.push(`${type} ${(item['metadata'] as { name: string }).name}`),
    onIncident: (incident) => seen.incidents.push(incident),
    pause: async (ms) => void (ms > 0 && seen.pauses.push(ms)),
    random: () => 0.5,
    ...options,
  });
  reflector.start();
  return { reflector, seen };
}

const quiet: Watch = async function* ({ signal }) {
  yield await forever(signal);
};
const sends = (...events: readonly WatchEvent[]): Watch =>
  async function* ({ signal }) {
    yield* events;
    yield await forever(signal);
  };
const fails = (error: Error): Watch =>
  async function* () {
    throw error;
  };
const status = (code: number): WatchEvent => ({
  type: 'ERROR',
  object: { kind: 'Status', code, message: 'told in the stream' },
});

describe('a reflector', () => {
  test('lists page by page, then watches from the version of the list', async () => {
    const { reflector, seen } = start({
      lists: [() => page('7', ['a', 'b'], 'more'), () => page('7', ['c'])],
      watches: [sends({ type: 'ADDED', object: object('d', '8') })],
    });
    await reflector.synced;
    await eventually(() => expect(seen.events).toEqual(['replace a,b,c', 'ADDED d']));
    expect(seen.watchedFrom).toEqual(['7']);
    await reflector.close();
  });

  test('goes on from the last event or bookmark when a watch breaks, and lists nothing again', async () => {
    const broken = new KubeApiError('the connection broke');
    const { reflector, seen } = start({
      lists: [() => page('7')],
      watches: [
        async function* () {
          yield { type: 'ADDED', object: object('a', '8') };
          yield { type: 'BOOKMARK', object: { metadata: { resourceVersion: '20' } } };
          throw broken;
        },
        quiet,
      ],
    });
    await eventually(() => expect(seen.watchedFrom).toEqual(['7', '20']));
    expect(seen.lists).toBe(1);
    expect(seen.incidents).toMatchObject([{ cause: 'Broken', relist: false }]);
    await reflector.close();
  });

  test.each([
    ['as the status of the response', fails(new KubeApiError('gone', { status: 410, reason: 'Expired' }))],
    ['as an event of the watch', sends(status(410))],
  ])('lists again after 410 %s, not sooner than the hold-off allows', async (_form, watch) => {
    const { reflector, seen } = start({ lists: [() => page('7', ['a']), () => page('9')], watches: [watch, quiet] });
    await eventually(() => expect(seen.watchedFrom).toEqual(['7', '9']));
    expect(seen.events).toEqual(['replace a', 'replace ']);
    expect(seen.incidents).toMatchObject([{ cause: 'Expired', relist: true }]);
    expect(seen.pauses.some((ms) => ms > 4900 && ms <= 5000)).toBe(true);
    await reflector.close();
  });

  test('a version that expires between two pages is one more list, held off', async () => {
    const { reflector, seen } = start({
      lists: [
        () => page('7', ['a'], 'more'),
        () => {
          throw new KubeApiError('gone', { status: 410 });
        },
        () => page('9', ['b']),
      ],
      watches: [quiet],
    });
    await eventually(() => expect(seen.events).toEqual(['replace b']));
    expect(seen.pauses.some((ms) => ms > 4900 && ms <= 5000)).toBe(true);
    await reflector.close();
  });

  test('counts a line that is no event, and lists again', async () => {
    const { reflector, seen } = start({ lists: [() => page('7')], watches: [sends({ type: 'MALFORMED' }), quiet] });
    await eventually(() => expect(seen.lists).toBe(2));
    expect(seen.incidents).toMatchObject([{ cause: 'Malformed', relist: true }]);
    await reflector.close();
  });

  test('waits as long as the server asks', async () => {
    const busy = new KubeApiError('too many requests', { status: 429, retryAfterMs: 7000 });
    const { reflector, seen } = start({
      lists: [
        () => {
          throw busy;
        },
        () => page('7'),
      ],
      watches: [fails(busy), quiet],
    });
    await eventually(() => expect(seen.watchedFrom).toHaveLength(2));
    expect(seen.pauses.filter((ms) => ms === 7000)).toHaveLength(2);
    await reflector.close();
  });

  test('waits longer from failure to failure, at most 3 s, and starts anew once data came', async () => {
    const broken = new KubeApiError('refused');
    const { reflector, seen } = start({
      lists: [() => page('7')],
      watches: [
        ...Array.from({ length: 7 }, () => fails(broken)),
        async function* () {
          yield { type: 'ADDED', object: object('a', '8') };
          throw broken;
        },
        quiet,
      ],
    });
    await eventually(() => expect(seen.watchedFrom).toHaveLength(9));
    expect(seen.pauses).toEqual([200, 400, 800, 1600, 3000, 3000, 3000, 200]);
    await reflector.close();
  });

  test('a server that ends every watch at once is not asked in a hot loop', async () => {
    const { reflector, seen } = start({
      lists: [() => page('7')],

      watches: [async function* () {}, async function* () {}, async function* () {}, quiet],
    });
    await eventually(() => expect(seen.watchedFrom).toHaveLength(4));
    expect(seen.pauses).toEqual([200, 400, 800]);
    await reflector.close();
  });

  test('a consumer that throws does not end the mirror', async () => {
    let calls = 0;
    const { reflector, seen } = start(
      { lists: [() => page('7')], watches: [sends({ type: 'ADDED', object: object('a', '8') })] },
      {
        onChange: () => {
          calls += 1;
          if (calls === 1) throw new Error('a bug');
        },
      },
    );
    await eventually(() => expect(calls).toBe(2));
    expect(seen.watchedFrom).toEqual(['7', '7']);
    await reflector.close();
  });

  test('asked to refresh, ends its watch and lists again without the hold-off; done when that list is', async () => {
    const { reflector, seen } = start({ lists: [() => page('7', ['a']), () => page('9', ['b'])], watches: [quiet] });
    await reflector.synced;
    await eventually(() => expect(seen.watchedFrom).toEqual(['7']));
    await reflector.refresh();
    expect(seen.events).toEqual(['replace a', 'replace b']);
    await eventually(() => expect(seen.watchedFrom).toEqual(['7', '9']));
    expect(seen.pauses).toEqual([]);
    expect(seen.incidents).toEqual([]);
    await reflector.close();
    await reflector.refresh();
  });

  test('a refresh outlasts lists that fail, and ends with close', async () => {
    let failing = true;
    const { reflector, seen } = start(
      {
        lists: [
          () => page('7'),
          () => {
            if (failing) throw new KubeApiError('the connection broke');
            return page('9', ['b']);
          },
        ],
        watches: [quiet],
      },
      { pause: async (_ms, signal) => delay(1, undefined, { signal }) },
    );
    await reflector.synced;
    const refreshed = reflector.refresh();
    await eventually(() => expect(seen.incidents.length).toBeGreaterThan(2));
    failing = false;
    await refreshed;
    expect(seen.events).toEqual(['replace ', 'replace b']);
    failing = true;
    const ended = reflector.refresh();
    await reflector.close();
    await ended;
  });
});
