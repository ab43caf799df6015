/**
 * UsagePlan → plan of the model. A plan with an error keeps its bindings and refuses (503): dropping it would let
 * its keys call without limits.
 */
import type { UsagePlan, UsagePlanQuota, UsagePlanRateLimit } from '../../api/types.js';
import { durationMs } from '../../api/units.js';
import { hexHash } from '../../lib/stable-hash.js';
import {
  comparePlans,
  type Plan,
  type Quota,
  type RateLimit,
  type ResourceKey,
  type Target,
} from '../../model/model.js';
import { keyOf } from '../../resources/resource-set.js';
import type { Absence } from '../absence.js';
import type { TranslatedGroup } from '../groups/api-group.js';
import { admitKeys, type AdmittedKeys, type NamedKey, resolveTargets, type ResolvedTargets } from './bindings.js';
import { claimantOf, type TranslatedKey } from '../keys/signature-key.js';
import { Problems } from '../statuses/status.js';
import type { TranslateContext } from '../translation.js';

export interface TranslatedPlan {
  readonly resource: UsagePlan;
  readonly key: ResourceKey;
  readonly planId: string;
  /** `undefined` when it is disabled (which unbinds) or binds nothing. */
  readonly plan: Plan | undefined;
  readonly admitted: AdmittedKeys;
  readonly resolved: ResolvedTargets;
  readonly problems: Problems;
}

/** @param selected own caller keys that `keys.selector` matches. */
export function translateUsagePlan(
  resource: UsagePlan,
  named: readonly NamedKey[],
  selected: readonly TranslatedKey[],
  groups: ReadonlyMap<ResourceKey, TranslatedGroup>,
  absence: Absence,
  { counterStore, singleOwner = false }: Pick<TranslateContext, 'counterStore' | 'singleOwner'> = {},
): TranslatedPlan {
  const { spec, metadata } = resource;
  const problems = new Problems(resource);
  const byName = admitKeys(metadata.namespace, named, undefined, problems);
  const usable = selected.filter(({ caller }) => caller);
  if (spec.keys.selector && usable.length === 0)
    problems.warn('KeyNotFound', 'spec.keys.selector', 'selects no Caller key of this namespace');
  const admitted = { ...byName, keys: [...new Set([...byName.keys, ...usable])] };
  const resolved = resolveTargets(metadata.namespace, spec.targets, groups, absence, 'UsagePlan', problems);
  const before = problems.list.length;
  const rateLimits = (spec.rateLimits ?? []).map((limit, i) => readRateLimit(limit, `spec.rateLimits[${i}]`, problems));
  const quotas = (spec.quotas ?? []).map((quota, i) => readQuota(quota, `spec.quotas[${i}]`, problems));
  const limits = [
    ...rateLimits.map((limit, i) => ({ ...limit, path: `spec.rateLimits[${i}]` })),
    ...quotas.map((quota, i) => ({ ...quota, path: `spec.quotas[${i}]` })),
  ];
  for (const { scope, path } of limits)
    if (scope === 'Plan' && counterStore === 'Cluster')
      problems.error(
        'UnsupportedByStore',
        `${path}.scope`,
        'a Redis Cluster cannot keep a limit that several keys share; the plan refuses its requests until the scope is Key or KeyAndApi',
      );
  const valid = problems.list.length === before;
  for (const { requests, path } of limits)
    if (requests === 0)
      problems.warn(
        'AdmitsNothing',
        `${path}.requests`,
        `is 0: ${spec.enforcement === 'Shadow' ? 'Shadow counts every request of the plan as one too many' : 'every request of the plan is refused'}`,
      );
  const key = keyOf(resource);
  const planId = `usagePlan-${hexHash(key, 8)}`;
  // Elsewhere plans of one group are of one namespace, in which names decide.
  const { createdMs } = singleOwner ? claimantOf(resource) : {};
  const binds = spec.state === 'Enabled' && admitted.keys.length > 0 && resolved.targets.length > 0;
  return {
    resource,
    key,
    planId,
    plan: binds
      ? {
          key,
          namespace: metadata.namespace,
          name: metadata.name,
          planId,
          valid,
          enforcement: spec.enforcement,
          onStoreFailure: spec.onStoreFailure,
          responseHeaders: spec.responseHeaders ?? [],
          rateLimits,
          quotas,
          callerKeys: admitted.keys.map((each) => each.key),
          targets: resolved.targets,
          ...(createdMs !== undefined && { createdMs }),
        }
      : undefined,
    admitted,
    resolved,
    problems,
  };
}

function readRateLimit(
  { name, requests, interval, burst, scope }: UsagePlanRateLimit,
  path: string,
  problems: Problems,
): RateLimit {
  const intervalMs = durationMs(interval);
  if (!(intervalMs > 0)) problems.error('InvalidValue', `${path}.interval`, 'must be a duration such as 1s or 5m');
  return { name, requests, intervalMs, burst: burst ?? defaultBurst(requests, intervalMs), scope };
}

/** design.md §4 `burst`: a second's worth for short intervals, a sixtieth of longer ones. 0 requests admit nothing. */
export function defaultBurst(requests: number, intervalMs: number): number {
  if (requests === 0) return 0;
  return intervalMs <= 1000 ? requests : Math.max(1, Math.floor(requests / 60));
}

function readQuota(
  { name, requests, period, timeZone = 'UTC', scope }: UsagePlanQuota,
  path: string,
  problems: Problems,
): Quota {
  if (!isTimeZone(timeZone))
    problems.error(
      'InvalidTimeZone',
      `${path}.timeZone`,
      `"${timeZone}" is not an IANA time zone; the plan refuses its requests until this is mended`,
    );
  return { name, requests, period, timeZone, scope };
}

const knownTimeZones = new Map<string, boolean>();

/** Asking the runtime costs about 50 µs and the answer never changes. */
function isTimeZone(name: string): boolean {
  let known = knownTimeZones.get(name);
  if (known === undefined) {
    try {
      known = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
    } catch {
      known = false;
    }
    if (knownTimeZones.size < 1000) knownTimeZones.set(name, known);
  }
  return known;
}

export interface PlanConflict {
  /** Index in `spec.targets`' resolved form. */
  readonly target: Target;
  readonly winner: ResourceKey;
}

/**
 * Targets on which another plan goes before for at least one common key. Plans of one group share its namespace, so
 * the order is: a target that names the API before one of all APIs (no conflict), then that of `comparePlans`. The
 * authorizer takes the first of the more specific ones; this only tells the losers. Pairs of plans per
 * (group, environment), never keys × APIs.
 */
export function planConflicts(plans: readonly Plan[]): Map<ResourceKey, PlanConflict[]> {
  const conflicts = new Map<ResourceKey, PlanConflict[]>();
  const places = new Map<
    string,
    { readonly plan: Plan; readonly target: Target; readonly keys: ReadonlySet<ResourceKey> }[]
  >();
  for (const plan of [...plans].sort(comparePlans)) {
    const keys = new Set(plan.callerKeys);
    for (const target of plan.targets) {
      const place = `${target.group} ${target.environment}`;
      const earlier = places.get(place) ?? [];
      const winner = earlier.find((other) => equalRank(target.apis, other.target.apis) && shareAny(keys, other.keys));
      if (winner) conflicts.set(plan.key, [...(conflicts.get(plan.key) ?? []), { target, winner: winner.plan.key }]);
      earlier.push({ plan, target, keys });
      places.set(place, earlier);
    }
  }
  return conflicts;
}

function equalRank(a: Target['apis'], b: Target['apis']): boolean {
  if (a === '*' || b === '*') return a === b;
  return shareAny(a, b);
}

function shareAny(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const item of small) if (large.has(item)) return true;
  return false;
}
