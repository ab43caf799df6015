/** Status of every object: its own problems, what others say about it, and the summaries of its CRD. */
import type { Problem } from '../../api/problem.js';
import type { SignatureKeyStatusReferencesRefused } from '../../api/types.js';
import { compareText } from '../../lib/compare-text.js';
import type { Plan, ResourceKey } from '../../model/model.js';
import { referenceTo } from '../../resources/resource-set.js';
import type { TranslatedGroup } from '../groups/api-group.js';
import type { TranslatedAuthorization } from '../bindings/authorization.js';
import { isSameMap, Last, Memo, sameList } from '../memo.js';
import type { TranslatedKey } from '../keys/signature-key.js';
import { objectStatus, type Problems } from './status.js';
import type { ObjectStatus, TranslateContext, Translation } from '../translation.js';
import { planConflicts, type PlanConflict, type TranslatedPlan } from '../bindings/usage-plan.js';

export interface TranslatedObjects {
  readonly keys: ReadonlyMap<ResourceKey, TranslatedKey>;
  readonly lostIds: ReadonlyMap<ResourceKey, TranslatedKey>;
  readonly groups: ReadonlyMap<ResourceKey, TranslatedGroup>;
  readonly authorizations: readonly TranslatedAuthorization[];
  readonly usagePlans: readonly TranslatedPlan[];
  /** Of the model. */
  readonly plans: readonly Plan[];
}

interface StatusWithProblems {
  /** `Kind/namespace/name`. */
  readonly id: string;
  readonly status: ObjectStatus;
  readonly problems: readonly Problem[];
}

type Statuses = readonly StatusWithProblems[];

/** Remembered results, as those of translation. */
export interface StatusMemo {
  readonly each: Memo<StatusWithProblems>;
  readonly usage: Last<ReadonlyMap<ResourceKey, KeyUsage>>;
  readonly conflicts: Last<ReadonlyMap<ResourceKey, readonly PlanConflict[]>>;
  readonly keys: Last<Statuses>;
  readonly groups: Last<Statuses>;
  readonly authorizations: Last<Statuses>;
  readonly plans: Last<Statuses>;
  readonly whole: Last<Pick<Translation, 'statuses' | 'problems'>>;
}

export const createStatusMemo = (): StatusMemo => ({
  each: new Memo(),
  usage: new Last(),
  conflicts: new Last(),
  keys: new Last(),
  groups: new Last(),
  authorizations: new Last(),
  plans: new Last(),
  whole: new Last(),
});

/**
 * In the order of the kinds, each in that of its list. With the `memo` of the last call, statuses that stay as they
 * are keep their identity, so that nobody after this compares or writes them again.
 */
export function buildStatuses(
  { keys, lostIds, groups, authorizations, usagePlans, plans }: TranslatedObjects,
  { singleOwner = false }: Pick<TranslateContext, 'singleOwner'>,
  memo: StatusMemo,
): Pick<Translation, 'statuses' | 'problems'> {
  const usage = memo.usage.get([groups, authorizations, usagePlans], (last) =>
    keepUsage(last, countUsage({ groups, authorizations, usagePlans })),
  );
  const conflicts = memo.conflicts.get([plans], () => planConflicts(plans));
  const lists = [
    memo.keys.get([keys, lostIds, usage, singleOwner], (last) =>
      sameList(
        last,
        [...keys.values()].map((key) => {
          const [winner, used] = [lostIds.get(key.key), usage.get(key.key)];
          return memo.each.get(key, [winner, used, singleOwner], () => keyStatus(key, winner, used, singleOwner));
        }),
      ),
    ),
    memo.groups.get([groups], () =>
      [...groups.values()].map((group) => memo.each.get(group, [], () => groupStatus(group))),
    ),
    memo.authorizations.get([authorizations], () =>
      authorizations.map((each) => memo.each.get(each, [], () => authorizationStatus(each))),
    ),
    memo.plans.get([usagePlans, conflicts], (last) =>
      sameList(
        last,
        usagePlans.map((plan) => {
          const lost = conflicts.get(plan.key) ?? [];
          return memo.each.get(plan, [JSON.stringify(lost)], () => planStatus(plan, lost));
        }),
      ),
    ),
  ];
  return memo.whole.get(lists, () => {
    const statuses = new Map<string, ObjectStatus>();
    const problems: Problem[] = [];
    for (const list of lists)
      for (const each of list) {
        statuses.set(each.id, each.status);
        if (each.problems.length > 0) problems.push(...each.problems);
      }
    return { statuses, problems };
  });
}

/** Kubernetes objects have a size limit, and a list of thousands is read by nobody. */
const MAX_REFUSED = 16;

interface KeyUsage {
  authorizations: number;
  usagePlans: number;
  apis: number;
  refused: SignatureKeyStatusReferencesRefused[];
}

function countUsage({
  groups,
  authorizations,
  usagePlans,
}: Pick<TranslatedObjects, 'groups' | 'authorizations' | 'usagePlans'>): Map<ResourceKey, KeyUsage> {
  const counts = new Map<ResourceKey, KeyUsage>();
  const of = (key: ResourceKey): KeyUsage => {
    let usage = counts.get(key);
    if (!usage) counts.set(key, (usage = { authorizations: 0, usagePlans: 0, apis: 0, refused: NONE_REFUSED }));
    return usage;
  };
  for (const { apisByBackendKey } of groups.values())
    for (const [key, apis] of apisByBackendKey) of(key).apis += apis.size;
  for (const { admitted } of authorizations) for (const { key } of admitted.keys) of(key).authorizations += 1;
  for (const { admitted } of usagePlans) for (const { key } of admitted.keys) of(key).usagePlans += 1;
  for (const askers of [authorizations, usagePlans])
    for (const { resource, admitted } of askers) {
      const { namespace, name } = resource.metadata;
      for (const key of admitted.refusedBy) {
        const usage = of(key);
        if (usage.refused === NONE_REFUSED) usage.refused = [];
        usage.refused.push({ kind: resource.kind, namespace, name });
      }
    }
  return counts;
}

const NONE_REFUSED: SignatureKeyStatusReferencesRefused[] = [];

/** `next` with the counts of `last` that are still so, by identity. */
function keepUsage(
  last: ReadonlyMap<ResourceKey, KeyUsage> | undefined,
  next: Map<ResourceKey, KeyUsage>,
): ReadonlyMap<ResourceKey, KeyUsage> {
  if (!last) return next;
  for (const [key, usage] of next) {
    const before = last.get(key);
    if (before && isSameUsage(before, usage)) next.set(key, before);
  }
  return isSameMap(last, next) ? last : next;
}

const isSameUsage = (a: KeyUsage, b: KeyUsage): boolean =>
  a.authorizations === b.authorizations &&
  a.usagePlans === b.usagePlans &&
  a.apis === b.apis &&
  (a.refused === b.refused || JSON.stringify(a.refused) === JSON.stringify(b.refused));

function keyStatus(
  key: TranslatedKey,
  winner: TranslatedKey | undefined,
  usage: KeyUsage | undefined,
  singleOwner: boolean,
): StatusWithProblems {
  const { resource, keyId, pairId, secretName, versions } = key;
  let { problems } = key;
  if (winner) {
    problems = problems.copy();
    const { namespace, name } = winner.claimant;
    const isLocal = namespace === key.claimant.namespace;
    // Another tenant's name is not ours to tell.
    const mayBeNamed = isLocal || singleOwner;
    const named = `SignatureKey ${isLocal ? name : winner.key}`;
    problems.error(
      'DuplicateKeyID',
      resource.spec.secretRef ? 'spec.keyID' : 'spec',
      `the id belongs to ${mayBeNamed ? named : 'a SignatureKey of another namespace'}, which goes before; this key is not used`,
      mayBeNamed ? { kind: 'SignatureKey', namespace, name } : undefined,
    );
  }
  const refused = [...(usage?.refused ?? [])].sort((a, b) =>
    compareText(`${a.kind} ${a.namespace} ${a.name}`, `${b.kind} ${b.namespace} ${b.name}`),
  );
  const fields = {
    ...(keyId !== undefined && { keyID: keyId }),
    ...(pairId !== undefined && { pairID: pairId }),
    secretName,
    versions,
    references: {
      authorizations: usage?.authorizations ?? 0,
      usagePlans: usage?.usagePlans ?? 0,
      apis: usage?.apis ?? 0,
      refused: refused.slice(0, MAX_REFUSED),
    },
  };
  return withProblems(resource, problems, fields, {
    idle: resource.spec.state === 'Disabled' ? 'Disabled' : undefined,
  });
}

function groupStatus({ resource, problems, environments, warnings }: TranslatedGroup): StatusWithProblems {
  const offline = resource.spec.environments.every(({ state }) => state === 'Offline');
  return withProblems(resource, problems, { environments }, { idle: offline ? 'Offline' : undefined, warnings });
}

function authorizationStatus({ resource, problems, admitted, resolved }: TranslatedAuthorization): StatusWithProblems {
  const fields = { targets: resolved.statuses, effective: { keys: admitted.keys.length, apis: resolved.apis } };
  return withProblems(resource, problems, fields, {
    idle: resource.spec.state === 'Disabled' ? 'Disabled' : undefined,
  });
}

function planStatus(
  { resource, problems: own, planId, admitted, resolved }: TranslatedPlan,
  conflicts: readonly PlanConflict[],
): StatusWithProblems {
  let problems = own;
  if (conflicts.length > 0) {
    problems = own.copy();
    for (const { target, winner } of conflicts) {
      const index = resource.spec.targets.findIndex(
        ({ apiGroup, environment }) => target.group.endsWith(`/${apiGroup}`) && target.environment === environment,
      );
      problems.warn(
        'Conflicted',
        `spec.targets[${index}]`,
        `UsagePlan ${winner} goes before for keys that both bind`,
        referenceTo('UsagePlan', winner),
      );
    }
  }
  const fields = {
    planID: planId,
    bindings: { keys: admitted.keys.length, targets: resolved.targets.length, conflicts: conflicts.length },
  };
  return withProblems(resource, problems, fields, {
    idle: resource.spec.state === 'Disabled' ? 'Disabled' : undefined,
  });
}

function withProblems(
  resource: Parameters<typeof objectStatus>[0],
  problems: Problems,
  fields: ObjectStatus['fields'],
  options: Parameters<typeof objectStatus>[3],
): StatusWithProblems {
  const status = objectStatus(resource, problems, fields, options);
  const { kind, namespace, name } = status.object;
  return { id: `${kind}/${namespace}/${name}`, status, problems: problems.list };
}
