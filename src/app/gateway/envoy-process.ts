/**
 * The child Envoy: started, restarted with back-off when it dies, drained and ended when the gateway stops.
 * It never outlives us: a guard process that only waits for our end kills it when we are killed ourselves.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { request } from 'node:http';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { createBackoff } from '../../lib/backoff.js';
import { AppError, errorMessage } from '../../lib/errors.js';
import { readLines } from '../../lib/read-lines.js';
import type { Logger } from '../../telemetry/logger.js';

export interface EnvoyProcessOptions {
  readonly path: string;
  /** Bootstrap file. */
  readonly bootstrapPath: string;
  /** Envoy's admin address, a Unix socket in a private folder. */
  readonly adminSocket: string;
  readonly concurrency: number | undefined;
  readonly log: Logger;
  /** Each line of Envoy's stdout, which is its access log. */
  readonly onAccessLog: (line: string) => void;
  readonly onExit: (message: string) => void;
}

export interface EnvoyProcess {
  /** @throws AppError `ERR_ENVOY_START` when the first start ends at once. */
  start(): Promise<void>;
  readonly pid: number | undefined;
  /** Closes the listeners, waits up to `drainMs` for requests in flight, then ends Envoy. */
  close(drainMs: number): Promise<void>;
}

/** Envoy that runs this long has started well: the next death is a new story. */
const STABLE_MS = 10_000;
/** Envoy ends within this after SIGTERM, or gets SIGKILL. */
const TERMINATE_MS = 3_000;

export function createEnvoyProcess(options: EnvoyProcessOptions): EnvoyProcess {
  const { path, bootstrapPath, adminSocket, concurrency, log, onAccessLog, onExit } = options;
  const backoff = createBackoff({ initialMs: 100, maxMs: 10_000 });
  const closing = new AbortController();
  let child: ChildProcess | undefined;
  let ended: Promise<string> = Promise.resolve('not started');

  const args = [
    ...[
      '-c',
      bootstrapPath,
      '--log-format',
      '%l|%n|%v',
      '--log-level',
      // Never more: at `debug` Envoy prints headers, those with the credentials of callers and backends too.
      log.isLevelEnabled('debug') ? 'info' : 'warning',
    ],
    // Access log lines reach us soon after the request; the default is 10 s.
    ...['--file-flush-interval-msec', '50'],
    // Several gateways on one machine must not share memory.
    '--disable-hot-restart',
    ...(concurrency === undefined ? [] : ['--concurrency', String(concurrency)]),
  ];

  function launch(): void {
    // In a group of its own: Ctrl-C is for us, who drain it first.
    const started = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    child = started;
    const guard = started.pid === undefined ? undefined : spawnGuard(started.pid);
    void tellLines(started.stdout, onAccessLog);
    // What Envoy says about connections that its own end cuts is of no use.
    void tellLines(started.stderr, (line) => logEnvoyLine(log, line, closing.signal.aborted));
    const startedAt = performance.now();
    ended = new Promise((resolve) => {
      started.once('error', (error) => resolve(errorMessage(error)));
      started.once('exit', (code, signal) =>
        resolve(signal ? `ended by ${signal}` : `ended with exit code ${String(code)}`),
      );
    });
    void ended.then(async (message) => {
      guard?.kill('SIGKILL');
      child = undefined;
      if (closing.signal.aborted) return;
      if (performance.now() - startedAt > STABLE_MS) backoff.reset();
      const waitMs = backoff.next();
      log.error({ retryMs: waitMs }, `Envoy ${message}; it is started again`);
      onExit(message);
      await delay(waitMs, undefined, { signal: closing.signal }).then(launch, () => undefined);
    });
  }

  return {
    get pid() {
      return child?.pid;
    },
    async start() {
      launch();
      const outcome = await Promise.race([ended, adminAnswers(adminSocket, closing.signal)]);
      if (outcome !== undefined) {
        closing.abort();
        throw new AppError('ERR_ENVOY_START', `${path} ${outcome}`);
      }
    },
    async close(drainMs) {
      closing.abort();
      if (!child) return;
      const running = child;
      await drain(adminSocket, drainMs, ended);
      running.kill('SIGTERM');
      const forced = setTimeout(() => running.kill('SIGKILL'), TERMINATE_MS);
      await ended;
      clearTimeout(forced);
    },
  };
}

/** Ends `pid` when the pipe from this process closes, which happens however this process ends. */
function spawnGuard(pid: number): ChildProcess {
  const guard = spawn('/bin/sh', ['-c', `read -r _; kill -TERM ${String(pid)}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.unref();
  guard.on('error', () => undefined);
  return guard;
}

async function tellLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  const lines = readLines(stream, { unfinished: 'keep' });
  for (;;) {
    // A pipe breaks with its process, whose end is told by itself.
    const next = await lines.next().catch(() => undefined);
    if (!next || next.done === true) return;
    onLine(next.value);
  }
}

const LEVELS: Readonly<Record<string, 'trace' | 'debug' | 'warn' | 'error'>> = {
  trace: 'trace',
  debug: 'trace',
  info: 'debug',
  warning: 'warn',
  error: 'error',
  critical: 'error',
};

function logEnvoyLine(log: Logger, line: string, ending: boolean): void {
  const match = /^(\w+)\|([\w.]+)\|(.*)$/.exec(line);
  const level = LEVELS[match?.[1] ?? ''] ?? 'warn';
  log[ending ? 'debug' : level](match ? `${match[2] ?? ''}: ${match[3] ?? ''}` : line);
}

/** Resolves with nothing once Envoy's admin socket answers. */
async function adminAnswers(socketPath: string, signal: AbortSignal): Promise<undefined> {
  while (!signal.aborted) {
    if ((await callAdmin(socketPath, 'GET', '/server_info').catch(() => undefined)) !== undefined) return undefined;
    await delay(20);
  }
  return undefined;
}

/** Closes the listen sockets; then waits for requests in flight, not for idle connections. */
async function drain(socketPath: string, drainMs: number, ended: Promise<string>): Promise<void> {
  const until = performance.now() + drainMs;
  let over = false;
  void ended.then(() => (over = true));
  try {
    await callAdmin(socketPath, 'POST', '/drain_listeners');
    while (!over && performance.now() < until) {
      const stats = await callAdmin(socketPath, 'GET', '/stats?usedonly&filter=^http\\..*downstream_rq_active$');
      // The admin listener counts this very call.
      if (!/^http\.(?!admin\.).*: [1-9]/m.test(stats)) return;
      await delay(25);
    }
  } catch {
    // An Envoy that does not answer has nothing left to drain.
  }
}

function callAdmin(socketPath: string, method: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, timeout: 2000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
      response.on('error', reject);
    });
    call.on('error', reject);
    call.on('timeout', () => call.destroy(new Error('timeout')));
    call.end();
  });
}
