/**
 * ResourceSet → model, statuses and problems: a pure function of the objects and a context. Order of the kinds:
 * keys first (everything names them), groups (they bind Backend keys), then who may call and how often. What stays as
 * it is keeps its identity, down to whole lists, so that nobody after this looks at it again.
 */
import type { Authorization, UsagePlan } from '../api/types.js';
import { compareText } from '../lib/compare-text.js';
import type { CallerKey, Grant, Group, Plan, ResourceKey } from '../model/model.js';
import type { PlanRemains } from '../resources/remains.js';
import { inOrder, matchesLabels, resourceKey, type ResourceSet } from '../resources/resource-set.js';
import { createAbsence, type Absence } from './absence.js';
import type { TranslatedGroup } from './groups/api-group.js';
import { translateAuthorization, type TranslatedAuthorization } from './bindings/authorization.js';
import { createKeyDirectory, findKeys, type KeyDirectory, type NamedKey } from './bindings/bindings.js';
import { groupSettings, holdPlaces, resolveClaims, type ResolvedClaims, translateGroups } from './groups/groups.js';
import { groupBy } from './groups/hostname-claims.js';
import { isFreshAt, Last, Memo, nextAfter, sameList, type Timed, timesOf } from './memo.js';
import { refusePlan, type RefusedPlan } from './remains.js';
import {
  contestedIds,
  knownNamespaces,
  translateKeys,
  type TranslatedKey,
  type TranslatedKeys,
} from './keys/signature-key.js';
import { buildStatuses, createStatusMemo, type StatusMemo } from './statuses/statuses.js';
import type { TranslateContext, Translation } from './translation.js';
import { translateUsagePlan, type TranslatedPlan } from './bindings/usage-plan.js';

/** Remembered results; one per long-lived caller. A fresh one gives the same translation, only later. */
export interface TranslationMemo {
  readonly allKeys: Last<TranslatedKeys>;
  readonly keys: Memo<TranslatedKey>;
  readonly keyUse: Last<KeyUse>;
  readonly named: Memo<readonly NamedKey[]>;
  readonly selected: Memo<readonly TranslatedKey[]>;
  readonly claims: Last<ResolvedClaims>;
  readonly allGroups: Last<ReadonlyMap<ResourceKey, TranslatedGroup>>;
  readonly groups: Memo<TranslatedGroup>;
  readonly heldPlaces: Memo<Group>;
  readonly modelGroups: Last<readonly Group[]>;
  readonly allAuthorizations: Last<TranslatedAuthorizations>;
  readonly authorizations: Memo<TranslatedAuthorization>;
  readonly grants: Last<readonly Grant[]>;
  readonly allPlans: Last<readonly TranslatedPlan[]>;
  readonly plans: Memo<TranslatedPlan>;
  readonly refusedPlans: Memo<RefusedPlan>;
  readonly modelPlans: Last<readonly Plan[]>;
  readonly statuses: StatusMemo;
}

export const createTranslationMemo = (): TranslationMemo => ({
  allKeys: new Last(),
  keys: new Memo(),
  keyUse: new Last(),
  named: new Memo(),
  selected: new Memo(),
  claims: new Last(),
  allGroups: new Last(),
  groups: new Memo(),
  heldPlaces: new Memo(),
  modelGroups: new Last(),
  allAuthorizations: new Last(),
  authorizations: new Memo(),
  grants: new Last(),
  allPlans: new Last(),
  plans: new Memo(),
  refusedPlans: new Memo(),
  modelPlans: new Last(),
  statuses: createStatusMemo(),
});

/**
 * Never throws for what users wrote. With the `memo` of the last call the cost is that of what changed, and what did
 * not change keeps its identity.
 */
export function translate(
  resources: ResourceSet,
  context: TranslateContext,
  memo: TranslationMemo = createTranslationMemo(),
): Translation {
  const { nowMs } = context;
  const absence = createAbsence(resources, context);
  /** What an absence depends on besides the objects of the kind. */
  const absenceInputs = [resources.refused, context.singleOwner];

  const keys = memo.allKeys.get(
    [resources.SignatureKey, resources.Secret, resources.Namespace, knownNamespaces(resources), ...absenceInputs],
    (last) => translateKeys(resources, absence, nowMs, memo.keys, last),
    isFreshAt(nowMs),
  );
  const use = memo.keyUse.get([keys, resources.refused, context.singleOwner], (last) =>
    useKeys(keys, resources, context, last),
  );
  const { lostIds, directory } = use;

  const claims = memo.claims.get(
    [resources.ApiGroup, resources.remains, context.hostnameClaims, context.singleOwner],
    () => resolveClaims(resources, context),
  );
  const { lost } = claims;
  const settings = groupSettings(context);
  const groups = memo.allGroups.get(
    [resources.ApiGroup, resources.Service, resources.Secret, keys, lost, settings, ...absenceInputs],
    (last) => translateGroups({ resources, context, settings, keys: keys.byKey, absence, lost }, memo.groups, last),
  );
  const heldPlaces = holdPlaces(resources, claims, memo.heldPlaces);

  const who = { directory, groups, absence };
  const askedInputs = [directory, groups, resources.ApiGroup, ...absenceInputs];
  const authorizations = memo.allAuthorizations.get(
    [resources.Authorization, ...askedInputs],
    (last) => {
      const next = inOrder(resources.Authorization).map((each) => translateOneAuthorization(each, who, nowMs, memo));
      const list = sameList(last?.list, next);
      return last && list === last.list ? last : { list, ...timesOf(list) };
    },
    isFreshAt(nowMs),
  );
  const usagePlans = memo.allPlans.get(
    [resources.UsagePlan, use, context.counterStore, context.singleOwner, ...askedInputs],
    (last) =>
      sameList(
        last,
        inOrder(resources.UsagePlan).map((each) => translateOnePlan(each, who, use, context, memo)),
      ),
  );
  const refusedPlans = byKey(refusePlans(resources, who, memo.refusedPlans));

  const model = {
    callerKeys: use.callerKeys,
    groups: memo.modelGroups.get([groups, ...heldPlaces], (last) =>
      sameList(last, byKey([...[...groups.values()].flatMap(({ group }) => group ?? []), ...heldPlaces])),
    ),
    grants: memo.grants.get([authorizations.list], (last) =>
      sameList(
        last,
        authorizations.list.flatMap(({ grant }) => grant ?? []),
      ),
    ),
    plans: memo.modelPlans.get([usagePlans, ...refusedPlans], (last) =>
      sameList(last, byKey([...usagePlans, ...refusedPlans].flatMap(({ plan }) => plan ?? []))),
    ),
  };
  const { statuses, problems } = buildStatuses(
    { keys: keys.byKey, lostIds, groups, authorizations: authorizations.list, usagePlans, plans: model.plans },
    context,
    memo.statuses,
  );
  return {
    model,
    statuses,
    problems: [...problems, ...refusedPlans.flatMap((each) => each.problems)],
    nextChangeMs: nextAfter(nowMs, [keys.nextChangeMs, authorizations.nextChangeMs]),
  };
}

interface TranslatedAuthorizations extends Timed {
  readonly list: readonly TranslatedAuthorization[];
}

/** What all keys together decide. */
interface KeyUse {
  readonly lostIds: ReadonlyMap<ResourceKey, TranslatedKey>;
  readonly directory: KeyDirectory;
  readonly byNamespace: ReadonlyMap<string, readonly TranslatedKey[]>;
  readonly callerKeys: readonly CallerKey[];
}

function useKeys(
  { byKey: keys }: TranslatedKeys,
  { refused }: ResourceSet,
  { singleOwner }: TranslateContext,
  last: KeyUse | undefined,
): KeyUse {
  const lostIds = contestedIds(keys, singleOwner);
  const byNamespace = groupBy(keys.values(), ({ claimant }) => claimant.namespace);
  return {
    lostIds,
    directory: createKeyDirectory(keys, lostIds, refused),
    byNamespace: new Map(
      [...byNamespace].map(([namespace, list]) => [namespace, sameList(last?.byNamespace.get(namespace), list)]),
    ),
    callerKeys: sameList(
      last?.callerKeys,
      [...keys.values()].flatMap(({ key, caller }) => (caller && !lostIds.has(key) ? caller : [])),
    ),
  };
}

/** As `inOrder` has resources. */
const byKey = <T extends { readonly key: ResourceKey }>(items: readonly T[]): T[] =>
  items
    .map((item) => [item.key.replace('/', ' '), item] as const)
    .sort(([a], [b]) => compareText(a, b))
    .map(([, item]) => item);

const remainsOfPlans = ({ remains = [], UsagePlan: plans }: ResourceSet): PlanRemains[] =>
  remains.flatMap((each) =>
    each.kind === 'UsagePlan' && !plans.has(resourceKey(each.namespace, each.name)) ? each : [],
  );

/** Whom Authorizations and UsagePlans can name. */
interface Nameable {
  readonly directory: KeyDirectory;
  readonly groups: ReadonlyMap<ResourceKey, TranslatedGroup>;
  readonly absence: Absence;
}

function refusePlans(
  resources: ResourceSet,
  { directory, groups, absence }: Nameable,
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
    const found = named.flatMap(({ key, lost, refused }) => [key, lost, refused]);
    const inputs = [named.length, ...found, ...candidates, ...ownGroups, ...absences];
    return memo.get(plan, inputs, () => refusePlan(plan, { named, candidates, groups, ownGroups, absence }));
  });
}

function translateOneAuthorization(
  resource: Authorization,
  { directory, groups, absence }: Nameable,
  nowMs: number,
  memo: Pick<TranslationMemo, 'named' | 'authorizations'>,
): TranslatedAuthorization {
  const named = namedBy(resource, directory, memo.named);
  return memo.authorizations.get(
    resource,
    [named, ...targetInputs(resource, groups, absence)],
    () => translateAuthorization(resource, named, groups, absence, nowMs),
    isFreshAt(nowMs),
  );
}

function translateOnePlan(
  resource: UsagePlan,
  { directory, groups, absence }: Nameable,
  { byNamespace }: KeyUse,
  context: TranslateContext,
  memo: Pick<TranslationMemo, 'named' | 'selected' | 'plans'>,
): TranslatedPlan {
  const named = namedBy(resource, directory, memo.named);
  const { selector } = resource.spec.keys;
  const local = byNamespace.get(resource.metadata.namespace) ?? NO_KEYS;
  const isSelected = (key: TranslatedKey): boolean =>
    selector !== undefined &&
    key.admits !== undefined &&
    !directory.lost.has(key.key) &&
    matchesLabels(selector.matchLabels, key.resource.metadata.labels);
  const selected = selector
    ? memo.selected.get(resource, [local, directory.lost], (last) => sameList(last, local.filter(isSelected)))
    : NO_KEYS;
  const { counterStore, singleOwner } = context;
  return memo.plans.get(
    resource,
    [counterStore, singleOwner, named, selected, ...targetInputs(resource, groups, absence)],
    () => translateUsagePlan(resource, named, selected, groups, absence, context),
  );
}

const NO_KEYS: readonly TranslatedKey[] = [];

const namedBy = (
  asker: Authorization | UsagePlan,
  directory: KeyDirectory,
  memo: Memo<readonly NamedKey[]>,
): readonly NamedKey[] =>
  memo.get(asker, [directory], (last) => findKeys(asker.metadata.namespace, asker.spec.keys, directory, last));

const targetGroups = new WeakMap<Authorization | UsagePlan, readonly ResourceKey[]>();

function targetInputs(
  asker: Authorization | UsagePlan,
  groups: ReadonlyMap<ResourceKey, TranslatedGroup>,
  absence: Absence,
): unknown[] {
  const { namespace } = asker.metadata;
  let keys = targetGroups.get(asker);
  if (!keys)
    targetGroups.set(asker, (keys = asker.spec.targets.map(({ apiGroup }) => resourceKey(namespace, apiGroup))));
  return keys.map((key, i) => groups.get(key) ?? absence('ApiGroup', namespace, asker.spec.targets[i]!.apiGroup));
}
