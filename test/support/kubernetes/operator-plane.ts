/**
 * The operator as a cluster has it: kube-apiserver, replicas of the controller as the operator's own user, and behind
 * the replica that leads an authorizer and an Envoy. Between controllers and API server is a proxy that can fail.
 */
import { createServer, connect, type AddressInfo, type Server } from 'node:net';
import {
  startDataPlane,
  startProgram,
  build,
  type ControllerStatus,
  type DataPlane,
  type Program,
} from '../gateway/data-plane.js';
import { eventually } from '../eventually.js';
import { startFaultProxy, type FaultProxy } from './fault-proxy.js';
import { startKubeApiServer, type KubeApiServer, type KubeBinaries } from './kube-api-server.js';
import {
  connectAs,
  createNamespace,
  grantOperator,
  installCrds,
  OPERATOR_NAMESPACE,
  type KubeUser,
} from './kube-operator.js';
import { freePort } from '../ports.js';

export type KubeObject = Readonly<Record<string, unknown>>;
export interface KubeCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** One controller process; `start` again after it ended. */
export interface Replica {
  readonly xdsPort: number;
  program: Program;
  /** What all its processes printed. */
  output(): string;
  /** Again, without waiting for it. */
  launch(): void;
  /** Again; ready when it resolves. */
  start(): Promise<void>;
  /** Default SIGTERM. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  status(): Promise<ControllerStatus & { readonly leader: boolean }>;
  metrics(): Promise<string>;
}

export interface OperatorPlane {
  readonly server: KubeApiServer;
  readonly user: KubeUser;
  /** Between the controllers and the API server. */
  readonly proxy: FaultProxy;
  readonly data: DataPlane;
  readonly replicas: readonly Replica[];
  /** Ready when it resolves; whether it leads is another matter. */
  addReplica(...flags: readonly string[]): Promise<Replica>;
  /** The one that leads and answers. */
  leader(): Promise<Replica>;
  /** New connections of Envoy and authorizers go to this replica, whether or not it leads; `undefined`: to the leader. */
  pin(replica: Replica | undefined): void;
  /** Creates or changes, in this order. */
  apply(...objects: readonly KubeObject[]): Promise<void>;
  /** Deletes an object of namespace `shop`. */
  remove(kind: string, name: string): Promise<void>;
  /** The stored object of namespace `shop`. */
  get(kind: string, name: string): Promise<KubeObject | undefined>;
  condition(kind: string, name: string, type: string): Promise<KubeCondition | undefined>;
  /** All of Envoy and the workers hold what the leader has now. */
  current(): Promise<void>;
  /** Lines of all controllers at level error or above. */
  errorLines(): readonly string[];
  close(): Promise<void>;
}

export interface OperatorPlaneOptions {
  readonly binaries: KubeBinaries;
  /** Default 1. */
  readonly replicas?: number;
  readonly workers?: number;
  readonly controllerFlags?: readonly string[];
  /** Of kube-apiserver. */
  readonly serverFlags?: readonly string[];
}

/** Quick enough for tests, slow enough for a machine that is shared. */
const LEASE_FLAGS = ['--lease-duration', '2s', '--lease-renew-deadline', '1500ms', '--lease-retry-period', '250ms'];

const PLURALS: Readonly<Record<string, string>> = {
  SignatureKey: 'signaturekeys',
  ApiGroup: 'apigroups',
  Authorization: 'authorizations',
  UsagePlan: 'usageplans',
};
const NAMESPACE = 'shop';

const collectionOf = (kind: string, namespace = NAMESPACE): string =>
  kind in PLURALS
    ? `/apis/countersign.dev/v1alpha1/namespaces/${namespace}/${PLURALS[kind] ?? ''}`
    : `/api/v1/namespaces/${namespace}/${kind.toLowerCase()}s`;

/** Sends each new connection to where `target` says then. */
async function startRelay(
  target: () => Promise<number | undefined>,
): Promise<{ port: number; server: Server; reset(): void }> {
  const open = new Set<() => void>();
  const server = createServer({ pauseOnConnect: true }, (client) => {
    const end = () => {
      open.delete(end);
      client.destroy();
    };
    open.add(end);
    client.on('error', end).on('close', end);
    void target().then((port) => {
      if (port === undefined || client.destroyed) return end();
      const upstream = connect(port, '127.0.0.1');
      upstream.on('error', end).on('close', end);
      client.on('close', () => upstream.destroy());
      client.pipe(upstream);
      upstream.pipe(client);
    }, end);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    port: (server.address() as AddressInfo).port,
    server,
    reset: () => {
      for (const end of [...open]) end();
    },
  };
}

/** Resolves when the replicas lead and, with objects or without, Envoy and all workers hold what there is. */
export async function startOperatorPlane(options: OperatorPlaneOptions): Promise<OperatorPlane> {
  const { binaries, workers = 2, controllerFlags = [], serverFlags = [] } = options;
  await build();
  const server = await startKubeApiServer(binaries, {
    users: { 'token-operator': 'operator', 'token-renewed': 'operator' },
    flags: serverFlags,
  });
  const closers: (() => Promise<unknown> | void)[] = [() => server.stop()];
  const close = async () => {
    for (const each of closers.splice(0).reverse()) await each();
  };
  try {
    await installCrds(server);
    for (const name of [NAMESPACE, OPERATOR_NAMESPACE]) await createNamespace(server, name);
    await grantOperator(server, 'operator');
    const proxy = await startFaultProxy(server.port);
    closers.push(() => proxy.close());
    const user = await connectAs(server, 'token-operator', proxy.port);
    closers.push(() => user.close());

    const replicas: Replica[] = [];
    let pinned: Replica | undefined;
    const leading = async (): Promise<Replica | undefined> => {
      const found = await Promise.all(
        replicas.map((each) =>
          each.status().then(
            ({ leader }) => (leader ? each : undefined),
            () => undefined,
          ),
        ),
      );
      return found.find((each) => each !== undefined);
    };
    const relay = await startRelay(async () => (pinned ?? (await leading()))?.xdsPort);
    closers.push(() => {
      relay.server.close();
      relay.reset();
    });
    const data = await startDataPlane({
      kubernetes: { kubeconfig: user.kubeconfig },
      workers,
      controllerAddress: `127.0.0.1:${String(relay.port)}`,
      controllerFlags: [...LEASE_FLAGS, ...controllerFlags],
      withController: false,
    });
    closers.push(() => data.close());

    async function addReplica(...flags: readonly string[]): Promise<Replica> {
      const [xdsPort, adminPort] = [await freePort(), await freePort()];
      const get = (path: string) =>
        fetch(`http://127.0.0.1:${String(adminPort)}${path}`, { signal: AbortSignal.timeout(500) });
      const launch = () =>
        startProgram(
          ...data.controllerArguments,
          ...['--xds-port', String(xdsPort), '--admin-port', String(adminPort), ...flags],
        );
      let ended = '';
      const replica: Replica = {
        xdsPort,
        program: launch(),
        output: () => ended + replica.program.output(),
        launch() {
          ended += replica.program.output();
          replica.program = launch();
        },
        async start() {
          replica.launch();
          await ready();
        },
        async stop(signal = 'SIGTERM') {
          replica.program.child.kill(signal);
          await replica.program.exit;
        },
        status: async () => (await (await get('/status')).json()) as Awaited<ReturnType<Replica['status']>>,
        metrics: async () => (await get('/metrics')).text(),
      };
      const ready = () =>
        eventually(
          async () => {
            if (replica.program.child.exitCode !== null) throw new Error(replica.program.output());
            if ((await get('/readyz')).status !== 200) throw new Error(`not ready\n${replica.program.output()}`);
          },
          { withinMs: 20_000, everyMs: 25 },
        );
      replicas.push(replica);
      closers.push(async () => {
        replica.program.child.kill('SIGKILL');
        await replica.program.exit;
      });
      await ready();
      return replica;
    }

    async function apply(object: KubeObject): Promise<void> {
      const { kind, metadata } = object as { kind: string; metadata: { name: string; namespace?: string } };
      const collection = collectionOf(kind, metadata.namespace);
      const created = await server.request('POST', collection, object);
      if (created.status === 201) return;
      if (created.status !== 409) throw new Error(`${kind} ${metadata.name}: ${JSON.stringify(created.body)}`);
      const changed = await server.request(
        'PATCH',
        `${collection}/${metadata.name}`,
        object,
        'application/merge-patch+json',
      );
      if (changed.status !== 200) throw new Error(`${kind} ${metadata.name}: ${JSON.stringify(changed.body)}`);
    }

    const plane: OperatorPlane = {
      server,
      user,
      proxy,
      data,
      replicas,
      addReplica,
      async leader() {
        return eventually(
          async () => {
            const found = await leading();
            if (!found) throw new Error('nobody leads');
            return found;
          },
          { withinMs: 15_000, everyMs: 50 },
        );
      },
      pin: (replica) => void (pinned = replica),
      async apply(...objects) {
        for (const object of objects) await apply(object);
      },
      async remove(kind, name) {
        await server.request('DELETE', `${collectionOf(kind)}/${name}`);
      },
      async get(kind, name) {
        const { status, body } = await server.request('GET', `${collectionOf(kind)}/${name}`);
        return status === 200 ? body : undefined;
      },
      async condition(kind, name, type) {
        const { status } = ((await plane.get(kind, name)) ?? {}) as { status?: { conditions?: KubeCondition[] } };
        return status?.conditions?.find((each) => each.type === type);
      },
      current: () =>
        eventually(
          async () => {
            const { nodes } = await (await plane.leader()).status();
            const held = nodes.filter(({ current }) => current).map(({ id }) => id);
            if (held.length < workers + 1 || held.length < nodes.length)
              throw new Error(`only ${held.join(', ')} of ${nodes.map(({ id }) => id).join(', ')}`);
          },
          { withinMs: 25_000, everyMs: 50 },
        ),
      errorLines: () =>
        replicas.flatMap((replica) =>
          replica
            .output()
            .split('\n')
            .filter((line) => /"level":"(error|fatal)"/.test(line)),
        ),
      close,
    };
    for (let i = 0; i < (options.replicas ?? 1); i += 1) await addReplica();
    await plane.current();
    return plane;
  } catch (error) {
    await close();
    throw error;
  }
}
