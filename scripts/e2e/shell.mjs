// Commands as the run gives them: their output, or an error that says what they printed.
import { spawn } from 'node:child_process';

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ input?: string, env?: NodeJS.ProcessEnv, cwd?: string, timeoutMs?: number, onLine?: (line: string) => void }} [options]
 * @returns {Promise<string>} stdout
 */
export function run(command, args, { input, env = process.env, cwd, timeoutMs = 300_000, onLine } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    let rest = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      if (!onLine) return;
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop();
      for (const line of lines) onLine(line);
    });
    child.stderr.on('data', (chunk) => (stderr += chunk));
    const timer = setTimeout(() => {
      stderr += `\nno end within ${timeoutMs / 1000} s`;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`${command}: ${error.message}`));
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(stdout);
      else reject(new CommandError(command, args, code, stdout, stderr));
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
  });
}

export class CommandError extends Error {
  constructor(command, args, code, stdout, stderr) {
    const words = args.map((arg) => (/\s/.test(arg) ? JSON.stringify(arg) : arg)).join(' ');
    super(
      `${command} ${words.slice(0, 300)}: exit code ${code}\n${`${stdout.slice(-2000)}${stderr.slice(-2000)}`.trim()}`,
    );
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

export async function eventually(body, { withinMs = 30_000, everyMs = 250 } = {}) {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    try {
      return await body();
    } catch (error) {
      if (performance.now() >= deadlineMs) throw error;
      await delay(everyMs);
    }
  }
}

export const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
