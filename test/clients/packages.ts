/** Vendor packages in a cache folder of the user, installed once by the registries' own tools. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { readSurroundings } from '../../src/config/surroundings.js';
import type { Missing } from './client.js';

const run = promisify(execFile);
const INSTALL_MS = 10 * 60_000;

const clientCache = (): string => join(readSurroundings().cacheFolder, 'clients');

const tell = (line: string): boolean => process.stderr.write(`${line}\n`);

/** The last line that a failed command printed. Node's own errors are of another realm than a test's `Error`. */
const lastLine = (error: unknown): string => {
  const { stderr, message } = error as { readonly stderr?: string; readonly message?: string };
  return (stderr?.trim() || message?.trim() || 'unknown error').split('\n').at(-1) ?? '';
};

/** Why a language cannot be used here. */
export async function missingCommand(command: string, ...args: readonly string[]): Promise<string | undefined> {
  return run(command, args, { timeout: 60_000 }).then(
    () => undefined,
    () => `${command} is not on PATH`,
  );
}

export interface PythonPackage {
  readonly distribution: string;
  readonly version: string;
  readonly module: string;
}

/** The versions whose signatures the vectors hold. */
export const PYTHON_PACKAGES = [
  { distribution: 'huaweicloudsdkcore', version: '3.1.219', module: 'huaweicloudsdkcore' },
  { distribution: 'jdcloud_sdk', version: '1.6.354', module: 'jdcloud_sdk' },
  { distribution: 'jdcloud-apim-sdk', version: '1.0.1', module: 'jdcloud_apim_sdk' },
] as const satisfies readonly PythonPackage[];

/** `pip install --target`: the folder to put on PYTHONPATH. */
export async function pythonPackage({
  distribution,
  version,
}: PythonPackage): Promise<{ readonly folder: string } | Missing> {
  const folder = join(clientCache(), `${distribution}-${version}`);
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check'];
  return install(folder, `PyPI ${distribution} ${version}`, (partial) =>
    run('python3', [...pip, '--target', partial, `${distribution}==${version}`], { timeout: INSTALL_MS }),
  );
}

/** `go build` of a package of a module, with what its go.sum pins. Built anew each time: Go's own cache makes that quick. */
export async function goProgram(module: string, name: string): Promise<{ readonly path: string } | Missing> {
  const missing = await missingCommand('go', 'version');
  if (missing) return { missing };
  const path = join(clientCache(), `go-${name}`);
  const partial = `${path}.${process.pid}.partial`;
  tell(`building the Go client ${name} …`);
  try {
    await run('go', ['list', '-mod=readonly', '-deps', `./${name}`], {
      cwd: module,
      timeout: INSTALL_MS,
      maxBuffer: 1e8,
    });
  } catch (error) {
    return { missing: `cannot fetch what the Go client ${name} needs: ${lastLine(error)}` };
  }
  // With everything at hand a failure is one of the program.
  await mkdir(dirname(path), { recursive: true });
  await run('go', ['build', '-mod=readonly', '-buildvcs=false', '-o', partial, `./${name}`], {
    cwd: module,
    timeout: INSTALL_MS,
  });
  await rename(partial, path);
  return { path };
}

async function install(
  folder: string,
  title: string,
  fill: (partial: string) => Promise<unknown>,
): Promise<{ readonly folder: string } | Missing> {
  if (existsSync(folder)) return { folder };
  const partial = `${folder}.${process.pid}.partial`;
  tell(`installing ${title} into ${folder} …`);
  try {
    await mkdir(dirname(folder), { recursive: true });
    await fill(partial);
    // Of two processes that install at once the second finds the folder of the first.
    await rename(partial, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
    return { folder };
  } catch (error) {
    return { missing: `cannot install ${title}: ${lastLine(error)}` };
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}
