/** SIGINT and SIGTERM of commands that run until they are told to end. */
const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * One Ctrl-C arrives up to three times: the terminal signals the whole group, and `npm run` and a wrapper script pass
 * on what they got. Within this time of the first, signals are that same wish.
 */
const SAME_WISH_MS = 1_000;

/** `done` resolves after `stop`, which the first signal calls; a later one ends the process. */
export function stopOnSignal(
  stop: (signal: string) => Promise<void>,
  signals: readonly (keyof typeof EXIT_BY_SIGNAL)[] = ['SIGINT', 'SIGTERM'],
) {
  let firstMs: number | undefined;
  let resolve: () => void;
  const done = new Promise<void>((r) => (resolve = r));
  const onSignal = (signal: NodeJS.Signals): void => {
    if (firstMs !== undefined) {
      if (performance.now() - firstMs >= SAME_WISH_MS)
        process.exit(EXIT_BY_SIGNAL[signal as keyof typeof EXIT_BY_SIGNAL]);
      return;
    }
    firstMs = performance.now();
    // An echo that comes after a quick end must not turn it into a death by signal.
    setTimeout(() => void done.then(dispose), SAME_WISH_MS).unref();
    void stop(signal).finally(() => resolve());
  };
  const dispose = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return { done, dispose, signalled: () => firstMs !== undefined };
}
