/** Whatever fails on the way refuses: there is no hook at which an exception becomes an allow. */
import { describe, expect, test } from '@jest/globals';
import { createAuthorizer } from '../../../src/authz/authorizer.js';
import type { CheckDependencies } from '../../../src/authz/pipeline.js';
import type { CheckRequest } from '../../../src/authz/request.js';
import { buildTable, type Table } from '../../../src/authz/table/table.js';
import { createMemoryStore } from '../../../src/ratelimit/memory.js';
import type { CounterStore } from '../../../src/ratelimit/store.js';
import { createGate, NOW_MS } from '../../support/authz/authz-check.js';
import { APP, EVERYTHING, fixture, GRANT, signedBy } from '../../support/authz/authz-fixture.js';
import { buildModel, type ModelInput } from '../../support/authz/authz-model.js';
import { buildRequest } from '../../support/authz/authz-request.js';

const boom = (): never => {
  throw new Error('boom');
};
/** Everything is used: a plan, a nonce, a backend signature. */
const MODEL: ModelInput = fixture({
  apis: [{ ...EVERYTHING, backendSignature: { type: 'HMAC', dialect: 'Huawei', keyId: 'b', secret: 's' } }],
  plans: [
    {
      key: 'team/plan',
      callerKeys: [APP.key],
      targets: GRANT.targets,
      rateLimits: [{ name: 'rps', requests: 9, intervalMs: 1000, burst: 9, scope: 'Key' }],
    },
  ],
});
const REQUEST = buildRequest({ target: '/orders/release/x', sign: signedBy('JDCloud'), requestId: 'req-1' }, NOW_MS);

describe('an exception', () => {
  const store = (admit: CounterStore['admit']): CounterStore => ({
    ...createMemoryStore({ clock: () => NOW_MS }),
    admit,
  });
  const hooks: Record<string, Partial<CheckDependencies>> = {
    'in the clock': { clock: boom },
    'in the store': { store: store(boom) },
    'as a rejection of the store': { store: store(() => Promise.reject(new Error('boom'))) },
    'as an answer of the store that is no answer': { store: store(() => Promise.resolve(undefined as never)) },
    'as an outcome of the store that nobody knows': {
      store: store(() => Promise.resolve({ outcome: 'maybe', rates: [], quotas: [] } as never)),
    },
    'in the random source': { uuid: boom },
    'in the number of authorizers': { authorizers: boom },
  };
  test.each(Object.entries(hooks))('%s is 503', async (_name, deps) => {
    const gate = createGate(MODEL, { deps });
    expect(await gate.check(REQUEST)).toMatchObject({
      outcome: 'deny',
      reason: 'internal_error',
      status: 503,
      facts: { keyId: '' },
    });
    expect(gate.errors).toHaveLength(1);
    expect(gate.observations).toMatchObject([{ decision: 'deny', reason: 'internal_error' }]);
  });
  test('in any part of the table is 503', async () => {
    const gate = createGate(MODEL);
    const healthy = gate.table;
    const broken: Partial<Record<keyof Table, unknown>> = {
      routes: { get: boom },
      groups: { get: boom },
      keysById: { get: boom },
      grants: { matches: boom },
      plans: { matches: boom },
    };
    for (const [part, value] of Object.entries(broken)) {
      gate.table = { ...healthy, [part]: value };
      expect(await gate.check(REQUEST)).toMatchObject({ outcome: 'deny', reason: 'internal_error' });
    }
    gate.table = healthy;
    expect(await gate.check(REQUEST)).toMatchObject({ outcome: 'allow' });
  });
  test('in reading any part of the request is 503', async () => {
    const gate = createGate(MODEL);
    for (const name of ['method', 'target', 'headers', 'authority', 'route', 'streamToken'] as const) {
      const broken = Object.defineProperty<CheckRequest>({ ...REQUEST }, name, { get: boom });
      expect(await gate.check(broken)).toMatchObject({ outcome: 'deny', reason: 'internal_error' });
    }
  });
  test('in telemetry changes no decision', async () => {
    const gate = createGate(MODEL, { deps: { metrics: { observe: boom }, onError: boom } });
    expect(await gate.check(REQUEST)).toMatchObject({ outcome: 'allow' });
    gate.table = {} as Table;
    expect(await gate.check(REQUEST)).toMatchObject({ outcome: 'deny', reason: 'internal_error' });
  });
});

test('an allowed request went through every phase, a refused one as far as it got', async () => {
  const gate = createGate(MODEL);
  await gate.check(REQUEST);
  await gate.send({ target: '/orders/release/x' });
  expect(gate.observations.map(({ phaseDurations }) => Object.keys(phaseDurations))).toEqual([
    ['match', 'verify', 'authorize', 'limit', 'sign'],
    ['match', 'verify'],
  ]);
});

describe('the authorizer', () => {
  const create = () =>
    createAuthorizer({ store: createMemoryStore({ clock: () => NOW_MS }), clock: () => NOW_MS, random: () => 'r' });
  test('refuses everything until it has a table', async () => {
    const authorizer = create();
    expect(authorizer.ready).toBe(false);
    expect(await authorizer.check(REQUEST)).toMatchObject({ outcome: 'deny', reason: 'internal_error' });
    authorizer.setTable(buildTable(buildModel(MODEL)));
    expect(authorizer.ready).toBe(true);
    expect(await authorizer.check(REQUEST)).toMatchObject({ outcome: 'allow' });
  });
  test('keeps answering over the routes of the model before until they are dropped', async () => {
    const authorizer = create();
    authorizer.setModel(buildModel(MODEL));
    authorizer.setModel(
      buildModel(
        fixture({ group: { environments: [{ name: 'release', default: true, route: 'new', apis: [EVERYTHING] }] } }),
      ),
    );
    expect(await authorizer.check(REQUEST)).toMatchObject({ outcome: 'allow' });
    authorizer.dropRetired();
    expect(await authorizer.check(REQUEST)).toMatchObject({ outcome: 'deny', reason: 'route_mismatch' });
  });
  test('a deleted key, grant or API is refused from the next request on', async () => {
    const authorizer = create();
    authorizer.setModel(buildModel(MODEL));
    const fresh = () => buildRequest({ target: '/orders/release/x', sign: signedBy('JDCloud') }, NOW_MS);
    expect(await authorizer.check(fresh())).toMatchObject({ outcome: 'allow' });
    authorizer.setModel(buildModel({ ...MODEL, callerKeys: [] }));
    expect(await authorizer.check(fresh())).toMatchObject({ reason: 'unknown_key' });
    authorizer.setModel(buildModel({ ...MODEL, grants: [] }));
    expect(await authorizer.check(fresh())).toMatchObject({ reason: 'not_authorized' });
    authorizer.setModel(buildModel(MODEL));
    expect(await authorizer.check(fresh())).toMatchObject({ outcome: 'allow' });
  });
});
