/** Runs the command line in this process and captures what it prints. */
import type { CommandIo } from '../../src/cli/io.js';
import { runProgram } from '../../src/cli/program.js';

export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runCli(
  args: readonly string[],
  options: Partial<Omit<CommandIo, 'stdin'>> & { readonly stdin?: string } = {},
): Promise<Finished> {
  let stdout = '';
  let stderr = '';
  const { stdin = '', ...io } = options;
  const exitCode = await runProgram(args, {
    stdout: (text) => void (stdout += text),
    stderr: (text) => void (stderr += text),
    stdin: (async function* () {
      yield Buffer.from(stdin);
    })(),
    workingFolder: '/',
    environment: {},
    terminal: false,
    ...io,
  });
  return { exitCode, stdout, stderr };
}
