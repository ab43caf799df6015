/** Runs a server of the command line from its start to the signal that ends it. */
import { errorMessage } from '../lib/errors.js';
import type { Logger } from '../telemetry/logger.js';
import { EXIT } from './io.js';
import { stopOnSignal } from './stop-on-signal.js';

export interface ServeOptions {
  readonly log: Logger;
  readonly start: () => Promise<void>;
  /** Also called when the start failed. */
  readonly close: () => Promise<void>;
  readonly signals?: readonly ('SIGINT' | 'SIGTERM')[];
}

/** Answers the exit code. The second signal ends the process at once. */
export async function serveUntilSignal({ log, start, close, signals }: ServeOptions): Promise<number> {
  const stopped = stopOnSignal((signal) => {
    log.info(`${signal}: stopping (once more ends at once)`);
    return close();
  }, signals);
  try {
    // A start that waits, as for an API server that is away, ends with the signal.
    await Promise.race([start(), stopped.done]);
  } catch (error) {
    // A signal during the start is no failure.
    if (!stopped.signalled()) {
      log.error(errorMessage(error));
      stopped.dispose();
      await close();
      return EXIT.failed;
    }
  }
  await stopped.done;
  log.info('stopped');
  return EXIT.ok;
}
