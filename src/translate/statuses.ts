/** Status of every object: its own problems, what others say about it, and the summaries of its CRD. */
import type { Problem } from '../api/problem.js';
import type { SignatureKeyStatusReferencesRefused } from '../api/types.js';
import type { ResourceKey } from '../model/model.js';
import type { TranslatedGroup } from './api-group.js';
import type { TranslatedAuthorization } from './authorization.js';
import { compareText } from './hostname-claims.js';
import type { Memo } from './memo.js';
import type { TranslatedKey } from './signature-key.js';
import { objectStatus, type Problems } from './status.js';
import type { ObjectStatus } from './translation.js';
import type { PlanConflict, TranslatedPlan } from './usage-plan.js';

export interface TranslatedObjects {
  readonly keys: ReadonlyMap<ResourceKey, TranslatedKey>;
  readonly lostIds: ReadonlyMap<ResourceKey, TranslatedKey>;
  readonly groups: ReadonlyMap<ResourceKey, TranslatedGroup>;
  readonly authorizations: readonly TranslatedAuthorization[];
  readonly usagePlans: readonly TranslatedPlan[];
  readonly conflicts: ReadonlyMap<ResourceKey, readonly PlanConflict[]>;
}

export interface StatusWithProblems {
  readonly status: ObjectStatus;
  readonly problems: readonly Problem[];
}

/**
 * In the order of the kinds, each by namespace and name. With the `memo` of the last call, statuses that stay as they
 * are keep their identity, so that nobody after this compares or writes them again.
 */
export function buildStatuses(translated: TranslatedObjects, memo: Memo<StatusWithProblems>): StatusWithProblems[] {
  const usage = countUsage(translated);
  return [
    ...sorted(
      [...translated.keys.values()].map((key) => {
        const used = usage.get(key.key);
        const winner = translated.lostIds.get(key.key);
        return memo.get(key, [winner, usageText(used)], () => keyStatus(key, winner, used));
      }),
    ),
    ...sorted([...translated.groups.values()].map((group) => memo.get(group, [], () => groupStatus(group)))),
    ...sorted(translated.authorizations.map((each) => memo.get(each, [], () => authorizationStatus(each)))),
    ...sorted(
      translated.usagePlans.map((plan) => {
        const conflicts = translated.conflicts.get(plan.key) ?? [];
        return memo.get(plan, [JSON.stringify(conflicts)], () => planStatus(plan, conflicts));
      }),
    ),
  ];
}

function usageText(usage: KeyUsage | undefined): string {
  if (!usage) return '';
  const { authorizations, usagePlans, apis, refused } = usage;
  return `${authorizations} ${usagePlans} ${apis} ${refused.length > 0 ? JSON.stringify(refused) : ''}`;
}

const sorted = (statuses: readonly StatusWithProblems[]): StatusWithProblems[] =>
  statuses
    .map((each) => [`${each.status.object.namespace} ${each.status.object.name}`, each] as const)
    .sort(([a], [b]) => compareText(a, b))
    .map(([, each]) => each);

/** Kubernetes objects have a size limit, and a list of thousands is read by nobody. */
const MAX_REFUSED = 16;

interface KeyUsage {
  authorizations: number;
  usagePlans: number;
  apis: number;
  refused: SignatureKeyStatusReferencesRefused[];
}

function countUsage({ groups, authorizations, usagePlans }: TranslatedObjects): Map<ResourceKey, KeyUsage> {
  const counts = new Map<ResourceKey, KeyUsage>();
  const of = (key: ResourceKey): KeyUsage => {
    let usage = counts.get(key);
    if (!usage) counts.set(key, (usage = { authorizations: 0, usagePlans: 0, apis: 0, refused: [] }));
    return usage;
  };
  for (const { apisByBackendKey } of groups.values())
    for (const [key, apis] of apisByBackendKey) of(key).apis += apis.size;
  for (const { admitted } of authorizations) for (const { key } of admitted.keys) of(key).authorizations += 1;
  for (const { admitted } of usagePlans) for (const { key } of admitted.keys) of(key).usagePlans += 1;
  for (const { resource, admitted } of [...authorizations, ...usagePlans]) {
    const { namespace, name } = resource.metadata;
    for (const key of admitted.refusedBy) of(key).refused.push({ kind: resource.kind, namespace, name });
  }
  return counts;
}

function keyStatus(
  key: TranslatedKey,
  winner: TranslatedKey | undefined,
  usage: KeyUsage | undefined,
): StatusWithProblems {
  const { resource, keyId, pairId, secretName, versions } = key;
  let { problems } = key;
  if (winner) {
    problems = problems.copy();
    // Another tenant's name is not ours to tell.
    const other =
      winner.claimant.namespace === key.claimant.namespace
        ? `SignatureKey ${winner.claimant.name}`
        : 'a SignatureKey of another namespace';
    problems.error(
      'DuplicateKeyID',
      resource.spec.secretRef ? 'spec.keyID' : 'spec',
      `the id belongs to ${other}, which goes before; this key is not used`,
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
      problems.warn('Conflicted', `spec.targets[${index}]`, `UsagePlan ${winner} goes before for keys that both bind`);
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
  return { status: objectStatus(resource, problems, fields, options), problems: problems.list };
}
