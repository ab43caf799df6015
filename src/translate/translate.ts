/**
 * ResourceSet → model, statuses and problems: a pure function of the objects and a context. Order of the kinds:
 * keys first (everything names them), groups (they bind Backend keys), then who may call and how often.
 */
import type { Problem } from '../api/problem.js';
import type { Authorization, UsagePlan } from '../api/types.js';
import type { Group, ResourceKey } from '../model/model.js';
import type { GroupRemains, PlanRemains } from '../resources/remains.js';
import { matchesLabels, resourceKey, type ResourceSet } from '../resources/resource-set.js';
import { createAbsence, type Absence } from './absence.js';
import { hostnameClaimsOf, translateGroup, type TranslatedGroup } from './api-group.js';
import { translateAuthorization, type TranslatedAuthorization } from './authorization.js';
import { createKeyDirectory, findKeys, keyInputs, type KeyDirectory } from './bindings.js';
import { type Claimant, compareText, groupBy, type HostnameClaim, resolveHostnameClaims } from './hostname-claims.js';
import { isFreshAt, Memo, nextAfter } from './memo.js';
import { claimsOfRemains, holdPlace, refusePlan, type RefusedPlan } from './remains.js';
import { contestedIds, translateKeys, type TranslatedKey } from './signature-key.js';
import { buildStatuses, type StatusWithProblems } from './statuses.js';
import type { TranslateContext, Translation } from './translation.js';
import { planConflicts, translateUsagePlan, type TranslatedPlan } from './usage-plan.js';

/** Remembered results; one per long-lived caller. A fresh one gives the same translation, only later. */
export interface TranslationMemo {
  readonly keys: Memo<TranslatedKey>;
  readonly groups: Memo<TranslatedGroup>;
  readonly authorizations: Memo<TranslatedAuthorization>;
  readonly plans: Memo<TranslatedPlan>;
  readonly refusedPlans: Memo<RefusedPlan>;
  readonly heldPlaces: Memo<Group>;
  readonly statuses: Memo<StatusWithProblems>;
}

export const createTranslationMemo = (): TranslationMemo => ({
  keys: new Memo(),
  groups: new Memo(),
  authorizations: new Memo(),
  plans: new Memo(),
  refusedPlans: new Memo(),
  heldPlaces: new Memo(),
  statuses: new Memo(),
});

/**
 * Never throws for what users wrote. With the `memo` of the last call the cost is that of what changed, and what did
 * not change keeps its identity in the model.
 */
export function translate(
  resources: ResourceSet,
  context: TranslateContext,
  memo: TranslationMemo = createTranslationMemo(),
): Translation {
  const { nowMs } = context;
  const absence = createAbsence(resources, context);
  const keys = translateKeys(resources, absence, nowMs, memo.keys);
  const lostIds = contestedIds(keys);
  const directory = createKeyDirectory(keys, lostIds, resources.refused);
  const lostClaims = loseClaims(resources, context);
  const groups = translateGroups(resources, context, keys, absence, lostClaims, memo.groups);
  const authorizations = [...resources.Authorization.values()].map((resource) =>
    translateOneAuthorization(resource, directory, groups, absence, nowMs, memo.authorizations),
  );
  const keysByNamespace = groupBy(keys.values(), ({ claimant }) => claimant.namespace);
  const usagePlans = [...resources.UsagePlan.values()].map((resource) =>
    translateOnePlan(
      resource,
      directory,
      groups,
      absence,
      keysByNamespace.get(resource.metadata.namespace) ?? [],
      context,
      memo.plans,
    ),
  );
  const refusedPlans = inOrder(refusePlans(resources, directory, groups, absence, memo.refusedPlans));

  const model = {
    callerKeys: inOrder([...keys.values()].flatMap(({ key, caller }) => (caller && !lostIds.has(key) ? caller : []))),
    groups: inOrder([
      ...[...groups.values()].flatMap(({ group }) => group ?? []),
      ...holdPlaces(resources, context, lostClaims, memo.heldPlaces),
    ]),
    grants: inOrder(authorizations.flatMap(({ grant }) => grant ?? [])),
    // This order decides between plans of equal rank: the authorizer takes the first.
    plans: inOrder([
      ...usagePlans.flatMap(({ plan }) => plan ?? []),
      ...refusedPlans.flatMap(({ plan }) => plan ?? []),
    ]),
  };
  const statuses = buildStatuses(
    {
      keys,
      lostIds,
      groups,
      authorizations,
      usagePlans,
      conflicts: planConflicts(model.plans),
    },
    memo.statuses,
  );
  const problems: Problem[] = [...statuses, ...refusedPlans].flatMap((each) => each.problems);
  return {
    model,
    statuses: new Map(
      statuses.map(({ status }) => [`${status.object.kind}/${status.object.namespace}/${status.object.name}`, status]),
    ),
    problems,
    nextChangeMs: nextAfter(
      nowMs,
      [...keys.values(), ...authorizations].map(({ nextChangeMs }) => nextChangeMs),
    ),
  };
}

/** By namespace, then name: stable over file order, apply order and restarts. */
function inOrder<T extends { readonly key: ResourceKey }>(items: readonly T[]): T[] {
  return items
    .map((item) => [item.key.replace('/', ' '), item] as const)
    .sort(([a], [b]) => compareText(a, b))
    .map(([, item]) => item);
}

const remainsOfGroups = ({ remains = [], ApiGroup }: ResourceSet): GroupRemains[] =>
  remains.flatMap((each) =>
    each.kind === 'ApiGroup' && !ApiGroup.has(resourceKey(each.namespace, each.name)) ? each : [],
  );

const remainsOfPlans = ({ remains = [], UsagePlan: plans }: ResourceSet): PlanRemains[] =>
  remains.flatMap((each) =>
    each.kind === 'UsagePlan' && !plans.has(resourceKey(each.namespace, each.name)) ? each : [],
  );

/** Claims that lost and their winners, by group. */
type LostByGroup = ReadonlyMap<ResourceKey, readonly (readonly [HostnameClaim, Claimant])[]>;

function loseClaims(resources: ResourceSet, context: TranslateContext): LostByGroup {
  const claims = [
    ...[...resources.ApiGroup.values()].flatMap((group) => hostnameClaimsOf(group, context)),
    ...remainsOfGroups(resources).flatMap((group) => claimsOfRemains(group, context)),
  ];
  return groupBy(resolveHostnameClaims(claims), ([claim]) => claim.claimant.key);
}

function holdPlaces(resources: ResourceSet, context: TranslateContext, lost: LostByGroup, memo: Memo<Group>): Group[] {
  return remainsOfGroups(resources).flatMap((group) => {
    const lostHostnames = new Set(
      (lost.get(resourceKey(group.namespace, group.name)) ?? []).map(([{ hostname }]) => hostname),
    );
    const hostnames = claimsOfRemains(group, context)
      .map(({ hostname }) => hostname)
      .filter((hostname) => !lostHostnames.has(hostname));
    return hostnames.length > 0 ? memo.get(group, hostnames, () => holdPlace(group, hostnames)) : [];
  });
}

function refusePlans(
  resources: ResourceSet,
  directory: KeyDirectory,
  groups: ReadonlyMap<ResourceKey, TranslatedGroup>,
  absence: Absence,
  memo: Memo<RefusedPlan>,
): RefusedPlan[] {
  return remainsOfPlans(resources).map((plan) => {
    const { namespace, keys, targets = [] } = plan;
    const named = keys ? findKeys(namespace, keys, directory) : [];
    const inUse = [...directory.byKeyId.values()];
    const { selector } = keys ?? {};
    const candidates = keys
      ? inUse.filter(
          ({ claimant, resource }) =>
            selector &&
            claimant.namespace === namespace &&
            matchesLabels(selector.matchLabels, resource.metadata.labels),
        )
      : inUse;
    const ownGroups = [...groups.values()].filter(({ resource }) => resource.metadata.namespace === namespace);
    const absences = targets.map(({ apiGroup }) => absence('ApiGroup', namespace, apiGroup));
    const inputs = [named.length, ...keyInputs(named), ...candidates, ...ownGroups, ...absences];
    return memo.get(plan, inputs, () => refusePlan(plan, { named, candidates, groups, ownGroups, absence }));
  });
}

function translateGroups(
  resources: ResourceSet,
  context: TranslateContext,
  keys: ReadonlyMap<ResourceKey, TranslatedKey>,
  absence: Absence,
  lost: LostByGroup,
  memo: Memo<TranslatedGroup>,
): Map<ResourceKey, TranslatedGroup> {
  const { clusterDomain, allowedBackendHosts, hostnameClaims, advertised, servicesElsewhere } = context;
  const settings = JSON.stringify([clusterDomain, allowedBackendHosts, hostnameClaims, advertised, servicesElsewhere]);
  const groups = new Map<ResourceKey, TranslatedGroup>();
  for (const [key, resource] of resources.ApiGroup) {
    const { namespace } = resource.metadata;
    const references = groupReferences(resource.spec);
    const lostHostnames = new Map((lost.get(key) ?? []).map(([claim, winner]) => [claim.hostname, winner.key]));
    const inputs = [
      settings,
      JSON.stringify([...lostHostnames]),
      JSON.stringify(
        references.services.map(
          ({ name, port }) => context.services.get(`${resourceKey(namespace, name)}:${port}`) ?? null,
        ),
      ),
      ...references.services.map(
        ({ name }) => resources.Service.get(resourceKey(namespace, name)) ?? absence('Service', namespace, name),
      ),
      ...references.secrets.map(
        (name) => resources.Secret.get(resourceKey(namespace, name)) ?? absence('Secret', namespace, name),
      ),
      ...references.backendKeys.map(
        (name) => keys.get(resourceKey(namespace, name)) ?? absence('SignatureKey', namespace, name),
      ),
    ];
    const lookup = { namespace, resources, context, absence };
    groups.set(
      key,
      memo.get(resource, inputs, () => translateGroup(resource, { context, lookup, keys, lostHostnames })),
    );
  }
  return groups;
}

interface GroupReferences {
  readonly services: readonly { readonly name: string; readonly port: number }[];
  readonly secrets: readonly string[];
  readonly backendKeys: readonly string[];
}

const knownReferences = new WeakMap<object, GroupReferences>();

/** Everything a group names, in a fixed order. */
function groupReferences(spec: Parameters<typeof hostnameClaimsOf>[0]['spec']): GroupReferences {
  let references = knownReferences.get(spec);
  if (!references) {
    const apis = spec.apis ?? [];
    const backends = [
      spec.backend,
      ...spec.environments.map(({ backend }) => backend),
      ...apis.map(({ backend }) => backend),
    ];
    const bindings = [...spec.environments, ...apis.flatMap(({ environments }) => environments ?? [])].map(
      ({ backendSignature }) => backendSignature,
    );
    references = {
      services: distinct(
        backends.flatMap((backend) => backend?.service ?? []),
        ({ name, port }) => `${name}:${port}`,
      ),
      secrets: distinct(
        backends.flatMap((backend) => backend?.tls?.caSecretRef?.name ?? []),
        (name) => name,
      ),
      backendKeys: distinct(
        bindings.flatMap((binding) => binding?.signatureKeyRef?.name ?? []),
        (name) => name,
      ),
    };
    knownReferences.set(spec, references);
  }
  return references;
}

const distinct = <T>(items: readonly T[], textOf: (item: T) => string): T[] => [
  ...new Map(items.map((item) => [textOf(item), item])).values(),
];

function translateOneAuthorization(
  resource: Authorization,
  directory: KeyDirectory,
  groups: ReadonlyMap<ResourceKey, TranslatedGroup>,
  absence: Absence,
  nowMs: number,
  memo: Memo<TranslatedAuthorization>,
): TranslatedAuthorization {
  const { namespace } = resource.metadata;
  const named = findKeys(namespace, resource.spec.keys, directory);
  const inputs = [...keyInputs(named), ...targetInputs(resource, groups, absence)];
  return memo.get(
    resource,
    inputs,
    () => translateAuthorization(resource, named, groups, absence, nowMs),
    isFreshAt(nowMs),
  );
}

function translateOnePlan(
  resource: UsagePlan,
  directory: KeyDirectory,
  groups: ReadonlyMap<ResourceKey, TranslatedGroup>,
  absence: Absence,
  local: readonly TranslatedKey[],
  { counterStore }: TranslateContext,
  memo: Memo<TranslatedPlan>,
): TranslatedPlan {
  const { namespace } = resource.metadata;
  const named = findKeys(namespace, resource.spec.keys, directory);
  const { selector } = resource.spec.keys;
  const selected = selector
    ? local.filter(
        (key) =>
          key.admits &&
          !directory.lost.has(key.key) &&
          matchesLabels(selector.matchLabels, key.resource.metadata.labels),
      )
    : [];
  const inputs = [counterStore, ...keyInputs(named), ...selected, ...targetInputs(resource, groups, absence)];
  return memo.get(resource, inputs, () => translateUsagePlan(resource, named, selected, groups, absence, counterStore));
}

const targetInputs = (
  { metadata, spec }: Authorization | UsagePlan,
  groups: ReadonlyMap<ResourceKey, TranslatedGroup>,
  absence: Absence,
): unknown[] =>
  spec.targets.map(
    ({ apiGroup }) =>
      groups.get(resourceKey(metadata.namespace, apiGroup)) ?? absence('ApiGroup', metadata.namespace, apiGroup),
  );
