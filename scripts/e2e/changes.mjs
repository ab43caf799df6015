// Everything that may happen to an installation while it serves: no request may fail for it.
import { followAccessLogs } from './access-log.mjs';
import { startLoad } from './gateway.mjs';
import { createHttps, HTTPS_FLAGS } from './https.mjs';
import { HOST, HUAWEI, JDCLOUD, LIST, NAMESPACE, OUR_KINDS, RELEASE, selectorOf } from './installation.mjs';
import { createRotations } from './keys.mjs';
import { manyObjects } from './many-objects.mjs';
import { createPods } from './pods.mjs';
import { delay, eventually } from './shell.mjs';

export const PARTS = ['changes', 'https', 'rotation', 'many', 'kill'];
const READY_MS = 120_000;
/** Part of what was due. */
const LEAST_SENT = 0.9;

/** What the load sends: two dialects, one with a nonce that Redis remembers, a backend signature, and no signature. */
const CALLERS = [
  { name: 'Huawei list', dialect: 'Huawei', key: HUAWEI, method: 'GET', path: LIST },
  { name: 'JDCloud get', dialect: 'JDCloud', key: JDCLOUD, method: 'GET', path: `${LIST}/7` },
  { name: 'unsigned health', path: '/orders/healthz' },
  {
    name: 'Huawei order',
    dialect: 'Huawei',
    key: HUAWEI,
    method: 'POST',
    path: '/orders/release/v1/orders',
    body: { sku: 'A-1' },
  },
];

/** Requests failed; they say for themselves what happened. */
export class Dropped extends Error {}

/** @param {{ cluster: object, steps: object, gateway: string, rps: number, readme: Function, wanted: Function }} options */
export async function runChanges({ cluster, steps, gateway, rps, readme, wanted }) {
  let https = wanted('https') ? createHttps(cluster) : undefined;
  if (await https?.isTaken()) {
    https = undefined;
    steps.skip('https', 'the release has HTTPS with a certificate of its own');
  }
  const load = startLoad({ gateway, rps, host: HOST, callers: CALLERS });
  const accessLogs = followAccessLogs(cluster, { namespace: NAMESPACE, selector: selectorOf('gateway') });
  const pods = createPods(cluster);
  const rotations = createRotations({ cluster, gateway, useSecret: load.useSecret });

  const step = (name, body, { mayFail = false } = {}) =>
    steps.step(`${name}, at ${rps} requests a second`, async () => {
      const { found, error, ...figures } = await load.measure(body);
      const told = tell(figures, found);
      if (error) throw new Error(`${error.message}\n${told}`, { cause: error });
      if (figures.failed > 0 && !mayFail) throw new Dropped(told);
      // None failed of requests that were not sent.
      if (figures.sent < (LEAST_SENT * rps * figures.elapsedMs) / 1000)
        throw new Error(`too few requests to judge by: ${told}`);
      return told;
    });
  const tell = ({ sent, failed, failures, p50Ms, p99Ms, maxMs, lateMs }, found) => {
    const times = `p50 ${p50Ms} ms, p99 ${p99Ms} ms, max ${maxMs} ms, sent up to ${lateMs} ms late`;
    const text = `${failed} of ${sent} requests failed; ${times}${found === undefined ? '' : `; ${found}`}`;
    return [text, ...failures.map((line) => `${line}${accessLogs.explain(line)}`)].join('\n    ');
  };
  const workersAfter = async (count, change) => {
    await change();
    await pods.settled('gateway');
    return pods.authorizersServe(count);
  };
  /** HTTPS comes with an upgrade that is made anyway: each one replaces every pod. */
  const oneWorker = async () => {
    await https?.prepare();
    const flags = `--reuse-values --set authorizer.workers=1 ${https ? `${HTTPS_FLAGS} ` : ''}--wait --timeout 3m`;
    await cluster.helm(`upgrade ${RELEASE} charts/countersign -n ${NAMESPACE} ${flags}`);
  };

  try {
    await step('nothing changes for 5 s', () => delay(5_000));
    if (wanted('changes'))
      await step('README: helm test, helm upgrade to 3 authorizers', () => workersAfter(3, () => readme('operate')));
    if (wanted('changes') || https)
      await step(`helm upgrade to 1 authorizer${https ? ' and HTTPS' : ''}`, () => workersAfter(1, oneWorker));
    if (https) {
      await step('signed requests over HTTPS', https.answers);
      await step('another certificate in the Secret of the listener', https.renewed);
    }
    if (wanted('changes')) {
      await step('rollout restart of the controller', () => pods.restart('controller'));
      await step('rollout restart of the gateway', () => pods.restart('gateway'));
      await step('kubectl delete pod, of the gateway', () => pods.deletePod('gateway'));
      await step('kubectl delete pod, of a standby controller', pods.deleteStandby);
      await step('kubectl delete pod, of the leading controller', () => pods.deleteLeader());
    }
    if (wanted('rotation')) {
      await step('rotation of an imported key: both secrets, then the new one alone', rotations.imported);
      await step('rotation of a generated key', rotations.generated);
    }
    if (wanted('many')) await step('500 objects applied, Ready and deleted', () => applyMany(cluster));
    if (wanted('kill')) {
      await step('kubectl delete pod --force, of the leading controller', () => pods.deleteLeader({ grace: false }));
      // Requests that the pod had at that moment are lost with it.
      const killGateway = () => pods.deletePod('gateway', { grace: false });
      await step('kubectl delete pod --force, of the gateway (told, not judged)', killGateway, { mayFail: true });
    }
    const { total, ...left } = await load.stop();
    if (left.failed > 0)
      await steps.step('requests after the last change', async () => {
        throw new Dropped(tell(left));
      });
    return total;
  } finally {
    load.kill();
    accessLogs.stop();
  }
}

async function applyMany(cluster) {
  const namespace = 'e2e-many';
  const objects = manyObjects({ namespace, count: 500 });
  const ours = objects.filter(({ apiVersion }) => apiVersion.startsWith('countersign.dev/')).length;
  await cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }]);
  const startedMs = performance.now();
  await cluster.kubectl('create -f -', { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }) });
  const createdMs = performance.now();
  await eventually(
    async () => {
      const { items } = await cluster.json(`get ${OUR_KINDS} -n ${namespace}`);
      const waiting = items.filter(
        ({ status }) => !status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
      );
      if (items.length !== ours || waiting.length > 0)
        throw new Error(
          `${items.length - waiting.length} of ${ours} are Ready; one says ${JSON.stringify(waiting[0]?.status)}`,
        );
    },
    { withinMs: READY_MS, everyMs: 500 },
  );
  const readyMs = performance.now();
  await cluster.kubectl(`delete namespace ${namespace} --timeout=120s`);
  const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
  return `created in ${seconds(createdMs - startedMs)}, all Ready ${seconds(readyMs - createdMs)} later`;
}
