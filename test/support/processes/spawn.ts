/** Child processes that run TypeScript of test/support/processes, so that a test can kill them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface TestProcess {
  readonly child: ChildProcess;
  /** Lines of stdout so far. */
  readonly lines: readonly string[];
  readonly errors: () => string;
  /** Resolves with the first line that `find` accepts, also one of the past. */
  line(find: (line: string) => boolean): Promise<string>;
  /** Sends a line of JSON and resolves with the next line of JSON. */
  ask<T>(question: object): Promise<T>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** Runs `name`.ts with `options` as its JSON argument. */
export function startProcess(name: string, options: object): TestProcess {
  const args = [
    '--experimental-transform-types',
    '--no-warnings',
    '--import',
    join(import.meta.dirname, 'typescript.mjs'),
    join(import.meta.dirname, `${name}.ts`),
    JSON.stringify(options),
  ];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const look of waiting) look();
  });
  child.stdin.on('error', () => undefined); // it was killed
  const closed = once(child, 'close');
  const lineFrom = (from: number, find: (line: string) => boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      let at = from;
      const look = (): void => {
        for (; at < lines.length; at++) {
          const line = lines[at] ?? '';
          if (!find(line)) continue;
          waiting.delete(look);
          return resolve(line);
        }
      };
      waiting.add(look);
      look();
      void closed.then(() => reject(new Error(`${name} ended: ${errors}`)));
    });
  return {
    child,
    lines,
    errors: () => errors,
    line: (find) => lineFrom(0, find),
    async ask<T>(question: object) {
      const answer = lineFrom(lines.length, (line) => line.startsWith('{'));
      child.stdin.write(`${JSON.stringify(question)}\n`);
      return JSON.parse(await answer) as T;
    },
    async kill() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}
