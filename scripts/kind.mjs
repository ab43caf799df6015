// A cluster in Docker for development: `up` makes it, builds and loads the image and installs the chart; `e2e` runs the
// end-to-end run on it; `down` removes it. Needs docker, kind, kubectl and helm.
// Usage: npm run kind:up | kind:e2e [-- OPTIONS OF e2e] | kind:down
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NAME = 'countersign';
const CONTEXT = `kind-${NAME}`;
const IMAGE = 'countersign:dev';
/** Mapped to this machine, so that what ends pods does not end the way to the gateway. */
const NODE_PORT = 30080;
const HOST_PORT = 8080;

const root = fileURLToPath(new URL('../', import.meta.url));
process.chdir(root);
const [command, ...rest] = process.argv.slice(2);

const works = (name, ...args) => spawnSync(name, args, { stdio: 'ignore' }).status === 0;
function run(name, ...args) {
  console.log(`$ ${name} ${args.join(' ')}`);
  const { status, error } = spawnSync(name, args, { stdio: 'inherit' });
  if (error || status !== 0) throw new Failure(`${name} ${args[0]} failed${error ? `: ${error.message}` : ''}`);
}
class Failure extends Error {}
function end(message) {
  console.error(message);
  process.exit(1);
}

/** The first thing that is missing, in one line. */
function missing() {
  if (!works('docker', '--version')) return 'docker is not on PATH';
  if (!works('docker', 'info')) return 'docker has no daemon that answers';
  for (const [name, ...args] of [
    ['kind', 'version'],
    ['kubectl', 'version', '--client'],
    ['helm', 'version'],
  ])
    if (!works(name, ...args)) return `${name} is not on PATH`;
  return undefined;
}

const values = {
  image: { repository: 'docker.io/library/countersign', tag: 'dev', pullPolicy: 'Never' },
  gateway: { service: { type: 'NodePort' }, http: { nodePort: NODE_PORT } },
};

function up() {
  const existing = spawnSync('kind', ['get', 'clusters'], { encoding: 'utf8' }).stdout.split('\n');
  if (!existing.includes(NAME)) {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-kind-'));
    const file = join(folder, 'kind.json');
    const ports = [{ containerPort: NODE_PORT, hostPort: HOST_PORT, listenAddress: '127.0.0.1' }];
    const nodes = [{ role: 'control-plane', extraPortMappings: ports }];
    writeFileSync(file, JSON.stringify({ kind: 'Cluster', apiVersion: 'kind.x-k8s.io/v1alpha4', nodes }));
    run('kind', 'create', 'cluster', '--name', NAME, '--config', file, '--wait', '120s');
    rmSync(folder, { recursive: true });
  }
  run('docker', 'build', '--tag', IMAGE, '.');
  run('kind', 'load', 'docker-image', IMAGE, '--name', NAME);
}

function withValues(use) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-kind-'));
  const file = join(folder, 'values.json');
  writeFileSync(file, JSON.stringify(values));
  try {
    use(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const commands = {
  up() {
    up();
    withValues((file) =>
      // prettier-ignore
      run('helm', 'upgrade', '--install', 'countersign', 'charts/countersign', '--kube-context', CONTEXT,
        '--namespace', 'countersign-system', '--create-namespace', '--values', file, '--wait'),
    );
    console.log(`The gateway is at http://127.0.0.1:${HOST_PORT}, the context is ${CONTEXT}.`);
  },
  e2e() {
    up();
    if (works('helm', 'status', 'countersign', '--kube-context', CONTEXT, '--namespace', 'countersign-system'))
      run('helm', 'uninstall', 'countersign', '--kube-context', CONTEXT, '--namespace', 'countersign-system', '--wait');
    withValues((file) =>
      // prettier-ignore
      run(process.execPath, 'scripts/e2e.mjs', '--context', CONTEXT, '--values', file,
        '--gateway', `http://127.0.0.1:${HOST_PORT}`, ...rest),
    );
  },
  down() {
    run('kind', 'delete', 'cluster', '--name', NAME);
  },
};

if (!Object.hasOwn(commands, command ?? '')) end('Usage: npm run kind:up | kind:e2e [-- OPTIONS] | kind:down');
const reason = missing();
if (reason) end(`kind:${command} cannot run here: ${reason}`);
try {
  commands[command]();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  end(error.message);
}
