/** SIGINT and SIGTERM of commands that run until they are told to end. */
const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;

/** `done` resolves after `stop`, which the first signal calls; the second signal ends the process. */
export function stopOnSignal(
  stop: (signal: string) => Promise<void>,
  signals: readonly (keyof typeof EXIT_BY_SIGNAL)[] = ['SIGINT', 'SIGTERM'],
) {
  let first: string | undefined;
  let resolve: () => void;
  const done = new Promise<void>((r) => (resolve = r));
  const onSignal = (signal: NodeJS.Signals): void => {
    if (first !== undefined) process.exit(EXIT_BY_SIGNAL[signal as keyof typeof EXIT_BY_SIGNAL]);
    first = signal;
    void stop(signal).finally(() => {
      dispose();
      resolve();
    });
  };
  const dispose = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return { done, dispose, signalled: () => first !== undefined };
}
