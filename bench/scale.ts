/**
 * The operator at size, on a real API server with real Envoy and authorizer processes: time of the first sync, time
 * from a write of the API to enforcement, and memory. The reference in the same run is the same cluster with one
 * object of each kind.
 * Usage: npm run bench:scale [-- --keys 10000 --groups 1000 --apis 10 --authorizations 10000 --plans 100 --edits 100]
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  startDataPlane,
  startProgram,
  build,
  type DataPlane,
  type Program,
} from '../test/support/gateway/data-plane.js';
import {
  findKubeBinaries,
  startKubeApiServer,
  type KubeApiServer,
} from '../test/support/kubernetes/kube-api-server.js';
import {
  connectAs,
  createNamespace,
  grantOperator,
  installCrds,
  OPERATOR_NAMESPACE,
} from '../test/support/kubernetes/kube-operator.js';
import { signedFetch } from '../test/support/signing/signed-fetch.js';

const option = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const SIZE = {
  keys: option('keys', 10_000),
  groups: option('groups', 1000),
  apis: option('apis', 10),
  authorizations: option('authorizations', 10_000),
  plans: option('plans', 100),
};
const EDITS = option('edits', 100);
const NAMESPACES = 10;
/** The API server of this machine, not ours, is the limit of how fast objects are made. */
const WRITERS = 32;

const apiVersion = 'countersign.dev/v1alpha1';
const pad = (n: number): string => String(n).padStart(11, '0');
const keyIdOf = (k: number): string => `BENCH${pad(k)}`;
const secretOf = (k: number): string => `bench-secret-${pad(k)}`;
const namespaceOf = (n: number): string => `bench-${String(n % NAMESPACES)}`;

interface Written {
  readonly path: string;
  readonly body: object;
}

function* objects(size: typeof SIZE): Generator<Written> {
  const ours = (namespace: string, plural: string, kind: string, name: string, spec: object): Written => ({
    path: `/apis/${apiVersion}/namespaces/${namespace}/${plural}`,
    body: { apiVersion, kind, metadata: { name, namespace }, spec },
  });
  for (let n = 0; n < NAMESPACES; n++)
    yield {
      path: `/api/v1/namespaces/${namespaceOf(n)}/services`,
      body: {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'backend', namespace: namespaceOf(n) },
        spec: { ports: [{ port: 80 }] },
      },
    };
  for (let k = 0; k < size.keys; k++) {
    const namespace = namespaceOf(k);
    yield {
      path: `/api/v1/namespaces/${namespace}/secrets`,
      body: {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: `k${k}`, namespace },
        type: 'countersign.dev/signature-key',
        stringData: { keyId: keyIdOf(k), secret: secretOf(k) },
      },
    };
    yield ours(namespace, 'signaturekeys', 'SignatureKey', `k${k}`, {
      ...{ usage: 'Caller', identity: 'SignatureKeyPair', type: 'HMAC' },
      ...{ keyID: keyIdOf(k), secretRef: { name: `k${k}` } },
    });
  }
  for (let g = 0; g < size.groups; g++)
    yield ours(namespaceOf(g), 'apigroups', 'ApiGroup', `g${g}`, {
      hostnames: ['127.0.0.1'],
      basePath: `/g${g}`,
      verification: { dialects: ['Huawei'] },
      backend: { type: 'Service', service: { name: 'backend', port: 80 } },
      environments: [{ name: 'release', default: true, match: { type: 'PathPrefix', value: 'release' } }],
      apis: Array.from({ length: size.apis }, (_, a) => ({
        name: `a${a}`,
        match: {
          path: a % 2 ? { type: 'Template', value: `/v1/r${a}/{id}` } : { type: 'Exact', value: `/v1/r${a}` },
          methods: ['GET'],
        },
      })),
    });
  // Key k may call the group k mod groups, which lies in its own namespace.
  for (let i = 0; i < size.authorizations; i++)
    yield ours(namespaceOf(i), 'authorizations', 'Authorization', `auth${i}`, {
      type: 'GatewaySignature',
      keys: { refs: [{ name: `k${i % size.keys}` }] },
      targets: [{ apiGroup: `g${i % size.groups}`, environment: 'release', apis: ['*'] }],
    });
  for (let p = 0; p < size.plans; p++)
    yield ours(namespaceOf(p), 'usageplans', 'UsagePlan', `p${p}`, {
      rateLimits: [{ name: 'rps', requests: 1000, interval: '1s', scope: 'Key' }],
      keys: { refs: [{ name: `k${p % size.keys}` }] },
      targets: [{ apiGroup: `g${p % size.groups}`, environment: 'release', apis: ['*'] }],
    });
}

async function writeAll(server: KubeApiServer, all: Generator<Written>): Promise<number> {
  let count = 0;
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      for (const { path, body } of all) {
        const { status, body: answer } = await server.request('POST', path, body);
        if (status !== 201) throw new Error(`POST ${path}: ${String(status)} ${String(answer['message'])}`);
        count += 1;
        if (count % 5000 === 0) console.log(`  ${count} objects written`);
      }
    }),
  );
  return count;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const memoryMb = ({ child }: Program): { now: number; peak: number } => {
  const text = readFileSync(`/proc/${String(child.pid)}/status`, 'utf8');
  const of = (field: string): number => Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(text)?.[1]) / 1024);
  return { now: of('VmRSS'), peak: of('VmHWM') };
};

const TICKS_PER_SECOND = 100; // USER_HZ of every Linux that Node runs on
const cpuSeconds = ({ child }: Program): number => {
  const fields =
    readFileSync(`/proc/${String(child.pid)}/stat`, 'utf8')
      .split(') ')[1]
      ?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
};

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;

async function until(what: string, withinMs: number, holds: () => Promise<boolean>, everyMs = 5): Promise<number> {
  const startedAt = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedAt > withinMs) throw new Error(`${what}: not within ${withinMs / 1000} s`);
    await sleep(everyMs);
  }
  return performance.now() - startedAt;
}

async function measure(name: string, size: typeof SIZE, edits: number): Promise<void> {
  const binaries = findKubeBinaries();
  if (typeof binaries === 'string') throw new Error(binaries);
  const server = await startKubeApiServer(binaries, {
    users: { 'token-operator': 'operator' },
    flags: ['--max-requests-inflight', '2000', '--max-mutating-requests-inflight', '1000'],
  });
  const backend = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1');
  await new Promise((resolve) => backend.once('listening', resolve));
  let plane: DataPlane | undefined;
  try {
    await installCrds(server);
    await createNamespace(server, OPERATOR_NAMESPACE);
    for (let n = 0; n < NAMESPACES; n++) await createNamespace(server, namespaceOf(n));
    await grantOperator(server, 'operator');
    const operator = await connectAs(server, 'token-operator');
    const writtenAt = performance.now();
    const count = await writeAll(server, objects(size));
    console.log(`${name}: ${count} objects written in ${((performance.now() - writtenAt) / 1000).toFixed(1)} s`);

    const port = (backend.address() as AddressInfo).port;
    plane = await startDataPlane({
      kubernetes: { kubeconfig: operator.kubeconfig },
      workers: 1,
      withController: false,
      controllerFlags: [
        ...['--log-level', 'info', '--lease-retry-period', '500ms'],
        ...Array.from({ length: NAMESPACES }, (_, n) => [
          '--service',
          `${namespaceOf(n)}/backend:80=127.0.0.1:${port}`,
        ]).flat(),
      ],
    });
    const { httpPort, adminUrl } = plane;
    const ask = (k: number, g: number, path = '/v1/r0'): Promise<number> =>
      signedFetch(`http://127.0.0.1:${httpPort}/g${g}/release${path}`, { keyId: keyIdOf(k), secret: secretOf(k) }).then(
        async (response) => (await response.text(), response.status),
        () => 0,
      );

    const startedAt = performance.now();
    const controller = startProgram(...plane.controllerArguments);
    plane.controller = controller;
    const last = Math.min(size.keys, size.groups) - 1;
    await until(
      'the first sync',
      300_000,
      async () => {
        if (controller.child.exitCode !== null) throw new Error(controller.output());
        return (await ask(last, last)) === 200;
      },
      50,
    );
    const servedS = (performance.now() - startedAt) / 1000;
    const servedCpuS = cpuSeconds(controller);
    console.log(
      `${name}: the last group answers ${servedS.toFixed(1)} s after the controller started (${servedCpuS.toFixed(1)} s of its CPU)`,
    );
    const ours = size.keys + size.groups + size.authorizations + size.plans;
    await until(
      'all statuses',
      300_000,
      async () => {
        const text = await fetch(`${adminUrl}/metrics`).then((response) => response.text());
        const good = [...text.matchAll(/^countersign_resources\{kind="\w+",ready="True"\} (\d+)/gm)];
        return good.reduce((sum, [, n]) => sum + Number(n), 0) === ours;
      },
      250,
    );
    const stored = async (): Promise<boolean> => {
      const { body } = await server.request(
        'GET',
        `/apis/${apiVersion}/namespaces/${namespaceOf(size.plans - 1)}/usageplans/p${size.plans - 1}`,
      );
      const conditions = (body['status'] as { conditions?: { type: string; status: string }[] } | undefined)
        ?.conditions;
      return conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
    };
    await until('the last status in the API', 300_000, stored, 250).catch((error: unknown) => {
      throw new Error(`${controller.output().slice(0, 3000)}\n…\n${controller.output().slice(-3000)}`, {
        cause: error,
      });
    });
    const statusS = (performance.now() - startedAt) / 1000;
    console.log(
      `${name}: the last status is stored ${statusS.toFixed(1)} s after the controller started (${cpuSeconds(controller).toFixed(1)} s of its CPU)`,
    );
    await sleep(2000);
    const editCpuS = cpuSeconds(controller);

    const patch = async (path: string, body: object): Promise<void> => {
      const { status } = await server.request('PATCH', path, body, 'application/merge-patch+json');
      if (status !== 200) throw new Error(`PATCH ${path}: ${status}`);
    };
    const [edited, revoked]: [number[], number[]] = [[], []];
    for (let i = 0; i < edits; i++) {
      const g = (i * 37) % Math.min(size.groups, size.keys);
      const group = `/apis/${apiVersion}/namespaces/${namespaceOf(g)}/apigroups/g${g}`;
      const state = (offline: boolean): object => ({
        spec: {
          environments: [
            {
              name: 'release',
              default: true,
              state: offline ? 'Offline' : 'Released',
              match: { type: 'PathPrefix', value: 'release' },
            },
          ],
        },
      });
      for (const [offline, wanted] of [
        [true, 404],
        [false, 200],
      ] as const) {
        await patch(group, state(offline));
        edited.push(await until('an edit', 30_000, async () => (await ask(g, g)) === wanted));
      }
      const key = `/apis/${apiVersion}/namespaces/${namespaceOf(g)}/signaturekeys/k${g}`;
      await patch(key, { spec: { state: 'Disabled' } });
      revoked.push(await until('a revoke', 30_000, async () => (await ask(g, g)) === 401));
      await patch(key, { spec: { state: 'Enabled' } });
      await until('a return', 30_000, async () => (await ask(g, g)) === 200);
    }
    console.log(
      `${name}: controller CPU per write of the API: ${(((cpuSeconds(controller) - editCpuS) * 1000) / (edits * 4)).toFixed(0)} ms`,
    );
    const spread = (values: readonly number[]): string =>
      `p50 ${percentile(values, 0.5).toFixed(0)} ms, p99 ${percentile(values, 0.99).toFixed(0)} ms, most ${Math.max(...values).toFixed(0)} ms`;
    const [c, a] = [memoryMb(controller), memoryMb(plane.authorizer)];
    console.log(`${name}: one edit of a group → enforced: ${spread(edited)} (${edited.length} edits)`);
    console.log(`${name}: a key disabled → refused: ${spread(revoked)} (${revoked.length} keys)`);
    console.log(`${name}: memory: controller ${c.now} MB (peak ${c.peak}), authorizer ${a.now} MB (peak ${a.peak})`);
    await operator.close();
  } finally {
    await plane?.close();
    backend.close();
    await server.stop();
  }
}

await build();
console.log('goals: first sync < 60 s, edit and revoke p99 ≤ 1000 ms, controller ≤ 600 MB, authorizer ≤ 300 MB');
await measure(
  'reference, one of each',
  { keys: 1, groups: 1, apis: 1, authorizations: 1, plans: 1 },
  Math.min(EDITS, 20),
);
await measure(
  `${SIZE.keys} keys, ${SIZE.groups} groups with ${SIZE.groups * SIZE.apis} APIs, ${SIZE.authorizations} authorizations, ${SIZE.plans} plans`,
  SIZE,
  EDITS,
);
