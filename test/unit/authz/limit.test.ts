import { describe, expect, test } from '@jest/globals';
import type { Decision } from '../../../src/authz/decision.js';
import { StoreUnavailableError } from '../../../src/ratelimit/errors.js';
import type { CounterStore } from '../../../src/ratelimit/store.js';
import type { Plan } from '../../../src/model/model.js';
import { createGate, NOW_MS } from '../../support/authz/authz-check.js';
import { APP, EVERYTHING, fixture, GRANT, signedBy, SIGNED } from '../../support/authz/authz-fixture.js';
import type { ApiInput, PlanInput } from '../../support/authz/authz-model.js';

const TARGET = '/orders/release/x';
const RATE = { name: 'rps', requests: 500, intervalMs: 1000, burst: 2, scope: 'Key' } as const;
const QUOTA = { name: 'daily', requests: 125, period: 'Day', timeZone: 'Asia/Shanghai', scope: 'Key' } as const;
const PLAN: PlanInput = { key: 'team/plan', planId: 'usagePlan-1', callerKeys: [APP.key], targets: GRANT.targets };
const SECOND_KEY = { key: 'caller/second', keyId: 'AKtwo', secret: APP.secret };

const plans = (plan: Partial<PlanInput>, apis: readonly ApiInput[] = [EVERYTHING]) =>
  fixture({
    apis,
    callerKeys: [APP, SECOND_KEY],
    grants: [{ ...GRANT, callerKeys: [APP.key, SECOND_KEY.key] }],
    plans: [{ ...PLAN, callerKeys: [APP.key, SECOND_KEY.key], ...plan }],
  });
const headersOf = (decision: Decision): Record<string, string> =>
  Object.fromEntries(decision.outcome === 'allow' ? decision.responseHeaders : decision.headers);
const statusOf = (decision: Decision): string =>
  decision.outcome === 'allow' ? 'allow' : `${decision.status} ${decision.reason}`;

const AWAY: CounterStore = {
  mode: 'Single',
  admit: () => Promise.reject(new StoreUnavailableError('stopped')),
  health: () => ({ healthy: false, message: 'stopped' }),
  close: () => Promise.resolve(),
};

describe('the store', () => {
  test('is not asked when nothing is counted', async () => {
    const gate = createGate(fixture());
    await gate.send({ target: TARGET, ...SIGNED });
    expect(gate.admissions).toEqual([]);
  });
  test('is asked once for everything, with names that hold no text of a user', async () => {
    const gate = createGate(plans({ rateLimits: [RATE], quotas: [QUOTA, { ...QUOTA, name: 'all', scope: 'Plan' }] }));
    await gate.send({ target: TARGET, sign: signedBy('JDCloud') });
    expect(gate.admissions).toHaveLength(1);
    const [admission] = gate.admissions;
    expect(admission).toMatchObject({
      replay: { ttlMs: 1_810_000 },
      rates: [{ requests: 500, intervalMs: 1000, burst: 2, shadow: false }],
      quotas: [{ limit: 125, period: 'Day', timeZone: 'Asia/Shanghai' }, { limit: 125 }],
    });
    const names = [
      admission!.subject,
      admission!.token,
      admission!.replay!.marker,
      admission!.rates[0]!.counter,
      ...admission!.quotas.map((quota) => quota.counter),
      admission!.quotas[1]!.subject!,
    ];
    for (const name of names) expect(name).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set(names).size).toBe(names.length);
    expect(admission!.rates[0]!.subject).toBeUndefined();
  });
  test('is not asked for a wrong signature, a key without a grant or a backend key that cannot sign', async () => {
    const gate = createGate({ ...plans({ rateLimits: [RATE] }), grants: [] });
    await gate.send({ target: TARGET, ...SIGNED });
    await gate.send({ target: TARGET, sign: { ...signedBy('Huawei'), secret: 'guess' } });
    const unsignable = createGate(
      plans({ rateLimits: [RATE] }, [{ ...EVERYTHING, backendSignature: { type: 'Basic' } }]),
    );
    expect(statusOf(await unsignable.send({ target: TARGET, ...SIGNED }))).toBe('503 backend_key_unavailable');
    expect([...gate.admissions, ...unsignable.admissions]).toEqual([]);
  });
  test('keeps counters when a plan is built again, and gives each key, API and plan its own by scope', async () => {
    const apis: ApiInput[] = [EVERYTHING, { name: 'a', path: { type: 'Exact', value: '/a' } }];
    const counters = async (scope: Plan['rateLimits'][number]['scope']) => {
      const gate = createGate(plans({ rateLimits: [{ ...RATE, burst: 9, scope }] }, apis));
      await gate.send({ target: TARGET, ...SIGNED });
      await gate.send({ target: '/orders/release/a', ...SIGNED });
      await gate.send({ target: TARGET, sign: { ...signedBy('Huawei'), keyId: 'AKtwo' } });
      return gate.admissions.map(({ rates, subject }) => `${rates[0]!.subject ?? subject} ${rates[0]!.counter}`);
    };
    expect(await counters('Key')).toEqual(await counters('Key'));
    expect(new Set(await counters('Key')).size).toBe(2);
    expect(new Set(await counters('KeyAndApi')).size).toBe(3);
    expect(new Set(await counters('Plan')).size).toBe(1);
  });
});

describe('limits', () => {
  test('the burst passes, the next is 429 with Retry-After, later it passes again', async () => {
    const gate = createGate(plans({ rateLimits: [{ ...RATE, requests: 1, intervalMs: 5000 }] }));
    const send = async () => gate.send({ target: TARGET, ...SIGNED });
    expect(statusOf(await send())).toBe('allow');
    expect(statusOf(await send())).toBe('allow');
    const refused = await send();
    expect(statusOf(refused)).toBe('429 rate_limited');
    expect(headersOf(refused)['retry-after']).toBe('5');
    gate.nowMs += 5000;
    expect(statusOf(await send())).toBe('allow');
  });
  test('a used-up quota says when its window ends', async () => {
    const gate = createGate(plans({ quotas: [{ ...QUOTA, requests: 1 }] }));
    await gate.send({ target: TARGET, ...SIGNED });
    const refused = await gate.send({ target: TARGET, ...SIGNED });
    expect(statusOf(refused)).toBe('429 quota_exceeded');
    expect(headersOf(refused)['retry-after']).toBe(String((Date.parse('2025-06-02T16:00:00Z') - NOW_MS) / 1000));
  });
  test('a Total quota that is used up asks to wait a day', async () => {
    const gate = createGate(plans({ quotas: [{ ...QUOTA, requests: 0, period: 'Total' }] }));
    expect(headersOf(await gate.send({ target: TARGET, ...SIGNED }))['retry-after']).toBe('86400');
  });
  test('in shadow are reported and never refuse', async () => {
    const gate = createGate(
      plans({ enforcement: 'Shadow', quotas: [{ ...QUOTA, requests: 0 }], responseHeaders: ['Tencent'] }),
    );
    const decision = await gate.send({ target: TARGET, ...SIGNED });
    expect(statusOf(decision)).toBe('allow');
    expect(headersOf(decision)['x-ratelimit-used']).toBe('1/0');
    const shadow = { plan: 'team/plan', reason: 'quota_exceeded' };
    expect(gate.observations.map(({ limit }) => limit)).toEqual([{ degraded: false, shadow }]);
  });
});

describe('response headers', () => {
  const answers = async (
    responseHeaders: Plan['responseHeaders'],
    plan: Partial<PlanInput> = { rateLimits: [RATE], quotas: [QUOTA] },
  ) => {
    const gate = createGate(plans({ ...plan, responseHeaders }));
    return headersOf(await gate.send({ target: TARGET, ...SIGNED }));
  };
  test('Tencent: the throttle setting and the use of the first quota', async () => {
    expect(await answers(['Tencent'])).toEqual({
      'x-secret-id': 'AKok',
      'x-usageplan-id': 'usagePlan-1',
      'x-ratelimit-limit': '500',
      'x-ratelimit-used': '1/125',
      'x-request-id': 'request-1',
    });
  });
  test('Tencent without a quota: the use of the burst; without any limit: who and which plan', async () => {
    expect(await answers(['Tencent'], { rateLimits: [RATE] })).toMatchObject({
      'x-ratelimit-limit': '500',
      'x-ratelimit-used': '1/2',
    });
    expect(await answers(['Tencent'], {})).toEqual({
      'x-secret-id': 'AKok',
      'x-usageplan-id': 'usagePlan-1',
      'x-request-id': 'request-1',
    });
  });
  test('Tencent on 429 too', async () => {
    const gate = createGate(plans({ quotas: [{ ...QUOTA, requests: 1 }], responseHeaders: ['Tencent'] }));
    await gate.send({ target: TARGET, ...SIGNED });
    expect(headersOf(await gate.send({ target: TARGET, ...SIGNED }))).toMatchObject({
      'x-secret-id': 'AKok',
      'x-ratelimit-used': '1/1',
    });
  });
  test('XRateLimit: the limit that is closest to its end', async () => {
    expect(await answers(['XRateLimit'])).toMatchObject({
      'x-ratelimit-limit': '2',
      'x-ratelimit-remaining': '1',
      'x-ratelimit-reset': '1',
    });
  });
  test('IETF: every limit by name', async () => {
    const reset = (Date.parse('2025-06-02T16:00:00Z') - NOW_MS) / 1000;
    expect(await answers(['IETF'])).toMatchObject({
      'ratelimit-policy': '"rps";q=500;w=1, "daily";q=125;w=86400',
      ratelimit: `"rps";r=1;t=1, "daily";r=124;t=${reset}`,
    });
  });
  test('none unless the plan lists them', async () =>
    expect(await answers([])).toEqual({ 'x-request-id': 'request-1' }));
});

describe('replays', () => {
  const JD = { target: TARGET, sign: signedBy('JDCloud') } as const;
  const fixed = () => 'same-nonce';
  const replay = (verification: ApiInput['verification']) =>
    createGate(fixture({ apis: [{ ...EVERYTHING, verification: verification! }] }), { random: fixed });

  test('a nonce is good once; the same Check sent again by Envoy passes', async () => {
    const gate = replay({ replayProtection: 'Nonce' });
    expect(statusOf(await gate.send({ ...JD, streamToken: 'envoy/1' }))).toBe('allow');
    expect(statusOf(await gate.send({ ...JD, streamToken: 'envoy/1' }))).toBe('allow');
    expect(statusOf(await gate.send({ ...JD, streamToken: 'envoy/2' }))).toBe('401 replayed_nonce');
  });
  test('a scheme without nonce is deduplicated only under Signature', async () => {
    const nonce = replay({ replayProtection: 'Nonce' });
    const signature = replay({ replayProtection: 'Signature' });
    for (const streamToken of ['1', '2'])
      expect(statusOf(await nonce.send({ target: TARGET, ...SIGNED, streamToken }))).toBe('allow');
    expect(statusOf(await signature.send({ target: TARGET, ...SIGNED, streamToken: '1' }))).toBe('allow');
    expect(statusOf(await signature.send({ target: TARGET, ...SIGNED, streamToken: '2' }))).toBe(
      '401 replayed_signature',
    );
    expect(nonce.admissions).toEqual([]);
  });
  test('disabled, nothing is remembered', async () => {
    const gate = replay({ replayProtection: 'Disabled' });
    for (const streamToken of ['1', '2']) expect(statusOf(await gate.send({ ...JD, streamToken }))).toBe('allow');
    expect(gate.admissions).toEqual([]);
  });
  test('a refusal by a limit burns no nonce', async () => {
    const gate = createGate(plans({ rateLimits: [{ ...RATE, requests: 1, burst: 1 }] }), { random: fixed });
    expect(statusOf(await gate.send({ target: TARGET, ...SIGNED }))).toBe('allow');
    expect(statusOf(await gate.send({ ...JD, streamToken: '1' }))).toBe('429 rate_limited');
    gate.nowMs += 1000;
    expect(statusOf(await gate.send({ ...JD, streamToken: '2' }))).toBe('allow');
  });
});

describe('without the store', () => {
  const away = (plan: Partial<PlanInput>, verification: ApiInput['verification'] = {}) =>
    createGate(plans(plan, [{ ...EVERYTHING, verification: verification }]), {
      store: AWAY,
      random: () => 'same-nonce',
    });
  test('the policy decides per kind of limit', async () => {
    const gate = away({
      rateLimits: [{ ...RATE, burst: 1 }],
      onStoreFailure: { rate: 'LocalFallback', quota: 'Deny' },
    });
    expect(statusOf(await gate.send({ target: TARGET, ...SIGNED }))).toBe('allow');
    expect(statusOf(await gate.send({ target: TARGET, ...SIGNED }))).toBe('429 rate_limited');
    const closed = away({ quotas: [QUOTA] });
    const refused = await closed.send({ target: TARGET, ...SIGNED });
    expect(statusOf(refused)).toBe('503 store_unavailable');
    expect(headersOf(refused)['retry-after']).toBe('2');
    for (const { limit } of [...gate.observations, ...closed.observations]) expect(limit?.degraded).toBe(true);
    const open = away({ quotas: [{ ...QUOTA, requests: 0 }], onStoreFailure: { rate: 'Deny', quota: 'Allow' } });
    expect(statusOf(await open.send({ target: TARGET, ...SIGNED }))).toBe('allow');
  });
  test('nonces are remembered here, or refused', async () => {
    const gate = away({});
    expect(statusOf(await gate.send({ target: TARGET, sign: signedBy('JDCloud'), streamToken: '1' }))).toBe('allow');
    expect(statusOf(await gate.send({ target: TARGET, sign: signedBy('JDCloud'), streamToken: '2' }))).toBe(
      '401 replayed_nonce',
    );
    const strict = away({}, { replayStoreFailure: 'Deny' });
    expect(statusOf(await strict.send({ target: TARGET, sign: signedBy('JDCloud') }))).toBe('503 store_unavailable');
  });
});
