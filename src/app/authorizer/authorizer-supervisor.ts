/**
 * Several authorizer processes on one machine: starts them, starts again what dies, ends them together. A worker
 * that is started again learns the highest revision that any has seen, so that no stale controller can fool it.
 */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { createBackoff } from '../../lib/backoff.js';
import type { Logger } from '../../telemetry/logger.js';
import { mergeMetrics } from '../../telemetry/metrics.js';
import type { WorkerState } from './authorizer-worker.js';

/** From a worker. */
export type WorkerMessage =
  { readonly type: 'state'; readonly state: WorkerState } | { readonly type: 'metrics'; readonly metrics: unknown };
/** To a worker. */
export type SupervisorMessage = { readonly type: 'metrics' };

export interface AuthorizerSupervisorOptions {
  readonly workers: number;
  /** Starts a worker process with an IPC channel. */
  readonly spawn: (index: number, seenRevision: number) => ChildProcess;
  readonly log: Logger;
  readonly onState: () => void;
}

export interface AuthorizerSupervisor {
  start(): void;
  /** Of each worker; `undefined` = not running. */
  readonly states: readonly (WorkerState | undefined)[];
  readonly pids: readonly (number | undefined)[];
  /** Metrics of all workers, summed up. */
  renderMetrics(): Promise<string>;
  /** SIGTERM to all; resolves when they have drained and ended. */
  close(): Promise<void>;
}

/** A worker that ran this long had started well. */
const STABLE_MS = 10_000;
const METRICS_WITHIN_MS = 1_000;

interface Worker {
  child: ChildProcess | undefined;
  state: WorkerState | undefined;
  done: Promise<void>;
  answer: ((metrics: unknown) => void) | undefined;
}

export function createAuthorizerSupervisor(options: AuthorizerSupervisorOptions): AuthorizerSupervisor {
  const { spawn, log, onState } = options;
  const closing = new AbortController();
  let seenRevision = 0;
  const workers: Worker[] = Array.from({ length: options.workers }, () => ({
    child: undefined,
    state: undefined,
    done: Promise.resolve(),
    answer: undefined,
  }));

  async function keep(worker: Worker, index: number): Promise<void> {
    const backoff = createBackoff({ initialMs: 100, maxMs: 10_000 });
    while (!closing.signal.aborted) {
      const startedMs = performance.now();
      const message = await runOnce(worker, index);
      if (closing.signal.aborted) return;
      if (performance.now() - startedMs > STABLE_MS) backoff.reset();
      const retryMs = backoff.next();
      log.error({ worker: index, retryMs }, `an authorizer ${message}; it is started again`);
      await delay(retryMs, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  }

  /** Resolves when the process is gone, saying how. */
  function runOnce(worker: Worker, index: number): Promise<string> {
    const child = spawn(index, seenRevision);
    worker.child = child;
    child.on('message', (received: WorkerMessage) => {
      if (received.type === 'metrics') return worker.answer?.(received.metrics);
      worker.state = received.state;
      seenRevision = Math.max(seenRevision, received.state.revision);
      onState();
    });
    return new Promise((resolve) => {
      const end = (message: string): void => {
        worker.child = undefined;
        worker.state = undefined;
        worker.answer?.(undefined);
        onState();
        resolve(message);
      };
      child.once('error', (error) => end(`could not be started: ${error.message}`));
      child.once('exit', (code, signal) => end(signal ? `was ended by ${signal}` : `ended with exit code ${code}`));
    });
  }

  function metricsOf(worker: Worker): Promise<unknown> {
    const { child } = worker;
    if (!child?.connected) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const answer = (metrics: unknown): void => {
        clearTimeout(timer);
        worker.answer = undefined;
        resolve(metrics);
      };
      const timer = setTimeout(answer, METRICS_WITHIN_MS, undefined);
      worker.answer?.(undefined);
      worker.answer = answer;
      child.send({ type: 'metrics' } satisfies SupervisorMessage, (error) => error && answer(undefined));
    });
  }

  return {
    start() {
      for (const [index, worker] of workers.entries()) worker.done = keep(worker, index);
    },
    get states() {
      return workers.map(({ state }) => state);
    },
    get pids() {
      return workers.map(({ child }) => child?.pid);
    },
    async renderMetrics() {
      const parts = await Promise.all(workers.map(metricsOf));
      return mergeMetrics(parts.filter((part) => part !== undefined));
    },
    async close() {
      closing.abort();
      for (const { child } of workers) child?.kill('SIGTERM');
      await Promise.all(workers.map(({ done }) => done));
    },
  };
}
