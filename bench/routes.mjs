// Two figures: how long `countersign run` takes from start to ready with 10,000 APIs in 100 groups and 10,000
// keys, and Envoy's CPU per request there against a folder with one API, in the same run. Exit code 1 beyond the goals.
// Usage: npm run bench:routes [-- --requests 20000]
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const REQUESTS = option('requests', 20_000);
const ROUNDS = 3;
const LOAD_GOAL_S = 10;
const CPU_GOAL = 1.3;
const TICKS_PER_SECOND = 100; // USER_HZ of every Linux that Node runs on

const freePort = () =>
  new Promise((resolve) => {
    const probe = createTcp().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

function writeFolder(folder, { groups, apisPerGroup, keys, backendPort }) {
  mkdirSync(folder, { recursive: true });
  const header = 'apiVersion: countersign.dev/v1alpha1\n';
  for (let g = 0; g < groups; g++) {
    const apis = Array.from({ length: apisPerGroup }, (_, a) =>
      a % 2
        ? `    - {name: a${a}, match: {path: {type: Template, value: '/v1/r${a}/{id}'}, methods: [GET]}}`
        : `    - {name: a${a}, match: {path: {type: Exact, value: /v1/r${a}}, methods: [GET]}}`,
    );
    writeFileSync(
      join(folder, `group-${g}.yaml`),
      `${header}kind: ApiGroup\nmetadata: {name: g${g}, namespace: bench}\nspec:\n  hostnames: [127.0.0.1]\n  basePath: /g${g}\n  access: {authentication: None}\n  verification: {dialects: [Huawei]}\n` +
        `  backend: {type: URL, url: 'http://127.0.0.1:${backendPort}'}\n  environments:\n    - {name: release, default: true, match: {type: PathPrefix, value: release}}\n  apis:\n${apis.join('\n')}\n`,
    );
  }
  const perFile = 1000;
  for (let from = 0; from < keys; from += perFile) {
    const documents = [];
    for (let k = from; k < Math.min(keys, from + perFile); k++) {
      const id = `BENCH${String(k).padStart(11, '0')}`;
      documents.push(
        `${header}kind: SignatureKey\nmetadata: {name: k${k}, namespace: bench}\nspec: {usage: Caller, identity: SignatureKeyPair, type: HMAC, keyID: ${id}, secretRef: {name: k${k}}}\n`,
        `apiVersion: v1\nkind: Secret\nmetadata: {name: k${k}, namespace: bench}\ntype: countersign.dev/signature-key\nstringData: {keyId: ${id}, secret: bench-secret-${String(k).padStart(11, '0')}}\n`,
      );
    }
    writeFileSync(join(folder, `keys-${from}.yaml`), documents.join('---\n'));
  }
}

/** Ends what was started, whichever way this ends. */
const running = new Set();
async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  // SIGTERM ends its Envoy too; a process that hangs leaves it behind, so that takes long to be believed.
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  await exited;
  clearTimeout(timer);
}

async function start(folder, stateDir) {
  const [httpPort, adminPort] = [await freePort(), await freePort()];
  const startedAt = performance.now();
  const child = spawn(
    process.execPath,
    [
      join(root, 'dist/cli/main.js'),
      'run',
      folder,
      '--http-port',
      String(httpPort),
      '--admin-port',
      String(adminPort),
      '--state-dir',
      stateDir,
      '--log-level',
      'warn',
      // What is measured is CPU: on a machine that is busy with something else no check may count as unanswered.
      '--authorizer-timeout',
      '10s',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  running.add(child);
  for (;;) {
    if (child.exitCode !== null) throw new Error(`countersign run ended with ${child.exitCode}`);
    if (
      await fetch(`http://127.0.0.1:${adminPort}/readyz`).then(
        (r) => r.ok,
        () => false,
      )
    )
      break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const envoyPid = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ')[0]);
  return {
    httpPort,
    envoyPid,
    loadMs: performance.now() - startedAt,
  };
}

const cpuSeconds = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
};

async function drive(port, paths, count) {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  let next = 0;
  const one = (path) =>
    new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, path, agent }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        response.on('end', () =>
          response.statusCode === 200 ? resolve() : reject(new Error(`${path}: ${response.statusCode} ${text}`)),
        );
      })
        .on('error', reject)
        .end();
    });
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (next < count) await one(paths[next++ % paths.length]);
    }),
  );
  agent.destroy();
}

const work = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
const backend = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1');
await new Promise((resolve) => backend.once('listening', resolve));
const backendPort = backend.address().port;
try {
  writeFolder(join(work, 'one'), { groups: 1, apisPerGroup: 1, keys: 1, backendPort });
  writeFolder(join(work, 'many'), { groups: 100, apisPerGroup: 100, keys: 10_000, backendPort });
  const one = await start(join(work, 'one'), join(work, 'state-one'));
  const many = await start(join(work, 'many'), join(work, 'state-many'));
  const loadS = many.loadMs / 1000;
  console.log(
    `load: 10,000 APIs in 100 groups, 10,000 keys: ${loadS.toFixed(1)} s to ready (one API: ${(one.loadMs / 1000).toFixed(1)} s; goal < ${LOAD_GOAL_S} s)`,
  );
  const manyPaths = Array.from({ length: 5000 }, (_, i) => `/g${(i * 37) % 100}/v1/r${((i * 7) % 50) * 2}`);
  const perRequest = { one: [], many: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, gateway, paths] of [
      ['one', one, ['/g0/v1/r0']],
      ['many', many, manyPaths],
    ]) {
      await drive(gateway.httpPort, paths, 1000);
      const before = cpuSeconds(gateway.envoyPid);
      await drive(gateway.httpPort, paths, REQUESTS);
      perRequest[name].push(((cpuSeconds(gateway.envoyPid) - before) / REQUESTS) * 1e6);
    }
  }
  const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
  const [a, b] = [median(perRequest.one), median(perRequest.many)];
  console.log(
    `Envoy CPU per request: one API ${a.toFixed(0)} µs, 10,000 APIs ${b.toFixed(0)} µs, ratio ${(b / a).toFixed(2)} (goal ≤ ${CPU_GOAL})`,
  );
  // A comparison with NaN is false: no figure is no success.
  if (!(loadS < LOAD_GOAL_S && b / a <= CPU_GOAL)) {
    console.error('beyond the goals');
    process.exitCode = 1;
  }
} finally {
  await Promise.all([...running].map(end));
  backend.close();
  backend.closeAllConnections();
  rmSync(work, { recursive: true, force: true });
}
