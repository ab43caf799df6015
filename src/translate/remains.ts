/**
 * Refused objects of which something can be read → members of the model that refuse. They have no status here: the
 * provider tells why they are refused.
 */
import type { Problem } from '../api/problem.js';
import { hexHash } from '../lib/stable-hash.js';
import { type Group, type Plan, REFUSING, type ResourceKey, type Target } from '../model/model.js';
import type { GroupRemains, PlanRemains, TargetRemains } from '../resources/remains.js';
import { resourceKey } from '../resources/resource-set.js';
import type { Absence } from './absence.js';
import type { TranslatedGroup } from './groups/api-group.js';
import { admitKeys, type NamedKey, resolveTarget } from './bindings/bindings.js';
import { type HostnameClaim, mayClaimHostname } from './groups/hostname-claims.js';
import { admitsNamespace, type TranslatedKey } from './keys/signature-key.js';
import { Problems } from './statuses/status.js';
import type { TranslateContext } from './translation.js';

/** A refused group keeps its claims, or another group would take its place over by its mistake. */
export const claimsOfRemains = (
  { namespace, name, createdMs, hostnames, basePath }: GroupRemains,
  { hostnameClaims }: Pick<TranslateContext, 'hostnameClaims'>,
): HostnameClaim[] =>
  hostnames
    .filter((hostname) => mayClaimHostname(hostnameClaims, namespace, hostname))
    .map((hostname) => ({
      claimant: { key: resourceKey(namespace, name), namespace, name, createdMs },
      hostname,
      basePath,
    }));

/** Holds the base path on the hosts that it won. */
export const holdPlace = ({ namespace, name, basePath }: GroupRemains, hostnames: readonly string[]): Group => ({
  key: resourceKey(namespace, name),
  namespace,
  name,
  hostnames,
  basePath,
  errors: 'Uniform',
  cors: undefined,
  environments: [],
});

export interface RefusedPlan {
  readonly key: ResourceKey;
  /** `undefined` when it binds nothing. */
  readonly plan: Plan | undefined;
  /** Of its bindings, as far as they can be read. */
  readonly problems: readonly Problem[];
}

/** What the names of a refused plan lead to. */
export interface RefusedPlanContext {
  readonly named: readonly NamedKey[];
  /** Caller keys of any namespace that are in use and that it may mean without naming them. */
  readonly candidates: readonly TranslatedKey[];
  readonly groups: ReadonlyMap<ResourceKey, TranslatedGroup>;
  /** Of the plan's namespace. */
  readonly ownGroups: readonly TranslatedGroup[];
  readonly absence: Absence;
}

/**
 * The plan with its bindings, which refuses. Where all APIs are meant because the plan's own could not be read they are
 * named one by one, so that no plan for the whole group goes before.
 */
export function refusePlan(
  { namespace, name, unnamed, keys, targets, createdMs }: PlanRemains,
  { named, candidates, groups, ownGroups, absence }: RefusedPlanContext,
): RefusedPlan {
  const key = resourceKey(namespace, name);
  const problems = new Problems({ kind: 'UsagePlan', metadata: { namespace, name } });
  // Under a name that its user never saw it would only confuse.
  if (!unnamed) problems.error('Invalid', 'spec', 'the plan has errors; it refuses its requests until they are mended');
  const admitted = keys ? admitKeys(namespace, named, undefined, problems).keys : [];
  const callerKeys = new Set<ResourceKey>(
    [...admitted, ...candidates].flatMap(({ key: caller, admits }) =>
      admits && admitsNamespace(admits, namespace) ? caller : [],
    ),
  );
  const resolved = targets
    ? targets.flatMap(({ apiGroup, environment, apis }, i) =>
        environment !== undefined && apis
          ? (resolveTarget(
              namespace,
              { apiGroup, environment, apis: [...apis] },
              `spec.targets[${i}]`,
              groups,
              absence,
              'UsagePlan',
              problems,
            )?.target ?? [])
          : coverAll(groups.get(resourceKey(namespace, apiGroup)), environment, apis),
      )
    : ownGroups.flatMap((group) => coverAll(group, undefined, undefined));
  const binds = callerKeys.size > 0 && resolved.length > 0;
  return {
    key,
    plan: binds
      ? {
          key,
          namespace,
          name,
          planId: `usagePlan-${hexHash(key, 8)}`,
          ...REFUSING,
          callerKeys: [...callerKeys].sort(),
          targets: resolved,
          ...(createdMs !== undefined && { createdMs }),
        }
      : undefined,
    problems: problems.list,
  };
}

/** @param wanted and `apis`: `undefined` = all. */
const coverAll = (
  group: TranslatedGroup | undefined,
  wanted: string | undefined,
  apis: TargetRemains['apis'],
): Target[] =>
  [...(group?.served ?? [])].flatMap(([environment, { apis: known }]) => {
    if (!group || (wanted !== undefined && wanted !== environment)) return [];
    if (apis?.includes('*')) return { group: group.key, environment, apis: '*' as const };
    return { group: group.key, environment, apis: new Set(apis ?? known.keys()) };
  });
