// Authorizers of their own, a plain Envoy of somebody that asks them, and a Redis of somebody that they count in.
import { createClient } from '@redis/client';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createSender } from '../../test/conformance/send.mjs';
import { sign } from '../../test/conformance/sign.mjs';
import { misconfigurations } from '../../test/feature/own-envoy-mistakes.ts';
import { createForwards } from './forward.mjs';
import { HOST, JDCLOUD, LIST, NAMESPACE, OWN_LABELS, RELEASE, selectorOf, TENCENT } from './installation.mjs';
import { eventually, run } from './shell.mjs';

const ENVOY = 'e2e-envoy';
const REDIS = 'e2e-redis';
const REDIS_PORT = 6379;
const MISTAKE = 'encode_raw_headers off';
/** Each of Envoy's listeners and its port. */
const LISTENERS = { right: 10_000, [MISTAKE]: 10_001 };
const EFFECTIVE_MS = 60_000;
/** Where `render` expects Envoy's certificate, and the two files by which Envoy follows it. */
const TLS_FOLDER = '/etc/countersign/tls';
const SECRET_FOLDER = '/etc/countersign/envoy';
/** Of the plan in examples/quickstart: at once, and one more after each such time. */
const BURST = 3;
const REFILL_MS = 20_000;
/** More than that in each of two processes that count for themselves. */
const AT_ONCE = 8;

const FLAGS = [
  ...['authorizer.mode=Deployment', 'authorizer.workers=2', 'authorizer.deployment.replicas=1'],
  ...['redis.mode=External', `redis.external.url=redis://${REDIS}.${NAMESPACE}.svc:${REDIS_PORT}`],
  `redis.external.auth.secretName=${REDIS}`,
].flatMap((each) => ['--set', each]);

const POD = {
  automountServiceAccountToken: false,
  enableServiceLinks: false,
  terminationGracePeriodSeconds: 1,
  securityContext: {
    ...{ runAsNonRoot: true, runAsUser: 65_532, runAsGroup: 65_532, fsGroup: 65_532 },
    seccompProfile: { type: 'RuntimeDefault' },
  },
};
const CONTAINER = {
  resources: { requests: { cpu: '50m', memory: '32Mi' } },
  securityContext: {
    ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
    capabilities: { drop: ['ALL'] },
  },
};
const metadataOf = (name) => ({ name, namespace: NAMESPACE, labels: { ...OWN_LABELS, app: name } });

/** @param {{ cluster: object, steps: object, root: string }} options */
export async function runOwnEnvoy({ cluster, steps, root }) {
  const names = {
    upgrade: 'helm upgrade to authorizers for an Envoy of somebody, and to a Redis of somebody with a password',
    allowed: "an Envoy of somebody, as the release's notes say: a signed request",
    tampered: 'an Envoy of somebody: a request that was changed after it was signed',
    unsafe: `an Envoy of somebody with a mistake: ${MISTAKE}`,
    limit: 'a limit counts across authorizers, in a Redis of somebody',
  };
  const images = await imagesOf(cluster);
  if (images === undefined)
    return steps.skip('own-envoy', 'it takes the images of a gateway and of a trial Redis, which the release has not');
  const forwards = createForwards(cluster, NAMESPACE);
  const send = async (listener, request) => {
    const port = await forwards.port(`pod/${ENVOY}`, LISTENERS[listener]);
    return createSender({ gateway: new URL(`http://127.0.0.1:${port}`) })(request);
  };
  const signed = (request = {}) =>
    sign({ dialect: 'JDCloud', key: JDCLOUD, endpoint: `http://${HOST}`, path: LIST, ...request });
  const expectAnswer = ({ status, text }, expected) => {
    if (status !== expected) throw new Error(`${status}, not ${expected}: ${text}`);
  };
  const password = randomBytes(16).toString('hex');
  /** What a step needs that the one before it made. */
  const done = new Set();
  const step = async (name, needs, body) => {
    if (needs !== undefined && !done.has(needs)) return steps.skip(names[name], `it needs "${names[needs]}"`);
    await steps.step(names[name], async () => {
      const found = await body();
      done.add(name);
      return found;
    });
  };

  try {
    await step('upgrade', undefined, async () => {
      await cluster.apply(redisObjects(images.redis, password));
      const upgrade = ['upgrade', RELEASE, 'charts/countersign', '--namespace', NAMESPACE, '--reuse-values'];
      await cluster.helm([...upgrade, ...FLAGS, '--wait', '--timeout', '3m']);
      const { items } = await cluster.json(`get pods -n ${NAMESPACE} -l ${selectorOf('authorizer')}`);
      return `${items.length} pod of authorizers`;
    });
    await step('allowed', 'upgrade', async () => {
      const { rendered, secretName } = await renderAsNoted(cluster, root);
      await cluster.apply(envoyObjects(images.envoy, rendered, secretName));
      await cluster.kubectl(`wait --for=condition=Ready pod/${ENVOY} -n ${NAMESPACE} --timeout=60s`);
      return eventually(
        async () => {
          const answer = await send('right', signed());
          expectAnswer(answer, 200);
          const seen = answer.json.identity['x-countersign-key-id'];
          if (seen !== JDCLOUD.keyId) throw new Error(`the backend was told ${seen}`);
          return `the backend saw ${answer.json.method} ${answer.json.path} of ${seen}`;
        },
        { withinMs: EFFECTIVE_MS },
      );
    });
    await step('tampered', 'allowed', async () => {
      const request = signed({ path: `${LIST}/7` });
      const answer = await send('right', { ...request, url: request.url.replace(/\/7$/, '/8') });
      expectAnswer(answer, 401);
      return reasonOf(cluster, 'right', answer, 'bad_signature');
    });
    await step('unsafe', 'allowed', async () => {
      const { status, reason } = mistake();
      const answer = await send(MISTAKE, signed());
      expectAnswer(answer, status);
      return reasonOf(cluster, MISTAKE, answer, reason);
    });
    await step('limit', 'allowed', async () => {
      const url = `redis://127.0.0.1:${await forwards.port(`pod/${REDIS}`, REDIS_PORT)}`;
      const open = await inRedis({ url }, (redis) => redis.dbSize()).catch(({ message }) => message);
      if (!/NOAUTH/.test(open)) throw new Error(`Redis without a password: ${open}`);
      const counters = () => inRedis({ url, password }, async (redis) => (await redis.keys('countersign:*')).length);
      const before = await counters();
      const startedMs = performance.now();
      const request = signed({ dialect: 'Tencent', key: TENCENT });
      const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => send('right', request)));
      const count = (status) => answers.filter((each) => each.status === status).length;
      const [allowed, limited] = [count(200), count(429)];
      const most = BURST + Math.floor((performance.now() - startedMs) / REFILL_MS);
      const found = `${allowed} of ${AT_ONCE} allowed, ${limited} answered 429`;
      if (allowed < BURST || allowed > most || allowed + limited !== AT_ONCE) throw new Error(found);
      const made = (await counters()) - before;
      if (made <= 0) throw new Error(`${found}; no counter was made in Redis`);
      return `${found}; ${made} counters made in Redis`;
    });
  } finally {
    forwards.close();
  }
}

const mistake = () => misconfigurations.find(({ name }) => name === MISTAKE);

/** Names and pull policies of images that the cluster has. */
async function imagesOf(cluster) {
  const { items } = await cluster.json(`get deployments -n ${NAMESPACE} -l app.kubernetes.io/instance=${RELEASE}`);
  const imageOf = (name) => {
    const found = items.flatMap(({ spec }) => spec.template.spec.containers).find((each) => each.name === name);
    return found && { image: found.image, imagePullPolicy: found.imagePullPolicy };
  };
  const [envoy, redis] = [imageOf('envoy'), imageOf('redis')];
  return envoy && redis && { envoy, redis };
}

function redisObjects(image, password) {
  const metadata = metadataOf(REDIS);
  const secretKeyRef = { name: REDIS, key: 'password' };
  const args = ['--port', String(REDIS_PORT), '--dir', '/data', '--save', '', '--requirepass', '$(REDIS_PASSWORD)'];
  const container = {
    ...{ name: 'redis', ...image, ...CONTAINER, args },
    env: [{ name: 'REDIS_PASSWORD', valueFrom: { secretKeyRef } }],
    volumeMounts: [{ name: 'data', mountPath: '/data' }],
  };
  return [
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { password } },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: { app: REDIS }, ports: [{ port: REDIS_PORT }] } },
    {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata },
      spec: { ...POD, containers: [container], volumes: [{ name: 'data', emptyDir: {} }] },
    },
  ];
}

async function inRedis({ url, password }, body) {
  const redis = createClient({ url, password, socket: { reconnectStrategy: false, connectTimeout: 10_000 } });
  redis.on('error', () => undefined);
  await redis.connect();
  try {
    return await body(redis);
  } finally {
    redis.destroy();
  }
}

/** What the command in the notes of the release prints for the folder of the quickstart. */
async function renderAsNoted(cluster, root) {
  const notes = await cluster.helm(`get notes ${RELEASE} --namespace ${NAMESPACE}`);
  const [command] = /^ *countersign render FOLDER --for envoy(.*\\\n)*.*$/m.exec(notes) ?? [];
  const [, secretName] = /shows authorizers the certificate of Secret (\S+?):?$/m.exec(notes) ?? [];
  if (command === undefined || secretName === undefined) throw new Error(`no command in the notes:\n${notes}`);
  const here = command
    .trim()
    .replace(/^countersign /, `'${process.execPath}' '${join(root, 'dist/cli/main.js')}' `)
    .replace(' FOLDER ', ' examples/quickstart ');
  const output = await run('bash', ['-c', `${here} --output json`], { cwd: root });
  return { rendered: JSON.parse(output), secretName };
}

function envoyObjects(image, rendered, secretName) {
  const metadata = metadataOf(ENVOY);
  const clusters = rendered.clusters;
  const listeners = Object.keys(LISTENERS).map((name) => listenerOf(name, rendered));
  const files = {
    'envoy.yaml': { node: { id: ENVOY, cluster: ENVOY }, static_resources: { listeners, clusters } },
    ...rendered.secret_files,
  };
  const data = Object.fromEntries(Object.entries(files).map(([name, content]) => [name, JSON.stringify(content)]));
  const container = {
    ...{ name: 'envoy', ...image, ...CONTAINER },
    // The access log is looked at: it is written within this time instead of 10 s.
    args: [
      ...['--config-path', `${SECRET_FOLDER}/envoy.yaml`, '--disable-hot-restart', '--concurrency', '1'],
      ...['--file-flush-interval-msec', '200'],
    ],
    readinessProbe: { tcpSocket: { port: LISTENERS.right }, periodSeconds: 1 },
    volumeMounts: [
      { name: 'config', mountPath: SECRET_FOLDER, readOnly: true },
      { name: 'tls', mountPath: TLS_FOLDER, readOnly: true },
    ],
  };
  const volumes = [
    { name: 'config', configMap: { name: ENVOY } },
    { name: 'tls', secret: { secretName, defaultMode: 0o440 } },
  ];
  return [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data },
    { apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...POD, containers: [container], volumes } },
  ];
}

/** Somebody's listener with everything that was printed, where docs/own-envoy.md says it goes. */
function listenerOf(name, rendered) {
  const { listener, http_connection_manager, http_filters, route_config } = structuredClone(rendered);
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'edge',
    access_log: [
      {
        name: 'envoy.access_loggers.stdout',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
          log_format: {
            json_format: {
              listener: name,
              request_id: '%REQ(X-REQUEST-ID)%',
              reason: '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:reason)%',
            },
          },
        },
      },
    ],
    ...http_connection_manager,
    http_filters,
    route_config,
  };
  if (name === MISTAKE) mistake().change(manager);
  return {
    name,
    address: { socket_address: { address: '0.0.0.0', port_value: LISTENERS[name] } },
    ...listener,
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }],
  };
}

/** Why the authorizer refused, as Envoy logs it. */
function reasonOf(cluster, listener, { headers }, expected) {
  return eventually(
    async () => {
      const lines = (await cluster.kubectl(`logs ${ENVOY} -n ${NAMESPACE}`)).split('\n');
      const entry = lines
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line))
        .find((each) => each.request_id === headers['x-request-id'] && each.listener === listener);
      if (entry === undefined) throw new Error(`Envoy has no log of request ${headers['x-request-id']}`);
      if (entry.reason !== expected) throw new Error(`refused for ${entry.reason}, not ${expected}`);
      return entry.reason;
    },
    { withinMs: 30_000, everyMs: 500 },
  );
}
