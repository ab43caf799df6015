/** A real Redis (or Valkey) server on a free port with a data folder of its own. */
import { createClient } from '@redis/client';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRedisServer } from '../../src/app/binaries/redis.js';
import { eventually } from './eventually.js';
import { freePort } from './ports.js';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** A command on a connection of the test's own. */
  command(...args: string[]): Promise<unknown>;
  /** SIGSTOP: connections stay open, nothing is answered. */
  stall(): void;
  resume(): void;
  /** SIGKILL, no farewell. */
  kill(): Promise<void>;
  /** Again after `kill`: same port, same data folder. */
  start(): Promise<void>;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** More settings, as on the command line: `['--appendonly', 'yes']`. */
  readonly settings?: readonly string[];
}

/** Starts a server; it is ready when this resolves. */
export async function startRedis({ settings = [] }: RedisServerOptions = {}): Promise<RedisServer> {
  const executable = await findRedisServer({ log: () => undefined });
  const folder = await mkdtemp(join(tmpdir(), 'countersign-redis-'));
  let port = await freePort();
  let child: ChildProcess;
  let output = '';
  let control: ReturnType<typeof connectControl> | undefined;

  async function start(): Promise<void> {
    output = '';
    const fixed = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', '', '--daemonize', 'no'];
    child = spawn(executable, [...fixed, ...settings], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await eventually(() => {
      if (!/Ready to accept connections/i.test(output) && child.exitCode === null) throw new Error(output);
    });
    if (child.exitCode !== null) throw new Error(`Redis ended with ${child.exitCode}: ${output}`);
    control = connectControl(port);
    await control.connect();
  }
  async function kill(): Promise<void> {
    control?.destroy();
    control = undefined;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  // Another process may have taken the port in between.
  await start().catch(async (error: unknown) => {
    if (!/in use/i.test(output)) throw error;
    port = await freePort();
    await start();
  });
  return {
    get url() {
      return `redis://127.0.0.1:${port}`;
    },
    get port() {
      return port;
    },
    command: async (...args) => control?.sendCommand(args),
    stall: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    kill,
    start,
    async stop() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function connectControl(port: number) {
  const client = createClient({
    url: `redis://127.0.0.1:${port}`,
    socket: { reconnectStrategy: false },
    commandOptions: { timeout: 0 },
  });
  client.on('error', () => undefined);
  return client;
}
