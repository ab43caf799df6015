/** A real Envoy for tests: started from a bootstrap, its access log as objects, stopped by its process id. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findEnvoy } from '../../../src/app/binaries/envoy.js';
import { BootstrapSchema, type Bootstrap } from '../../../src/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { toEnvoyJson } from '../../../src/xds/registry.js';
import { eventually } from '../eventually.js';

export async function envoyPath(): Promise<string> {
  const found = await findEnvoy({
    configured: process.env['COUNTERSIGN_ENVOY'],
    log: (line) => void process.stderr.write(`${line}\n`),
  });
  return found.path;
}

/** A folder whose path leaves room for socket names (at most 107 characters in all). */
export const socketFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'cs-'));

export interface EnvoyProcess {
  /** Access log, oldest first. */
  readonly accessLog: readonly Record<string, unknown>[];
  /** Envoy's own log. */
  readonly log: readonly string[];
  /** GET on the admin socket. */
  admin(path: string): Promise<string>;
  /** Default SIGTERM. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Resolves once Envoy answers on its admin socket. */
export async function startEnvoy(bootstrap: Bootstrap): Promise<EnvoyProcess> {
  const folder = await socketFolder();
  const configPath = join(folder, 'bootstrap.json');
  await writeFile(configPath, JSON.stringify(toEnvoyJson(BootstrapSchema, bootstrap)));
  const address = bootstrap.admin?.address?.address;
  if (address?.case !== 'pipe') throw new Error('the bootstrap has no admin socket');
  const envoy = await launchEnvoy(configPath, address.value.path);
  return {
    ...envoy,
    async stop(signal) {
      await envoy.stop(signal);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** From a bootstrap file whose admin socket is `socketPath`. */
export async function launchEnvoy(configPath: string, socketPath: string): Promise<EnvoyProcess> {
  const args = [
    '-c',
    configPath,
    '--disable-hot-restart',
    '--concurrency',
    '1',
    '-l',
    'warning',
    '--drain-time-s',
    '1',
    '--file-flush-interval-msec',
    '20',
  ];
  const child = spawn(await envoyPath(), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const accessLog: Record<string, unknown>[] = [];
  const log: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{')) accessLog.push(JSON.parse(line) as Record<string, unknown>);
    else log.push(line);
  });
  createInterface({ input: child.stderr }).on('line', (line) => log.push(line));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));

  const admin = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      request({ socketPath, path, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve(text));
      })
        .on('error', reject)
        .end();
    });
  await eventually(
    () => {
      if (child.exitCode !== null) throw new Error(`Envoy ended:\n${log.join('\n')}`);
      return admin('/server_info');
    },
    { withinMs: 15_000 },
  );

  return {
    accessLog,
    log,
    admin,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await exited;
      clearTimeout(timer);
    },
  };
}
