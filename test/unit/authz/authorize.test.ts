import { describe, expect, test } from '@jest/globals';
import type { Access } from '../../../src/model/model.js';
import { createGate, NOW_MS } from '../../support/authz/authz-check.js';
import { APP, EVERYTHING, fixture, GRANT, SIGNED } from '../../support/authz/authz-fixture.js';
import type { GrantInput, PlanInput } from '../../support/authz/authz-model.js';

const TARGET = '/orders/release/x';
const PLAN: PlanInput = { key: 'team/plan', callerKeys: [APP.key], targets: GRANT.targets };

async function outcome(
  access: Partial<Access>,
  grants: readonly GrantInput[],
  plans: readonly PlanInput[] = [],
): Promise<string> {
  const decision = await createGate(fixture({ apis: [{ ...EVERYTHING, access }], grants, plans })).send({
    target: TARGET,
    ...SIGNED,
  });
  return decision.outcome === 'allow'
    ? `allow ${decision.facts.planId}`.trim()
    : `${decision.status} ${decision.reason}`;
}

describe.each([
  // authorization, usagePlan, with neither, a grant, a plan, both
  ['Enabled', 'Optional', '403 not_authorized', 'allow', '403 not_authorized', 'allow plan-plan'],
  ['Enabled', 'Required', '403 not_authorized', '403 no_usage_plan', '403 not_authorized', 'allow plan-plan'],
  ['Disabled', 'Required', '403 no_usage_plan', '403 no_usage_plan', 'allow plan-plan', 'allow plan-plan'],
  ['Disabled', 'Optional', 'allow', 'allow', 'allow plan-plan', 'allow plan-plan'],
] as const)('authorization %s, usage plan %s', (authorization, usagePlan, neither, grant, plan, both) => {
  test.each([
    ['neither', [], [], neither],
    ['a grant', [GRANT], [], grant],
    ['a plan', [], [PLAN], plan],
    ['both', [GRANT], [PLAN], both],
  ] as const)('with %s', async (_name, grants, plans, expected) => {
    expect(await outcome({ authorization, usagePlan }, grants, plans)).toBe(expected);
  });
});

describe('a grant', () => {
  const grant = (change: Partial<GrantInput>): readonly GrantInput[] => [{ ...GRANT, ...change }];
  const target = (environment: string, apis: '*' | string[]) =>
    grant({ targets: [{ group: 'team/orders', environment, apis }] });
  test('covers its key, group, environment and APIs and nothing else', async () => {
    expect(await outcome({}, target('release', ['everything']))).toBe('allow');
    expect(await outcome({}, target('release', ['other']))).toBe('403 not_authorized');
    expect(await outcome({}, target('test', '*'))).toBe('403 not_authorized');
    expect(await outcome({}, grant({ callerKeys: ['caller/other'] }))).toBe('403 not_authorized');
    expect(await outcome({}, grant({ targets: [{ group: 'other/orders', environment: 'release', apis: '*' }] }))).toBe(
      '403 not_authorized',
    );
  });
  test('ends at its expiration; another one that covers the request still holds', async () => {
    const expired = { ...GRANT, key: 'team/old', expiration: new Date(NOW_MS).toISOString() };
    expect(await outcome({}, [expired])).toBe('403 authorization_expired');
    expect(await outcome({}, [{ ...expired, expiration: new Date(NOW_MS + 1).toISOString() }])).toBe('allow');
    expect(await outcome({}, [expired, GRANT])).toBe('allow');
    expect(await outcome({}, [{ ...expired, expiration: 'soon' }])).toBe('403 authorization_expired');
  });
});

describe('the plan that applies', () => {
  const specific: PlanInput = {
    ...PLAN,
    key: 'team/zz',
    targets: [{ group: 'team/orders', environment: 'release', apis: ['everything'] }],
  };
  test('an API target beats a group target, then the name decides, whatever the order', async () => {
    expect(await outcome({}, [GRANT], [PLAN, specific])).toBe('allow plan-zz');
    expect(await outcome({}, [GRANT], [specific, PLAN])).toBe('allow plan-zz');
    expect(
      await outcome(
        {},
        [GRANT],
        [
          { ...PLAN, key: 'team/b' },
          { ...PLAN, key: 'team/a' },
        ],
      ),
    ).toBe('allow plan-a');
  });
  test('is the older one where age decides, and one of known age before one of unknown', async () => {
    const [young, old, ageless] = [
      { ...PLAN, key: 'team/a', createdMs: 2 },
      { ...PLAN, key: 'team/z', createdMs: 1 },
      { ...PLAN, key: 'team/0' },
    ];
    for (const plans of [
      [young, old, ageless],
      [ageless, old, young],
    ])
      expect(await outcome({}, [GRANT], plans)).toBe('allow plan-z');
    expect(await outcome({}, [GRANT], [old, { ...specific, createdMs: 3 }])).toBe('allow plan-zz');
  });
  test('an invalid plan refuses rather than run unlimited', async () => {
    expect(await outcome({}, [GRANT], [{ ...PLAN, valid: false }])).toBe('503 usage_plan_invalid');
    expect(await outcome({ authorization: 'Disabled', usagePlan: 'Required' }, [], [{ ...PLAN, valid: false }])).toBe(
      '503 usage_plan_invalid',
    );
  });
});

test('an anonymous caller has no plan: an API that demands one serves nobody', async () => {
  expect(await outcome({ authentication: 'None', authorization: 'Disabled', usagePlan: 'Required' }, [], [PLAN])).toBe(
    '403 no_usage_plan',
  );
});
