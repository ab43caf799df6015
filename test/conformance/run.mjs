// Applies the objects, waits for their conditions, sends the requests, makes the changes. Knows nothing of what is
// inside the gateway: it has an address, a way to apply objects and the keys that it made itself.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { verifyGatewaySignature } from '../../examples/backends/node/verify.mjs';
import { CHANGE_CASES, EFFECTIVE_MS } from './change-cases.mjs';
import { ECHO_HEADER } from './echo.mjs';
import { gitopsCases, readGitops, readQuickstart } from './examples.mjs';
import { isOurs, nameOf, randomOf, readObjects, shuffled } from './objects.mjs';
import { requestCases } from './request-cases.mjs';
import { createSender } from './send.mjs';
import { sign } from './sign.mjs';

const own = fileURLToPath(new URL('manifests', import.meta.url));
const RESOLVED = { Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' };
const HEALTHY = { ...RESOLVED, Programmed: 'True Programmed', Ready: 'True Ready' };
/** What a healthy object of the kind has beside. */
const HEALTHY_OF = {
  // Dialects without nonce are listed in all of them.
  ApiGroup: { ReplayWindowOpen: 'True SchemesWithoutNonce' },
  UsagePlan: { LimiterHealthy: 'True Healthy' },
};
/** As long as answers of a cluster's DNS are kept. */
const DNS_MS = 35_000;
/** So many requests reach every Envoy behind an address, in all likelihood. */
const IN_A_ROW = 8;
/** From the first apply until all conditions are as expected. */
const CONVERGED_MS = 60_000;

/**
 * @param {object} options
 * @param {URL} options.gateway
 * @param {ReturnType<import('./folder-driver.mjs').createFolderDriver>} options.driver
 * @param {number} options.seed of the order in which objects are applied
 * @param {string} [options.hostname] that the groups of the suite claim
 * @param {boolean} [options.quickstart] whether examples/quickstart is applied too; default true
 * @param {RegExp} [options.only] names of cases
 * @param {boolean} [options.keep] leaves the objects
 * @param {(result: Result) => void} [options.onResult]
 * @returns {Promise<{ results: Result[], conditions: Record<string, unknown> }>}
 * @typedef {{ name: string, error?: string, elapsedMs: number }} Result
 */
export async function runConformance(options) {
  const {
    gateway,
    driver,
    seed,
    hostname = 'conformance.example.com',
    quickstart = true,
    only,
    keep = false,
  } = options;
  // Ids differ from run to run: what an earlier run has counted must not count here.
  const run = Math.floor(randomOf(seed ^ Date.now())() * 36 ** 6)
    .toString(36)
    .padStart(6, '0');
  const words = { RUN: run, HOSTNAME: hostname };
  const expected = parse(readFileSync(fileURLToPath(new URL('conditions.yaml', import.meta.url)), 'utf8'));
  const objects = [...readObjects(own, words), ...(quickstart ? readQuickstart() : [])];
  const send = createSender(options);
  const results = [];

  async function test(name, body) {
    if (only && !only.test(name)) return;
    const startedMs = performance.now();
    const result = await body().then(
      () => ({ name }),
      (error) => ({ name, error: error.message }),
    );
    results.push({ ...result, elapsedMs: Math.round(performance.now() - startedMs) });
    options.onResult?.(results.at(-1));
  }

  const keyNamed = (name) => ({ keyId: `CF${run}${name.toUpperCase()}`, secret: `conformance-${name}-secret-${run}` });
  async function generated(namespace, name) {
    const statuses = await driver.statuses();
    const found = statuses.find((each) => nameOf(each) === `SignatureKey ${namespace}/${name}`);
    const { secretName } = found?.status ?? {};
    const data = secretName === undefined ? undefined : await driver.secretData(namespace, secretName);
    if (!data) throw new Error(`SignatureKey ${namespace}/${name} has no Secret yet`);
    assert.equal(data.keyId, found.status.keyID);
    return { keyId: data.keyId, secret: data.secret };
  }
  async function keyOf(key) {
    if (typeof key === 'string') return keyNamed(key);
    if (key?.generated) return generated(...key.generated.split('/'));
    return key?.name ? { ...keyNamed(key.name), secret: key.secret } : key;
  }

  const conditionsOf = ({ conditions = [] }) =>
    Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
  /** What users read of an object, without times. */
  const readable = ({ status }) => ({
    ...conditionsOf(status),
    ...(status.targets
      ? {
          targets: Object.fromEntries(
            status.targets.map((target) => [`${target.apiGroup}/${target.environment}`, conditionsOf(target)]),
          ),
        }
      : {}),
  });
  /** What is applied now, ours only. */
  let applied = new Map();
  function wanted(name) {
    const { kind, spec } = applied.get(name);
    const { targets: unhealthy = {}, ...different } = expected[name] ?? {};
    const conditions = { ...HEALTHY, ...HEALTHY_OF[kind], ...different };
    const targets = (kind === 'Authorization' ? spec.targets : []).map(({ apiGroup, environment }) => {
      const target = `${apiGroup}/${environment}`;
      return [target, { ...RESOLVED, ...unhealthy[target] }];
    });
    return {
      ...Object.fromEntries(Object.entries(conditions).filter(([, text]) => text !== null)),
      ...(targets.length === 0 ? {} : { targets: Object.fromEntries(targets) }),
    };
  }
  const conditions = async () =>
    Object.fromEntries(
      (await driver.statuses())
        .filter((each) => applied.has(nameOf(each)))
        .map((each) => [nameOf(each), readable(each)])
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );

  /** What the changes may use; see change-cases.mjs. */
  const changes = {
    object: (kind, namespace, name) =>
      structuredClone(objects.find((each) => nameOf(each) === `${kind} ${namespace}/${name}`)),
    apply: (object) => driver.apply([object]),
    remove: (object) => driver.remove([object]),
    key: keyNamed,
    generated,
    status: statusOf,
    becomes: (wanted, key, path, { withinMs = EFFECTIVE_MS } = {}) => eventuallyStatus(wanted, key, path, withinMs),
    condition: async (object, type) => (await conditions())[nameOf(object)]?.[type],
    eventually: (body) => eventually(body, { withinMs: EFFECTIVE_MS, everyMs: 50 }),
    async signedBy(key, path) {
      const answer = await send(await requestOf({ dialect: 'Huawei', key: 'huawei', path }));
      assert.equal(answer.status, 200);
      checkSignature(answer.json, key);
    },
  };

  /** Applies in random order and judges every object. */
  async function applyAll(all, prefix = '') {
    applied = new Map(all.filter(isOurs).map((object) => [nameOf(object), object]));
    await driver.apply(shuffled(all, seed));
    await driver.startBackends();
    let table = {};
    // Until all are as they should be, or for as long as that may take; then each is judged by itself.
    await eventually(
      async () => {
        table = await conditions();
        for (const name of applied.keys()) assert.deepEqual(table[name], wanted(name), name);
      },
      { withinMs: CONVERGED_MS, everyMs: 250 },
    ).catch(() => undefined);
    for (const name of [...applied.keys()].sort())
      await test(`${prefix}conditions of ${name}`, async () => assert.deepEqual(table[name], wanted(name)));
    return table;
  }

  const gitops = quickstart ? readGitops() : [];
  // Before anything is touched: is there a gateway, and can its objects be read?
  await driver.statuses();
  await send({ method: 'GET', url: `http://${hostname}/` });
  await driver.reset([...objects, ...gitops]);
  const tables = {};
  try {
    tables.all = await applyAll(objects);
    // A Service leads to its pods a moment after they are ready. That of the quickstart may be another one under the
    // name of one that was there: each Envoy asks for its address again within seconds.
    const leads = (ask, withinMs) =>
      eventually(
        async () => {
          for (let i = 0; i < IN_A_ROW; i++) await ask();
        },
        { withinMs, everyMs: 100 },
      ).catch(() => undefined);
    const serves = (url) => async () => assert.notEqual((await send({ method: 'GET', url })).status, 503);
    await leads(serves(`http://${hostname}/conformance/open`), EFFECTIVE_MS);
    if (quickstart) await leads(serves('http://orders.example.com/orders/healthz'), DNS_MS);
    for (const each of requestCases({ hostname }))
      if (quickstart || !each.quickstart) await test(each.name, () => runRequest(each));
    for (const each of CHANGE_CASES) await test(each.name, () => each.run(changes));
    await test('conditions are the same after all changes', () =>
      eventually(async () => assert.deepEqual(await conditions(), tables.all), {
        withinMs: EFFECTIVE_MS,
        everyMs: 100,
      }));
    if (quickstart) {
      // It has objects of the same names.
      await driver.remove(readQuickstart());
      tables.gitops = await applyAll(gitops, 'gitops: ');
      // Again the Service is another one under the same name.
      await leads(() => runRequest(gitopsCases()[0]), DNS_MS);
      for (const each of gitopsCases()) await test(each.name, () => runRequest(each));
    }
  } finally {
    if (!keep) {
      await driver.stopBackends();
      await driver.remove([...objects, ...gitops]);
    }
  }
  return { results, conditions: tables };

  async function runRequest(each) {
    const request = await requestOf(each);
    for (const [index, status] of (each.repeat ?? []).entries())
      assert.equal((await send(request)).status, status, `status of request ${index + 1}`);
    let answer = await send(request);
    for (let sent = 1; sent < (each.within ?? 1) && answer.status !== each.status; sent++) answer = await send(request);
    assert.equal(answer.status, each.status, `status ${answer.status}, not ${each.status}: ${answer.text}`);
    if (each.code !== undefined) {
      assert.equal(answer.json?.code, each.code, 'code');
      assert.equal(answer.json.requestId, answer.headers['x-request-id'], 'requestId');
    }
    if (each.json) assert.partialDeepStrictEqual(answer.json, each.json);
    for (const [name, wanted] of Object.entries(each.headersOfAnswer ?? {}))
      await checkHeader(name, answer.headers[name], wanted);
    const reached = answer.headers[ECHO_HEADER] !== undefined;
    assert.equal(reached, each.status === 200 && each.method !== 'OPTIONS', 'whether the backend was reached');
    if (each.seen) await checkSeen(answer.json, each.seen);
    if (each.signedBy) checkSignature(answer.json, each.signedBy);
  }

  async function requestOf({
    dialect,
    key,
    host = hostname,
    method = 'GET',
    path,
    headers,
    alter = (same) => same,
    ...rest
  }) {
    const endpoint = `http://${host}`;
    if (dialect === undefined) return { method, url: `${endpoint}${path}`, headers };
    return alter(sign({ dialect, endpoint, key: await keyOf(key), method, path, ...rest }));
  }

  async function checkHeader(name, value, wanted) {
    if (wanted === null) assert.equal(value, undefined, name);
    else if (wanted instanceof RegExp) assert.match(value ?? '', wanted, name);
    else assert.equal(value, wanted.keyOf ? keyNamed(wanted.keyOf).keyId : wanted, name);
  }

  async function checkSeen({ method, url, rawHeaders, bodyBase64 }, wanted) {
    const header = (name) =>
      rawHeaders[rawHeaders.findIndex((each, i) => i % 2 === 0 && each.toLowerCase() === name) + 1];
    const has = (name) => rawHeaders.some((each, i) => i % 2 === 0 && each.toLowerCase() === name);
    const value = (name) => (has(name) ? header(name) : undefined);
    const [path, query = ''] = url.split('?');
    const seen = {
      ...{ method, path, query, body: Buffer.from(bodyBase64, 'base64').toString() },
      authorization: value('authorization'),
      keyOf: value('x-countersign-key-id'),
      environment: value('x-countersign-environment'),
      api: value('x-countersign-api'),
    };
    for (const [name, text] of Object.entries(wanted))
      assert.equal(
        name in seen ? seen[name] : value(name),
        name === 'keyOf' && text !== undefined ? keyNamed(text).keyId : text,
        `${name} at the backend`,
      );
  }

  async function eventuallyStatus(wanted, key, path, withinMs) {
    await eventually(
      async () => {
        const status = await statusOf(key, path);
        assert.equal(status, wanted, `still ${status}, not ${wanted}, after ${withinMs} ms`);
      },
      { withinMs, everyMs: 50 },
    );
  }
  async function statusOf(key, path) {
    return (await send(await requestOf({ dialect: 'Huawei', key, path }))).status;
  }
}

/** With the verifier that backends copy from examples/backends, not with ours. */
function checkSignature({ method, url, rawHeaders, bodyBase64 }, key) {
  const body = Buffer.from(bodyBase64, 'base64');
  assert.deepEqual(verifyGatewaySignature({ method, url, rawHeaders }, body, [key]), { valid: true, keyId: key.keyId });
}

async function eventually(body, { withinMs, everyMs }) {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    try {
      return await body();
    } catch (error) {
      if (performance.now() >= deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }
}
