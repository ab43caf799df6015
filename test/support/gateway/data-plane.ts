/** Controller, authorizer and Envoy as processes of their own, as a cluster has them, over mTLS on this machine. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { createAuthority, type TestAuthority } from '../certificate.js';
import { launchEnvoy, type EnvoyProcess } from '../envoy/envoy-process.js';
import { eventually } from '../eventually.js';
import type { GatewayStatus } from './gateway.js';
import { freePort } from '../ports.js';
import { projectFolder } from '../project-folder.js';
import { writeTlsFolder, type TlsFolder } from '../tls-folder.js';

export interface Program {
  readonly child: ChildProcess;
  /** What it printed. */
  readonly output: () => string;
  readonly exit: Promise<[code: number | null, signal: string | null]>;
}

/** Builds when dist is older than src. Call it once, before the programs of a test. */
export async function build(): Promise<void> {
  const child = spawn(process.execPath, [join(projectFolder, 'scripts/countersign.mjs'), 'version'], {
    stdio: 'ignore',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error('the build failed');
}

/** The largest heaps, as the chart sets them: memory is measured, and crashes are found, with what ships. */
const { controller: ofController, authorizer: ofAuthorizer } = parse(
  readFileSync(join(projectFolder, 'charts/countersign/values.yaml'), 'utf8'),
) as { readonly controller: { readonly maxHeap: number }; readonly authorizer: { readonly maxHeap: number } };
const MAX_HEAPS: Readonly<Record<string, number>> = {
  controller: ofController.maxHeap,
  authorizer: ofAuthorizer.maxHeap,
};

export function startProgram(...args: readonly string[]): Program {
  const maxHeap = MAX_HEAPS[args[0] ?? ''];
  const child = spawn(process.execPath, [join(projectFolder, 'dist/cli/main.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: maxHeap === undefined ? {} : { NODE_OPTIONS: `--max-old-space-size=${String(maxHeap)}` },
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (output += String(chunk)));
  return { child, output: () => output, exit: once(child, 'exit') as Program['exit'] };
}

export interface WorkerStatus {
  readonly pid: number;
  readonly ready: boolean;
  readonly revision: number;
  readonly connected: boolean;
}

export interface ControllerStatus extends GatewayStatus {
  readonly revision: number;
  readonly nodes: readonly {
    readonly id: string;
    readonly kind: string;
    readonly connected: boolean;
    readonly current: boolean;
  }[];
}

export interface DataPlane {
  readonly httpPort: number;
  readonly authority: TestAuthority;
  /** Certificate files of each, to be replaced. */
  readonly tls: { readonly controller: TlsFolder; readonly authorizer: TlsFolder; readonly envoy: TlsFolder };
  readonly tlsFolderOf: (name: 'controller' | 'authorizer' | 'envoy') => string;
  readonly xdsAddress: string;
  /** Of the controller: /livez, /readyz, /metrics, /status. */
  readonly adminUrl: string;
  /** Arguments of `countersign controller`, for a further replica: later flags win over earlier ones. */
  readonly controllerArguments: readonly string[];
  controller: Program | undefined;
  readonly authorizer: Program;
  envoy: EnvoyProcess;
  /** Again, after `envoy.stop`. */
  startEnvoy(): Promise<void>;
  startController(): Promise<void>;
  /** Default SIGTERM. */
  stopController(signal?: NodeJS.Signals): Promise<void>;
  /** Of the folder. */
  edit(files: Readonly<Record<string, string | null>>): Promise<void>;
  status(): Promise<ControllerStatus>;
  workers(): Promise<readonly (WorkerStatus | null)[]>;
  /** Answers of the authorizer's admin address. */
  authorizerAdmin(path: string): Promise<{ readonly status: number; readonly text: string }>;
  close(): Promise<void>;
}

/** Whom the controller is to the API server, and what it watches. */
export interface KubernetesSource {
  readonly kubeconfig: string;
  /** Default: the current one of the kubeconfig. */
  readonly context?: string;
  /** Of the controller itself. Default: that of the context. */
  readonly namespace?: string;
  /** Default: all. */
  readonly watchNamespaces?: readonly string[];
}

export interface DataPlaneOptions {
  /** Of the folder that the controller serves; left out with `kubernetes`. */
  readonly files?: Readonly<Record<string, string>>;
  /** The controller watches an API server instead of a folder. */
  readonly kubernetes?: KubernetesSource;
  readonly workers?: number;
  /** host:port at which Envoy and authorizers ask for the controller, such as a proxy's. Default: the controller itself. */
  readonly controllerAddress?: string;
  readonly controllerFlags?: readonly string[];
  readonly authorizerFlags?: readonly string[];
  /** Default true. */
  readonly withController?: boolean;
}

const kubernetesFlags = ({ kubeconfig, context, namespace, watchNamespaces = [] }: KubernetesSource): string[] => [
  ...['--kubeconfig', kubeconfig],
  ...(context === undefined ? [] : ['--context', context]),
  ...(namespace === undefined ? [] : ['--namespace', namespace]),
  ...watchNamespaces.flatMap((each) => ['--watch-namespace', each]),
];

/** Resolves when everything that was started answers; with a controller, when Envoy and all workers serve. */
export async function startDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const {
    files = {},
    kubernetes,
    workers = 2,
    controllerFlags = [],
    authorizerFlags = [],
    withController = true,
  } = options;
  const folder = await mkdtemp(join(tmpdir(), 'cs-'));
  const [manifests, sockets, envoyFolder] = ['manifests', 's', 'envoy'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(manifests);
  const authority = createAuthority();
  const tlsFolderOf = (name: string): string => join(folder, 'tls', name);
  const tls = {
    controller: await writeTlsFolder(tlsFolderOf('controller'), authority.issue('countersign-controller'), authority),
    authorizer: await writeTlsFolder(tlsFolderOf('authorizer'), authority.issue('countersign-authorizer'), authority),
    envoy: await writeTlsFolder(tlsFolderOf('envoy'), authority.issue('countersign-envoy'), authority),
  };
  const tlsFlags = ({ certificatePath, privateKeyPath, caPath }: TlsFolder): string[] => [
    ...['--xds-cert', certificatePath, '--xds-key', privateKeyPath, '--xds-ca', caPath],
  ];
  const [httpPort, xdsPort, controllerAdminPort, authorizerAdminPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const dataPlaneFlags = [
    ...['--controller-address', options.controllerAddress ?? `127.0.0.1:${xdsPort}`, '--socket-dir', sockets],
    ...['--workers', String(workers), '--node-id', 'node'],
  ];
  const adminUrl = (port: number): string => `http://127.0.0.1:${port}`;
  const get = async (url: string) => {
    const response = await fetch(url);
    return { status: response.status, text: await response.text() };
  };
  const edit: DataPlane['edit'] = async (changed) => {
    for (const [name, text] of Object.entries(changed))
      await (text === null ? rm(join(manifests, name), { force: true }) : writeFile(join(manifests, name), text));
  };
  await edit(files);
  const controllerArguments = [
    'controller',
    ...(kubernetes ? kubernetesFlags(kubernetes) : ['--folder', manifests]),
    ...['--http-port', String(httpPort), '--xds-address', '127.0.0.1', '--xds-port', String(xdsPort)],
    ...['--admin-port', String(controllerAdminPort), '--log-level', 'debug'],
    ...tlsFlags(tls.controller),
    ...controllerFlags,
  ];

  const authorizer = startProgram(
    'authorizer',
    ...dataPlaneFlags,
    ...tlsFlags(tls.authorizer),
    ...['--admin-port', String(authorizerAdminPort), '--log-level', 'debug', '--drain-time', '3s'],
    ...authorizerFlags,
  );
  const bootstrapped = startProgram('bootstrap', envoyFolder, ...dataPlaneFlags, ...tlsFlags(tls.envoy));
  await bootstrapped.exit;

  const startEnvoy = () => launchEnvoy(join(envoyFolder, 'envoy.yaml'), join(sockets, 'envoy.sock'));

  const plane: DataPlane = {
    httpPort,
    authority,
    tls,
    tlsFolderOf,
    xdsAddress: `127.0.0.1:${xdsPort}`,
    adminUrl: adminUrl(controllerAdminPort),
    controllerArguments,
    controller: undefined,
    authorizer,
    envoy: await startEnvoy().catch((error: unknown) => {
      authorizer.child.kill('SIGKILL');
      throw error;
    }),
    async startEnvoy() {
      plane.envoy = await startEnvoy();
    },
    async startController() {
      const started = startProgram(...controllerArguments);
      plane.controller = started;
      await eventually(
        async () => {
          if (started.child.exitCode !== null) throw new Error(started.output());
          const { text, status } = await get(`${adminUrl(controllerAdminPort)}/readyz`);
          if (status !== 200) throw new Error(text);
        },
        { withinMs: 15_000, everyMs: 25 },
      );
    },
    async stopController(signal = 'SIGTERM') {
      plane.controller?.child.kill(signal);
      await plane.controller?.exit;
      plane.controller = undefined;
    },
    edit,
    status: async () => JSON.parse((await get(`${adminUrl(controllerAdminPort)}/status`)).text) as ControllerStatus,
    workers: async () =>
      (JSON.parse((await get(`${adminUrl(authorizerAdminPort)}/status`)).text) as { workers: (WorkerStatus | null)[] })
        .workers,
    authorizerAdmin: (path) => get(adminUrl(authorizerAdminPort) + path),
    async close() {
      await plane.stopController('SIGKILL');
      authorizer.child.kill('SIGTERM');
      await plane.envoy.stop();
      await authorizer.exit;
      await rm(folder, { recursive: true, force: true });
    },
  };
  if (!withController) return plane;
  const complete = async (): Promise<void> => {
    const { nodes } = await plane.status();
    const current = nodes.filter((node) => node.current).map(({ id }) => id);
    if (current.length === workers + 1) return;
    throw new Error(
      `only ${current.join(', ')} are there\n${authorizer.output()}\n${plane.controller?.output() ?? ''}\n${plane.envoy.log.join('\n')}`,
    );
  };
  try {
    await plane.startController();
    await eventually(complete, { withinMs: 20_000, everyMs: 25 });
    return plane;
  } catch (error) {
    await plane.close();
    throw error;
  }
}
