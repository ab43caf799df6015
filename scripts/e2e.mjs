// The whole product on a real cluster: installs it as README.md says, uses it, changes it under load, removes it.
// Usage: npm run e2e -- --context CTX [options]; --help lists them. Ends with `N passed, N failed`.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isOurs, readObjects, shuffled } from '../test/conformance/objects.mjs';
import { createSender } from '../test/conformance/send.mjs';
import { Dropped, PARTS, runChanges } from './e2e/changes.mjs';
import { connect } from './e2e/cluster.mjs';
import { diagnose } from './e2e/diagnose.mjs';
import { reachGateway } from './e2e/gateway.mjs';
import {
  CONTROLLER,
  GATEWAY,
  HOST,
  HUAWEI,
  NAMESPACE,
  OUR_KINDS,
  OWN_SELECTOR,
  RELEASE,
  selectorOf,
} from './e2e/installation.mjs';
import { runOwnEnvoy } from './e2e/own-envoy.mjs';
import { createReadme } from './e2e/readme.mjs';
import { checkLeft, removeRest } from './e2e/removal.mjs';
import { rightsOf } from './e2e/rights.mjs';
import { CommandError, eventually, run } from './e2e/shell.mjs';
import { createSteps, EndOfRun } from './e2e/steps.mjs';

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
  --only NAMES            parts, by comma: conformance, rights, changes, https, rotation, many, kill, own-envoy
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

/** As long as answers of a cluster's DNS are kept. */
const DNS_MS = 40_000;
/** So many connections that each pod of the gateway gets some. */
const IN_A_ROW = 20;
const GOLDEN = join(root, 'test/e2e/operator-rights.txt');

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
const steps = createSteps({ onFailure: async (error) => error instanceof Dropped || diagnose(cluster) });
const { step } = steps;

let gateway;
let inventoryBefore;
let revisionBefore;
console.log(`context ${options.context}, seed ${seed}`);
try {
  await install();
  if (wanted('conformance')) await conformance();
  await applyInRandomOrder();
  if (wanted('rights')) await rights();
  if (PARTS.some(wanted)) await changes();
  if (wanted('own-envoy')) await runOwnEnvoy({ cluster, steps, root });
  if (options.installed && !options.keep) await restore();
  if (!options.keep && !options.installed) await uninstall();
} catch (error) {
  if (!(error instanceof EndOfRun)) throw error;
} finally {
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
  if (options.installed) revisionBefore = await revision();
  else {
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

async function revision() {
  const [latest] = JSON.parse(await cluster.helm(`history ${RELEASE} -n ${NAMESPACE} --max 1 -o json`));
  return latest.revision;
}

async function silently(block) {
  await readme(block);
}

async function applyInRandomOrder() {
  const apply = async () => {
    const objects = readObjects(join(root, 'examples/quickstart'));
    const ours = { apiVersion: 'v1', kind: 'List', items: objects.filter(isOurs) };
    await cluster.kubectl('delete -f - --ignore-not-found --now', { input: JSON.stringify(ours) });
    for (const object of shuffled(objects, seed)) await cluster.apply([object]);
    await cluster.kubectl('scale deployment/orders -n shop --replicas=2');
    await cluster.kubectl(`wait --for=condition=Ready ${OUR_KINDS} --all -A --timeout=120s`);
    await cluster.kubectl('rollout status deployment/orders -n shop --timeout=60s');
    // The Service is another one under the same name: every Envoy must have asked for its address again.
    const send = createSender({ gateway: new URL(gateway.url) });
    await eventually(
      async () => {
        for (let i = 0; i < IN_A_ROW; i++) {
          const { status } = await send({ method: 'GET', url: `http://${HOST}/orders/healthz` });
          if (status !== 200) throw new Error(`GET /orders/healthz: ${status}`);
        }
      },
      { withinMs: DNS_MS },
    );
    return `${objects.length} objects`;
  };
  await step('the quickstart, applied object by object in random order, becomes Ready', apply, { required: true });
}

async function conformance() {
  await step('conformance suite through the gateway', async () => {
    const { spec } = await cluster.json(`get deployment ${CONTROLLER} -n ${NAMESPACE}`);
    const { image } = spec.template.spec.containers[0];
    // The suite has a backend of its own, behind the same Service.
    await cluster.kubectl('scale deployment/orders -n shop --replicas=0');
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
    const { items } = await cluster.json(`get pods -n ${NAMESPACE} -l ${selectorOf('gateway')}`);
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

async function changes() {
  if (gateway.forwarded) {
    for (const part of PARTS)
      if (wanted(part)) steps.skip(part, 'a forwarded port ends with its pod: give --gateway URL');
    return;
  }
  const rps = Number(options.rps);
  const { sent, failed } = await runChanges({ cluster, steps, gateway: gateway.url, rps, readme, wanted });
  console.log(`  ${sent} requests in all, ${failed} failed`);
}

/** A release that was there before is left as it was found. */
async function restore() {
  if ((await revision()) === revisionBefore) return;
  await step('helm rollback to the release as it was before', async () => {
    await cluster.helm(`rollback ${RELEASE} ${revisionBefore} -n ${NAMESPACE} --wait --timeout 3m`);
    await removeOwn();
    return `revision ${revisionBefore}`;
  });
}

async function removeOwn() {
  await cluster.kubectl(`delete pods,services,configmaps,secrets -n ${NAMESPACE} -l ${OWN_SELECTOR}`);
}

async function uninstall() {
  await step('README: helm uninstall leaves custom resource definitions and keys, nothing else', async () => {
    await readme('uninstall');
    await removeOwn();
    return checkLeft(cluster, inventoryBefore);
  });
  await step('what is left can be removed: objects, definitions, namespaces', () =>
    removeRest(cluster, inventoryBefore),
  );
}
