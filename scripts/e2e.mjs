// The whole product on a real cluster: installs it as README.md says, uses it, changes it under load, removes it.
// Usage: npm run e2e -- --context CTX [options]; --help lists them. Ends with `N passed, N failed`.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { connect } from './e2e/cluster.mjs';
import { followAccessLogs } from './e2e/access-log.mjs';
import { reachGateway, startLoad } from './e2e/gateway.mjs';
import { createReadme } from './e2e/readme.mjs';
import { rightsOf } from './e2e/rights.mjs';
import { CommandError, delay, eventually, run } from './e2e/shell.mjs';
import { createSteps, EndOfRun } from './e2e/steps.mjs';
import { manyObjects } from './e2e/many-objects.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const HELP = `Usage: npm run e2e -- --context CTX [options]

  --context CTX           the cluster; its namespaces countersign-system, shop, mobile and e2e-* are made and used
  --kubeconfig FILE       default: as kubectl finds it
  --values FILE           values of the chart, such as the names of images
  --backend-image NAME    a Node image for the example backend, instead of docker.io/library/node:24-slim
  --gateway URL           where this process reaches the gateway; default: the address of its Service
  --port-forward          through kubectl port-forward: what ends pods under load is not run
  --rps N                 requests a second during changes, default 200
  --seed N                order in which objects are applied
  --only NAMES            parts, by comma: conformance, rights, changes, rotation, many, kill
  --installed             the release is there: leave installation and removal out
  --keep                  leave everything in place
  --update-golden         write test/e2e/operator-rights.txt
`;
const { values: options } = parseArgs({
  options: {
    context: { type: 'string' },
    kubeconfig: { type: 'string' },
    values: { type: 'string' },
    'backend-image': { type: 'string' },
    gateway: { type: 'string' },
    'port-forward': { type: 'boolean', default: false },
    rps: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    only: { type: 'string' },
    installed: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    'update-golden': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help || options.context === undefined) {
  console[options.help ? 'log' : 'error'](HELP);
  process.exit(options.help ? 0 : 1);
}

const NAMESPACE = 'countersign-system';
const RELEASE = 'countersign';
const CONTROLLER = 'countersign-controller';
const GATEWAY = 'countersign-gateway';
const selectorOf = (component) =>
  `app.kubernetes.io/instance=${RELEASE},app.kubernetes.io/name=countersign,app.kubernetes.io/component=${component}`;
const QUICKSTART = join(root, 'examples/quickstart');
const GOLDEN = join(root, 'test/e2e/operator-rights.txt');
const OUR_KINDS = 'signaturekeys,apigroups,authorizations,usageplans';
const HUAWEI = { keyId: 'HWQUICKSTART00000001', secret: 'quickstart-huawei-secret-00001' };
const JDCLOUD = { keyId: 'JDC0QUICKSTART00000000000000000A', secret: 'quickstart-jdcloud-secret-0001' };

class Dropped extends Error {}

const folder = mkdtempSync(join(tmpdir(), 'countersign-e2e-'));
const only = options.only?.split(',');
const wanted = (part) => only === undefined || only.includes(part);
const seed = Number(options.seed);
const valueArgs = options.values === undefined ? [] : ['--values', options.values];
const cluster = await connect({ context: options.context, kubeconfig: options.kubeconfig, folder }).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
const readme = createReadme({ root, env: cluster.env, folder, valueArgs, backendImage: options['backend-image'] });
const steps = createSteps({ onFailure: diagnose });
const { step } = steps;

let gateway;
let load;
let accessLogs;
let inventoryBefore;
console.log(`context ${options.context}, seed ${seed}`);
try {
  await install();
  if (wanted('conformance')) await conformance();
  await applyInRandomOrder();
  if (wanted('rights')) await rights();
  if (gateway.forwarded) {
    for (const part of ['changes', 'kill', 'many', 'rotation'])
      if (wanted(part)) steps.skip(part, 'a forwarded port ends with its pod: give --gateway URL');
  } else await underLoad();
  if (!options.keep && !options.installed) await uninstall();
} catch (error) {
  if (!(error instanceof EndOfRun)) throw error;
} finally {
  load?.kill();
  accessLogs?.stop();
  gateway?.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(steps.finish());

async function install() {
  const nothingThere = async () => {
    inventoryBefore = await cluster.inventory();
    const own = [...inventoryBefore].filter((row) => row.split(' ')[2] === NAMESPACE);
    const left = own.filter((row) => !/ (kube-root-ca\.crt|default)$/.test(row));
    if (left.length > 0) throw new Error(`namespace ${NAMESPACE} holds ${left.slice(0, 5).join('; ')}`);
    return `${inventoryBefore.size} objects`;
  };
  if (!options.installed) {
    await step('nothing of an earlier run is in the cluster', nothingThere, { required: true });
    await step('README: helm install --wait', () => silently('install'), { required: true });
  }
  await step('README: quickstart and backend applied, all of it Ready', () => silently('quickstart'), {
    required: true,
  });
  await step('README: the first signed request', async () => {
    const answer = JSON.parse((await readme('request')).split('\n').find((line) => line.startsWith('{')));
    if (answer.identity['x-countersign-key-id'] !== HUAWEI.keyId) throw new Error(JSON.stringify(answer));
    return `the backend saw ${answer.method} ${answer.path} of ${answer.identity['x-countersign-key-id']}`;
  });
  gateway = await reachGateway(cluster, {
    namespace: NAMESPACE,
    service: GATEWAY,
    given: options.gateway,
    portForward: options['port-forward'],
  });
  console.log(`  the gateway is at ${gateway.url}`);
}

async function silently(block) {
  await readme(block);
}

async function applyInRandomOrder() {
  await step(
    'the quickstart, applied object by object in random order, becomes Ready',
    async () => {
      const objects = readQuickstart();
      const ours = objects.filter(({ apiVersion }) => apiVersion.startsWith('countersign.dev/'));
      await cluster.kubectl(['delete', '-f', '-', '--ignore-not-found', '--now'], {
        input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: ours }),
      });
      const random = randomOf(seed);
      const shuffled = objects
        .filter(({ kind }) => kind !== 'Namespace')
        .map((object) => [random(), object])
        .sort(([a], [b]) => a - b)
        .map(([, object]) => object);
      for (const object of shuffled) await cluster.apply([object]);
      await cluster.kubectl(['scale', 'deployment/orders', '-n', 'shop', '--replicas=2']);
      await waitReady();
      await cluster.kubectl(['rollout', 'status', 'deployment/orders', '-n', 'shop', '--timeout=60s']);
      return `${shuffled.length} objects`;
    },
    { required: true },
  );
}

async function conformance() {
  await step('conformance suite through the gateway', async () => {
    const { spec } = await cluster.json('get', 'deployment', CONTROLLER, '-n', NAMESPACE);
    const { image } = spec.template.spec.containers[0];
    // The suite has a backend of its own, behind the same Service.
    await cluster.kubectl(['scale', 'deployment/orders', '-n', 'shop', '--replicas=0']);
    const lines = [];
    const output = await run(
      process.execPath,
      // prettier-ignore
      ['scripts/conformance.mjs', '--gateway', gateway.url, '--context', options.context, '--kubeconfig', cluster.kubeconfig,
        '--echo-image', image, '--echo-node', '/nodejs/bin/node', '--seed', String(seed)],
      { cwd: root, env: cluster.env, timeoutMs: 240_000, onLine: (line) => lines.push(line) },
    ).catch((error) => (error instanceof CommandError ? error.stdout : Promise.reject(error)));
    const [, passed, failed] = /^(\d+) passed, (\d+) failed/m.exec(output) ?? [];
    if (passed === undefined) throw new Error(`no result:\n${lines.slice(-20).join('\n')}`);
    steps.count({ passed: Number(passed), failed: Number(failed) });
    if (failed !== '0')
      throw new Error(lines.filter((line) => /^(FAIL|     )/.test(line)).join('\n') || lines.slice(-30).join('\n'));
    return `${passed} cases`;
  });
}

async function rights() {
  await step('the operator may do what test/e2e/operator-rights.txt lists, and nothing else', async () => {
    const text = [];
    for (const inNamespace of [NAMESPACE, 'shop', 'kube-system']) {
      const lines = await rightsOf(cluster, { namespace: NAMESPACE, account: CONTROLLER, inNamespace });
      text.push(`in namespace ${inNamespace}:`, ...lines.map((line) => `  ${line}`));
    }
    const found = `${text.join('\n')}\n`;
    if (options['update-golden']) writeFileSync(GOLDEN, found);
    const golden = existsSync(GOLDEN) ? readFileSync(GOLDEN, 'utf8') : '';
    if (found !== golden) throw new Error(`the cluster says:\n${found}\nthe file says:\n${golden}`);
    return `${text.length} lines`;
  });
  await step('pods of the gateway have no rights and no token', async () => {
    const { items } = await cluster.json('get', 'pods', '-n', NAMESPACE, '-l', selectorOf('gateway'));
    for (const { metadata, spec } of items) {
      const tokens = spec.volumes.filter(({ projected }) =>
        projected?.sources.some((each) => each.serviceAccountToken),
      );
      if (tokens.length > 0) throw new Error(`${metadata.name} has a token`);
      const lines = await rightsOf(cluster, {
        namespace: NAMESPACE,
        account: spec.serviceAccountName,
        inNamespace: NAMESPACE,
      });
      if (lines.length > 0) throw new Error(`${spec.serviceAccountName} may: ${lines.join('; ')}`);
    }
    return `${items.length} pods`;
  });
}

async function underLoad() {
  load = startLoad({
    gateway: gateway.url,
    rps: Number(options.rps),
    host: 'orders.example.com',
    callers: [
      { name: 'Huawei list', dialect: 'Huawei', key: HUAWEI, method: 'GET', path: '/orders/v1/orders' },
      { name: 'JDCloud get', dialect: 'JDCloud', key: JDCLOUD, method: 'GET', path: '/orders/v1/orders/7' },
      { name: 'unsigned health', path: '/orders/healthz' },
      {
        name: 'Huawei order',
        dialect: 'Huawei',
        key: HUAWEI,
        method: 'POST',
        path: '/orders/release/v1/orders',
        body: { sku: 'A-1' },
      },
    ],
  });
  accessLogs = followAccessLogs(cluster, { namespace: NAMESPACE, selector: selectorOf('gateway') });
  const underLoadStep = (name, body, { mayFail = false } = {}) =>
    step(`${name}, at ${options.rps} requests a second`, async () => {
      const { found, requests, failed, p50Ms, p99Ms, maxMs, failures: plain } = await load.measure(body);
      const failures = plain.map((line) => `${line}${accessLogs.explain(line)}`);
      const text = `${failed} of ${requests} requests failed; p50 ${p50Ms} ms, p99 ${p99Ms} ms, max ${maxMs} ms${found ? `; ${found}` : ''}`;
      if (failed > 0 && !mayFail) throw new Dropped(`${text}\n${failures.join('\n')}`);
      if (failed > 0)
        console.log(
          failures
            .slice(0, 5)
            .map((line) => `    ${line}`)
            .join('\n'),
        );
      return text;
    });

  await underLoadStep('nothing changes for 5 s', () => delay(5_000));
  if (wanted('changes')) {
    await underLoadStep('README: helm test; helm upgrade, authorizers 1 → 3', async () => {
      await readme('operate');
      await settled('gateway');
      return `${await workers()} workers`;
    });
    await underLoadStep('helm upgrade, authorizers 3 → 1', async () => {
      await cluster.helm([
        'upgrade',
        RELEASE,
        join(root, 'charts/countersign'),
        '-n',
        NAMESPACE,
        '--reuse-values',
        '--set',
        'authorizer.workers=1',
        '--wait',
        '--timeout',
        '3m',
      ]);
      await settled('gateway');
      return `${await workers()} workers`;
    });
    await underLoadStep('rollout restart of the controller', async () => restart('controller', CONTROLLER));
    await underLoadStep('rollout restart of the gateway', async () => restart('gateway', GATEWAY));
    await underLoadStep('kubectl delete pod, of the gateway', async () => deletePod('gateway'));
    await underLoadStep('kubectl delete pod, of a standby controller', async () =>
      deletePod('controller', { not: await leader() }),
    );
    await underLoadStep('kubectl delete pod, of the leading controller', async () => {
      const was = await leader();
      await deletePod('controller', { name: was });
      return newLeader(was);
    });
  }
  if (wanted('rotation')) {
    await underLoadStep('rotation of an imported key: both secrets, then the new one alone', rotateImported);
    await underLoadStep('rotation of a generated key', rotateGenerated);
  }
  if (wanted('many')) await underLoadStep('500 objects applied, Ready and deleted', applyMany);
  if (wanted('kill')) {
    await underLoadStep('kubectl delete pod --force, of the leading controller', async () => {
      const was = await leader();
      await deletePod('controller', { name: was, grace: false });
      return newLeader(was);
    });
    await underLoadStep(
      'kubectl delete pod --force, of the gateway (failures are told, not judged)',
      async () => deletePod('gateway', { grace: false }),
      {
        mayFail: true,
      },
    );
  }
  const total = await load.stop();
  load = undefined;
  accessLogs.stop();
  console.log(`  ${total.sent} requests in all, ${total.failed} failed`);
}

async function uninstall() {
  await step('README: helm uninstall leaves custom resource definitions and keys, nothing else', async () => {
    await readme('uninstall');
    const allowed = [
      /^apiextensions\.k8s\.io\/v1 CustomResourceDefinition - \w+\.countersign\.dev$/,
      /^apiregistration\.k8s\.io\/v1 APIService - v1alpha1\.countersign\.dev$/,
      /^countersign\.dev\/v1alpha1 \w+ \S+ \S+$/,
      // What README and the conformance suite applied: namespaces and what is in them, the release's own excepted.
      new RegExp(`^v1 Namespace - (?!kube-)\\S+$`),
      new RegExp(`^\\S+ \\S+ (?!(${NAMESPACE}|default|kube-\\S+|-) )\\S+ \\S+$`),
      // What Kubernetes puts into every namespace.
      /^v1 (ConfigMap \S+ kube-root-ca\.crt|ServiceAccount \S+ default)$/,
    ];
    const left = await eventually(
      async () => {
        const rows = [...(await cluster.inventory())].filter(
          (row) => !inventoryBefore.has(row) && !allowed.some((each) => each.test(row)),
        );
        if (rows.length > 0) throw new Error(`left:\n${rows.join('\n')}`);
        return cluster.json('get', 'secrets', '-n', 'mobile');
      },
      { withinMs: 30_000, everyMs: 1_000 },
    );
    const generated = left.items.filter(
      ({ type, metadata }) => type === 'countersign.dev/signature-key' && /new-partner/.test(metadata.name),
    );
    if (generated.length !== 1) throw new Error('the Secret of the generated key is gone');
    const { items } = await cluster.json('get', 'signaturekeys', '-A');
    return `${items.length} keys and the Secret of the generated one are there`;
  });
  await step('what is left can be removed: objects, definitions, namespaces', async () => {
    await cluster.kubectl(['delete', '-f', QUICKSTART, '--ignore-not-found', '--wait=false']);
    const made = (await cluster.kubectl(['get', 'namespaces', '-o', 'name'])).trim().split('\n');
    const own = made.filter((name) => !inventoryBefore.has(`v1 Namespace - ${name.slice('namespace/'.length)}`));
    await cluster.kubectl(['delete', ...own, '--wait=false']);
    const { items } = await cluster.json('get', 'customresourcedefinitions');
    const ours = items.map(({ metadata }) => metadata.name).filter((name) => name.endsWith('.countersign.dev'));
    await cluster.kubectl(['delete', 'customresourcedefinition', ...ours, '--timeout=60s']);
    await cluster.kubectl(['wait', '--for=delete', ...own, '--timeout=90s']);
    const left = [...(await cluster.inventory())].filter((row) => !inventoryBefore.has(row));
    if (left.length > 0) throw new Error(`left:\n${left.join('\n')}`);
  });
}

async function waitReady(...namespaces) {
  const where = namespaces.length === 0 ? [['-A']] : namespaces.map((name) => ['-n', name]);
  for (const each of where)
    await cluster.kubectl(['wait', '--for=condition=Ready', OUR_KINDS, '--all', ...each, '--timeout=120s']);
}

async function workers() {
  const { spec } = await cluster.json('get', 'deployment', GATEWAY, '-n', NAMESPACE);
  const authorizer = [...(spec.template.spec.initContainers ?? []), ...spec.template.spec.containers].find(
    ({ name }) => name === 'authorizer',
  );
  return /--workers[= ](\d+)/.exec(authorizer.args.join(' '))?.[1];
}

async function leader() {
  const { spec } = await cluster.json('get', 'lease', CONTROLLER, '-n', NAMESPACE);
  const [pod] = (await cluster.pods(NAMESPACE, selectorOf('controller'))).filter((name) =>
    spec.holderIdentity?.includes(name),
  );
  if (pod === undefined) throw new Error(`the Lease is held by ${spec.holderIdentity}, which is no running pod`);
  return pod;
}

/** Another leads, and what is applied now is served: the time until both hold. */
async function newLeader(was) {
  const startedMs = performance.now();
  const now = await eventually(
    async () => {
      const name = await leader();
      if (name === was) throw new Error(`${was} still leads`);
      return name;
    },
    { withinMs: 60_000 },
  );
  const ledMs = performance.now() - startedMs;
  const { items } = await cluster.json('get', 'apigroups', '-n', 'shop');
  const [group] = items;
  const displayName = `Orders ${Math.round(startedMs)}`;
  await cluster.kubectl([
    'patch',
    'apigroup',
    group.metadata.name,
    '-n',
    'shop',
    '--type=merge',
    '-p',
    JSON.stringify({ spec: { displayName } }),
  ]);
  await eventually(
    async () => {
      const { metadata, status } = await cluster.json('get', 'apigroup', group.metadata.name, '-n', 'shop');
      const ready = status.conditions.find(({ type }) => type === 'Ready');
      if (ready?.status !== 'True' || ready.observedGeneration !== metadata.generation)
        throw new Error(`Ready is ${JSON.stringify(ready)}`);
    },
    { withinMs: 60_000 },
  );
  return `${now} leads after ${(ledMs / 1000).toFixed(1)} s, serves a change after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
}

/** As many pods as wanted are ready, and those before them are gone. */
async function settled(component) {
  const deployment = component === 'controller' ? CONTROLLER : GATEWAY;
  await cluster.kubectl(['rollout', 'status', `deployment/${deployment}`, '-n', NAMESPACE, '--timeout=180s']);
  await eventually(
    async () => {
      const { items } = await cluster.json('get', 'pods', '-n', NAMESPACE, '-l', selectorOf(component));
      const leaving = items.filter(({ metadata }) => metadata.deletionTimestamp);
      if (leaving.length > 0)
        throw new Error(`${leaving.map(({ metadata }) => metadata.name).join(', ')} is still there`);
    },
    { withinMs: 90_000, everyMs: 500 },
  );
}

async function restart(component, deployment) {
  await cluster.kubectl(['rollout', 'restart', `deployment/${deployment}`, '-n', NAMESPACE]);
  await settled(component);
}

async function deletePod(component, { name, not, grace = true } = {}) {
  const pod = name ?? (await cluster.pods(NAMESPACE, selectorOf(component))).find((each) => each !== not);
  await cluster.kubectl(['delete', 'pod', pod, '-n', NAMESPACE, ...(grace ? [] : ['--grace-period=0', '--force'])]);
  await settled(component);
}

async function rotateImported() {
  const fresh = 'quickstart-huawei-secret-00002';
  const secretOf = (data) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'huawei-app', namespace: 'mobile' },
    type: 'countersign.dev/signature-key',
    stringData: { keyId: HUAWEI.keyId, ...data },
  });
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  await cluster.apply([secretOf({ secret: fresh, previousSecret: HUAWEI.secret, previousNotAfter: inAnHour })]);
  // The load goes on with the old secret, then with the new one; neither may be refused.
  await eventually(() => signedStatus({ keyId: HUAWEI.keyId, secret: fresh }, 200), { withinMs: 20_000 });
  await delay(2_000);
  load.useSecret(HUAWEI.keyId, fresh);
  await delay(1_000);
  const justNow = new Date(Date.now() - 1_000).toISOString();
  await cluster.apply([secretOf({ secret: fresh, previousSecret: HUAWEI.secret, previousNotAfter: justNow })]);
  await eventually(() => signedStatus(HUAWEI, 401), { withinMs: 20_000 });
  return 'the old secret is refused';
}

async function rotateGenerated() {
  const generated = async () => {
    const { status } = await cluster.json('get', 'signaturekey', 'new-partner', '-n', 'mobile');
    const { data } = await cluster.json('get', 'secret', status.secretName, '-n', 'mobile');
    const plain = (name) => Buffer.from(data[name] ?? '', 'base64').toString();
    return { keyId: plain('keyId'), secret: plain('secret'), generation: plain('generation') };
  };
  const first = await generated();
  // Not authorized, so the answer tells a verified key (403) from one that is not (401).
  await eventually(() => signedStatus(first, 403), { withinMs: 20_000 });
  const raise = (rotation) =>
    cluster.kubectl([
      'patch',
      'signaturekey',
      'new-partner',
      '-n',
      'mobile',
      '--type=merge',
      '-p',
      JSON.stringify({ spec: { rotation } }),
    ]);
  await raise({ generation: 2, gracePeriod: '1h' });
  const second = await eventually(async () => {
    const found = await generated();
    if (found.secret === first.secret) throw new Error('not rotated');
    return found;
  });
  await eventually(() => signedStatus(second, 403), { withinMs: 20_000 });
  await signedStatus(first, 403);
  await raise({ generation: 3, gracePeriod: '0s' });
  await eventually(() => signedStatus(first, 401), { withinMs: 20_000 });
  await eventually(() => signedStatus(second, 401), { withinMs: 20_000 });
  return 'two generations verified, then one';
}

async function signedStatus(key, expected) {
  const { createSender } = await import('../test/conformance/send.mjs');
  const { sign } = await import('../test/conformance/sign.mjs');
  const send = createSender({ gateway: new URL(gateway.url) });
  const { status, text } = await send(
    sign({ dialect: 'Huawei', key, endpoint: 'http://orders.example.com', path: '/orders/v1/orders' }),
  );
  if (status !== expected) throw new Error(`${status}, not ${expected}: ${text}`);
}

async function applyMany() {
  const namespace = 'e2e-many';
  const objects = manyObjects({ namespace, count: 500 });
  await cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }]);
  const startedMs = performance.now();
  await cluster.kubectl(['create', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  });
  const appliedMs = performance.now();
  await eventually(
    async () => {
      const { items } = await cluster.json('get', OUR_KINDS, '-n', namespace);
      const ready = items.filter(({ status }) =>
        status?.conditions?.some(({ type, status: s }) => type === 'Ready' && s === 'True'),
      );
      const ours = objects.filter(({ apiVersion }) => apiVersion.startsWith('countersign.dev/')).length;
      if (ready.length !== ours)
        throw new Error(
          `${ready.length} of ${ours} are Ready: ${JSON.stringify(items.find((i) => !ready.includes(i))?.status)}`,
        );
    },
    { withinMs: 120_000, everyMs: 500 },
  );
  const readyMs = performance.now();
  await cluster.kubectl(['delete', 'namespace', namespace, '--timeout=120s']);
  const s = (ms) => (ms / 1000).toFixed(1);
  return `created in ${s(appliedMs - startedMs)} s, all Ready ${s(readyMs - appliedMs)} s later`;
}

function readQuickstart() {
  return ['00-namespaces', '10-caller-keys', '20-orders-api', '30-authorizations', '40-usage-plan'].flatMap((name) =>
    parseAllDocuments(readFileSync(join(QUICKSTART, `${name}.yaml`), 'utf8')).map((document) => document.toJS()),
  );
}

/** The same numbers for the same seed. */
function randomOf(start) {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What somebody would look at first. Dropped requests say for themselves what happened. */
async function diagnose(error) {
  if (error instanceof Dropped) return;
  const show = async (title, ...args) => {
    const text = await cluster.kubectl(args).catch((error) => error.message);
    const lines = text.trim().split('\n');
    console.log(
      `    --- ${title}\n${lines
        .slice(-25)
        .map((line) => `    ${line.slice(0, 300)}`)
        .join('\n')}`,
    );
  };
  await show('pods', 'get', 'pods', '-A', '-o', 'wide');
  await show('events', 'get', 'events', '-n', NAMESPACE, '--sort-by=.lastTimestamp');
  await show('objects', 'get', 'countersign', '-A');
  for (const [component, container] of [
    ['controller', 'controller'],
    ['gateway', 'bootstrap'],
    ['gateway', 'authorizer'],
  ]) {
    const selected = ['-n', NAMESPACE, '-l', selectorOf(component), '-c', container];
    await show(`logs of ${container}`, 'logs', ...selected, '--tail=10', '--prefix');
  }
}
