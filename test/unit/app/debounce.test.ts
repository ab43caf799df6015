import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createDebounce, type Debounce } from '../../../src/app/controller/debounce.js';

let runs: number;
let hold: Promise<void> | undefined;
let errors: unknown[];
let debounce: Debounce;
beforeEach(() => {
  jest.useFakeTimers({ now: 1_000_000 });
  runs = 0;
  hold = undefined;
  errors = [];
  debounce = createDebounce({
    quietMs: 50,
    maxMs: 500,
    clock: () => Date.now(),
    onError: (error) => errors.push(error),
    run: async () => {
      runs += 1;
      await hold;
    },
  });
});
afterEach(async () => {
  await debounce.close();
  jest.useRealTimers();
});

describe('a debounce', () => {
  test('runs once, when it has been quiet for 50 ms', async () => {
    for (let i = 0; i < 5; i++) {
      debounce.trigger();
      await jest.advanceTimersByTimeAsync(49);
    }
    expect(runs).toBe(0);
    await jest.advanceTimersByTimeAsync(1);
    expect(runs).toBe(1);
  });

  test('runs after 500 ms though events do not stop', async () => {
    for (let i = 0; i < 50; i++) {
      debounce.trigger();
      await jest.advanceTimersByTimeAsync(10);
    }
    expect(runs).toBe(1);
  });

  test('runs again, but never beside itself, for events during a run', async () => {
    let release = (): void => undefined;
    hold = new Promise((resolve) => (release = resolve));
    debounce.trigger();
    await jest.advanceTimersByTimeAsync(50);
    debounce.trigger();
    await jest.advanceTimersByTimeAsync(100);
    expect(runs).toBe(1);
    release();
    await jest.advanceTimersByTimeAsync(0);
    expect(runs).toBe(2);
  });

  test('runs at its alarm, also one farther away than a timer reaches', async () => {
    debounce.setAlarm(Date.now() + 40 * 86_400_000);
    await jest.advanceTimersByTimeAsync(40 * 86_400_000 - 10);
    expect(runs).toBe(0);
    await jest.advanceTimersByTimeAsync(20);
    expect(runs).toBe(1);
  });

  test('flushes: runs at once what waits, and is done when nothing runs', async () => {
    await debounce.flush();
    expect(runs).toBe(0);
    debounce.trigger();
    await debounce.flush();
    expect(runs).toBe(1);
    await jest.advanceTimersByTimeAsync(1000);
    expect(runs).toBe(1);
  });

  test('goes on after a run that failed', async () => {
    hold = Promise.reject(new Error('broken'));
    hold.catch(() => undefined);
    debounce.trigger();
    await jest.advanceTimersByTimeAsync(50);
    expect(errors).toHaveLength(1);
    hold = undefined;
    debounce.trigger();
    await jest.advanceTimersByTimeAsync(50);
    expect(runs).toBe(2);
  });
});
