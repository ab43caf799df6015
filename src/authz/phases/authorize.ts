/**
 * Phase 3: may this key call this API, and which plan counts it. By `access`:
 *  authorization Enabled,  usagePlan Optional   a grant
 *  authorization Enabled,  usagePlan Required   a grant and a plan
 *  authorization Disabled, usagePlan Required   the plan is the permission
 *  authorization Disabled, usagePlan Optional   any usable caller key that admits the namespace
 * A plan that applies counts in all four.
 */
import type { DenyReason } from '../../lib/reason.js';
import { type CallerKey, comparePlans, type Grant, type Plan } from '../../model/model.js';
import type { Matched } from './match.js';
import type { Passed, Refused } from './refused.js';
import type { Table, TargetMatch } from '../table/table.js';
import type { Caller } from './verify.js';

export interface Authorized extends Passed {
  readonly plan: Plan | undefined;
}

const isCurrent = (grant: Grant, nowMs: number): boolean =>
  grant.expirationMs === undefined || nowMs < grant.expirationMs;

function judgeGrants(matches: readonly TargetMatch<Grant>[], nowMs: number): DenyReason | undefined {
  if (matches.some(({ value }) => isCurrent(value, nowMs))) return undefined;
  return matches.length > 0 ? 'authorization_expired' : 'not_authorized';
}

/** Exactly one plan applies: an API target beats a group target, then what all replicas agree on. */
function applicablePlan(matches: readonly TargetMatch<Plan>[]): Plan | undefined {
  let best: TargetMatch<Plan> | undefined;
  for (const match of matches) {
    if (!best || (match.specific && !best.specific)) best = match;
    else if (match.specific === best.specific && comparePlans(match.value, best.value) < 0) best = match;
  }
  return best?.value;
}

/** Decides by the table; times are judged at `nowMs`. */
export function authorize(caller: Caller, matched: Matched, table: Table, nowMs: number): Authorized | Refused {
  const { access } = matched.api;
  if (caller.key === undefined) {
    if (access.authentication !== 'None') return { refused: 'internal_error' };
    // An anonymous caller can hold neither grant nor plan: an API that demands a plan serves nobody.
    return access.usagePlan === 'Required' ? { refused: 'no_usage_plan' } : { plan: undefined };
  }
  return authorizeKey(caller.key, matched, table, nowMs);
}

function authorizeKey(key: CallerKey, matched: Matched, table: Table, nowMs: number): Authorized | Refused {
  const { access, name } = matched.api;
  const group = matched.group.group.key;
  const environment = matched.environment.environment.name;
  if (access.authorization === 'Enabled') {
    const reason = judgeGrants(table.grants.matches(key.key, group, environment, name), nowMs);
    if (reason) return { refused: reason };
  }
  const plan = applicablePlan(table.plans.matches(key.key, group, environment, name));
  if (!plan && access.usagePlan === 'Required') return { refused: 'no_usage_plan' };
  if (plan && !plan.valid) return { refused: 'usage_plan_invalid' };
  return { plan };
}
