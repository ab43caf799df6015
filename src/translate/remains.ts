/**
 * Refused objects of which something can be read → members of the model that refuse. They have no status here: the
 * provider has told what is wrong with them.
 */
import { hexHash } from '../lib/stable-hash.js';
import type { Group, Plan, ResourceKey, Target } from '../model/model.js';
import type { GroupRemains, PlanRemains, TargetRemains } from '../resources/remains.js';
import { resourceKey } from '../resources/resource-set.js';
import type { TranslatedGroup } from './api-group.js';
import { admitKeys, type NamedKey } from './bindings.js';
import { type HostnameClaim, mayClaimHostname } from './hostname-claims.js';
import { admitsNamespace, type TranslatedKey } from './signature-key.js';
import { Problems } from './status.js';
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

/**
 * The plan with its bindings, which refuses. Where all APIs are meant because the plan's own could not be read they are
 * named one by one, so that no plan for the whole group goes before.
 * @param candidates caller keys of any namespace that are in use.
 * @param groups of the plan's namespace.
 */
export function refusePlan(
  { namespace, name, keys, targets }: PlanRemains,
  named: readonly NamedKey[],
  candidates: readonly TranslatedKey[],
  groups: readonly TranslatedGroup[],
): Plan | undefined {
  const key = resourceKey(namespace, name);
  const problems = new Problems({ kind: 'UsagePlan', metadata: { namespace, name } });
  const admitted = keys ? admitKeys(namespace, named, undefined, problems).keys : [];
  const callerKeys = new Set<ResourceKey>(
    [...admitted, ...candidates].flatMap(({ key: caller, admits }) =>
      admits && admitsNamespace(admits, namespace) ? caller : [],
    ),
  );
  const wanted = targets ?? groups.map(({ resource }) => anyOf(resource.metadata.name));
  const resolved = wanted.flatMap((target) => resolve(resourceKey(namespace, target.apiGroup), target, groups));
  if (callerKeys.size === 0 || resolved.length === 0) return undefined;
  return {
    key,
    namespace,
    name,
    planId: `usagePlan-${hexHash(key, 8)}`,
    valid: false,
    enforcement: 'Enforce',
    onStoreFailure: { rate: 'Deny', quota: 'Deny' },
    responseHeaders: [],
    rateLimits: [],
    quotas: [],
    callerKeys: [...callerKeys].sort(),
    targets: resolved,
  };
}

const anyOf = (apiGroup: string): TargetRemains => ({ apiGroup, environment: undefined, apis: undefined });

function resolve(
  key: ResourceKey,
  { environment, apis }: TargetRemains,
  groups: readonly TranslatedGroup[],
): readonly Target[] {
  const served = groups.find((group) => group.key === key)?.served ?? new Map<string, never>();
  return [...served].flatMap(([name, { apis: known }]) => {
    if (environment !== undefined && environment !== name) return [];
    if (apis?.includes('*')) return { group: key, environment: name, apis: '*' as const };
    return { group: key, environment: name, apis: new Set(apis ?? known.keys()) };
  });
}
