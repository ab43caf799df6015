/** What the machine gives besides settings: search path, cache folder, named variables. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from './load.js';

export interface Surroundings {
  /** The text of PATH. */
  readonly searchPath: string;
  /** Ours, below XDG_CACHE_HOME or ~/.cache. */
  readonly cacheFolder: string;
  /** REDIS_SERVER: the server executable of the demo and the tests. */
  readonly redisServer: string | undefined;
}

export function readSurroundings(environment: Environment = process.env): Surroundings {
  const cache = environment['XDG_CACHE_HOME'];
  return {
    searchPath: environment['PATH'] ?? '',
    // The XDG specification ignores relative values.
    cacheFolder: join(cache?.startsWith('/') ? cache : join(homedir(), '.cache'), 'countersign'),
    redisServer: environment['REDIS_SERVER'] || undefined,
  };
}

/** A variable that the user named on the command line (`--secret-env NAME`). */
export const readVariable = (name: string, environment: Environment = process.env): string | undefined =>
  environment[name];
