/** The servers of examples/backends as processes, each where its language is installed. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const folder = join(import.meta.dirname, '../../examples/backends');

export interface ExampleBackend {
  readonly port: number;
  stop(): Promise<void>;
}

export interface ExampleLanguage {
  readonly name: string;
  /** Why it cannot run here. */
  readonly missing: string | undefined;
  start(environment: Readonly<Record<string, string>>): Promise<ExampleBackend>;
}

const finds = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

async function startProcess(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<ExampleBackend> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', PORT: '0', ...environment },
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const listening = /listens on 127\.0\.0\.1:(\d+)$/.exec(line);
      if (listening) resolve(Number(listening[1]));
    });
    child.once('error', reject).once('exit', (code) => reject(new Error(`${command} ended with ${code}`)));
  });
  return {
    port,
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function goBinary(): { readonly path: string; remove(): void } {
  const work = mkdtempSync(join(tmpdir(), 'cs-go-'));
  const path = join(work, 'backend');
  const built = spawnSync('go', ['build', '-o', path, '.'], { cwd: join(folder, 'go'), encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`go build failed:\n${built.stderr}`);
  return { path, remove: () => rmSync(work, { recursive: true, force: true }) };
}

export const EXAMPLE_LANGUAGES: readonly ExampleLanguage[] = [
  {
    name: 'Node',
    missing: undefined,
    start: (environment) => startProcess(process.execPath, [join(folder, 'node/server.mjs')], environment),
  },
  {
    name: 'Python',
    missing: finds('python3', '-c', 'import sys; sys.exit(sys.version_info < (3, 9))')
      ? undefined
      : 'python3 of version 3.9 or later is not on PATH',
    start: (environment) => startProcess('python3', [join(folder, 'python/server.py')], environment),
  },
  {
    name: 'Go',
    missing: finds('go', 'version') ? undefined : 'go is not on PATH',
    async start(environment) {
      const binary = goBinary();
      const backend = await startProcess(binary.path, [], environment);
      return {
        port: backend.port,
        async stop() {
          await backend.stop();
          binary.remove();
        },
      };
    },
  },
];
