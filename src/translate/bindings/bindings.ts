/**
 * What Authorizations and UsagePlans have in common: keys by reference or id with the owner's consent, and targets.
 * Nothing here tells an unknown key from one whose owner does not admit the asker: of another namespace the words
 * depend on the asker's own text alone.
 */
import { orExisting } from '../../api/did-you-mean.js';
import type { ObjectReference } from '../../api/problem.js';
import type { AuthorizationKeysId, AuthorizationKeysRef, AuthorizationTarget } from '../../api/types.js';
import type { ResourceKey, Target } from '../../model/model.js';
import { resourceKey } from '../../resources/resource-set.js';
import { REFUSED, type Absence } from '../absence.js';
import type { TranslatedGroup } from '../groups/api-group.js';
import { sameList } from '../memo.js';
import { admitsNamespace, type TranslatedKey } from '../keys/signature-key.js';
import { Problems } from '../statuses/status.js';
import type { TargetStatus } from '../translation.js';

/** Keys as those who use them find them. */
export interface KeyDirectory {
  readonly byKey: ReadonlyMap<ResourceKey, TranslatedKey>;
  /** Winners of their id only. */
  readonly byKeyId: ReadonlyMap<string, TranslatedKey>;
  readonly byPairId: ReadonlyMap<string, TranslatedKey>;
  /** Caller keys that lost their id. */
  readonly lost: ReadonlyMap<ResourceKey, TranslatedKey>;
  /** As in a `ResourceSet`. */
  readonly refused: ReadonlySet<string>;
}

const NONE_REFUSED: ReadonlySet<string> = new Set();

export function createKeyDirectory(
  byKey: ReadonlyMap<ResourceKey, TranslatedKey>,
  lost: ReadonlyMap<ResourceKey, TranslatedKey>,
  refused = NONE_REFUSED,
): KeyDirectory {
  const byKeyId = new Map<string, TranslatedKey>();
  const byPairId = new Map<string, TranslatedKey>();
  for (const key of byKey.values()) {
    if (!key.caller || lost.has(key.key)) continue;
    byKeyId.set(key.caller.keyId, key);
    if (key.pairId !== undefined) byPairId.set(key.pairId, key);
  }
  return { byKey, byKeyId, byPairId, lost, refused };
}

/** How a key is looked up. */
type Asked =
  | { readonly by: 'Ref'; readonly key: ResourceKey; readonly sameNamespace: boolean }
  | { readonly by: 'Id'; readonly id: AuthorizationKeysId; readonly asker: string };

interface Found {
  readonly key: TranslatedKey | undefined;
  readonly lost: boolean;
  /** The asker's own namespace holds it, and it was refused. */
  readonly refused: boolean;
}

/** A key that somebody named, if it exists, and whether its id was lost. */
export interface NamedKey extends Found {
  readonly path: string;
  /** What the asker wrote, for messages. */
  readonly text: string;
  readonly sameNamespace: boolean;
  readonly asked: Asked;
}

interface KeySelection {
  readonly refs?: readonly AuthorizationKeysRef[];
  readonly ids?: readonly AuthorizationKeysId[];
}

/**
 * Finds what refs and ids name, before anybody asks whether it may be used: a memo input of the asker.
 * @param last what the same asker found in another directory; it is the answer where that is still so.
 */
export function findKeys(
  namespace: string,
  selection: KeySelection,
  directory: KeyDirectory,
  last?: readonly NamedKey[],
): readonly NamedKey[] {
  if (!last) return askFor(namespace, selection).map((named) => ({ ...named, ...lookUp(named.asked, directory) }));
  const next = last.map((named) => {
    const { key, lost, refused } = lookUp(named.asked, directory);
    return key === named.key && lost === named.lost && refused === named.refused
      ? named
      : { ...named, key, lost, refused };
  });
  return sameList(last, next);
}

function askFor(namespace: string, { refs = [], ids = [] }: KeySelection): Omit<NamedKey, keyof Found>[] {
  return [
    ...refs.map((ref, i) => {
      const owner = ref.namespace ?? namespace;
      const key = resourceKey(owner, ref.name);
      const sameNamespace = owner === namespace;
      const asked = { by: 'Ref', key, sameNamespace } as const;
      return { path: `spec.keys.refs[${i}]`, text: `SignatureKey ${key}`, sameNamespace, asked };
    }),
    ...ids.map((id, i) => {
      const what = id.keyID !== undefined ? `keyID ${id.keyID}` : `pairID ${id.pairID ?? ''}`;
      const where =
        id.namespace === undefined
          ? ' (give its namespace unless the id was generated)'
          : ` in namespace ${id.namespace}`;
      return {
        path: `spec.keys.ids[${i}]`,
        text: `key with ${what}${where}`,
        sameNamespace: id.namespace === namespace,
        asked: { by: 'Id', id, asker: namespace } as const,
      };
    }),
  ];
}

function lookUp(asked: Asked, directory: KeyDirectory): Found {
  if (asked.by === 'Id') return { key: keyOfId(asked.id, asked.asker, directory), lost: false, refused: false };
  const key = directory.byKey.get(asked.key);
  return {
    key,
    lost: key !== undefined && directory.lost.has(key.key),
    // Of another namespace nothing is told: neither that the key is there nor that it is broken.
    refused: asked.sameNamespace && directory.refused.size > 0 && directory.refused.has(`SignatureKey/${asked.key}`),
  };
}

/** Somebody could import an id before its rightful owner: without a namespace only random ids name a key. */
function keyOfId(
  { keyID, pairID, namespace }: AuthorizationKeysId,
  asker: string,
  { byKeyId, byPairId }: KeyDirectory,
): TranslatedKey | undefined {
  const found = keyID !== undefined ? byKeyId.get(keyID) : byPairId.get(pairID ?? '');
  if (!found) return undefined;
  const isMeant =
    namespace === undefined
      ? found.idOrigin === 'Generated' || found.claimant.namespace === asker
      : found.claimant.namespace === namespace;
  return isMeant ? found : undefined;
}

export interface AdmittedKeys {
  readonly keys: readonly TranslatedKey[];
  /** Keys whose owner does not admit the asker; only the owner is told. */
  readonly refusedBy: readonly ResourceKey[];
}

/** @param identity that a key must have; `undefined` = any. */
export function admitKeys(
  namespace: string,
  named: readonly NamedKey[],
  identity: 'SignatureKeyPair' | 'UserAccessKey' | undefined,
  problems: Problems,
): AdmittedKeys {
  const keys = new Set<TranslatedKey>();
  const refusedBy = new Set<ResourceKey>();
  for (const { path, text, sameNamespace, asked, key, lost, refused } of named) {
    if (!key?.admits || !admitsNamespace(key.admits, namespace)) {
      if (key?.admits) refusedBy.add(key.key);
      if (key && !key.admits && sameNamespace)
        problems.unresolved('KeyUsageMismatch', path, `${text} is a Backend key; only Caller keys can be named here`);
      else if (refused) problems.unresolved('KeyNotFound', path, `${text} ${REFUSED}`, referenceOf(asked));
      // Who else is admitted is no question in the asker's own namespace, and would mislead about a misspelt name.
      else if (sameNamespace && !key) problems.unresolved('KeyNotFound', path, `there is no ${text}`);
      else
        problems.unresolved(
          'KeyNotFound',
          path,
          `there is no ${text} that admits this namespace; spec.allowedAuthorizers of a key says whom it admits`,
        );
      continue;
    }
    // From here on the owner has admitted the asker, so that the truth may be told.
    const actual = key.resource.spec.identity;
    if (identity !== undefined && actual !== identity)
      problems.unresolved('KeyIdentityMismatch', path, `${text} is a ${actual ?? ''}; this type is for ${identity}`);
    else if (lost) problems.unresolved('DuplicateKeyID', path, `${text} is not in use: its id belongs to another key`);
    else if (!key.caller)
      problems.unresolved('SecretNotReady', path, `${text} has no id yet: its Secret is not generated`);
    else {
      // A plan limits whoever calls; a grant for a key that is refused grants nothing.
      if (key.expired && identity !== undefined)
        problems.lapse('ResolvedRefs', 'KeyExpired', path, `${text} has expired: it is refused`);
      else if (key.expired) problems.warn('KeyExpired', path, `${text} has expired: it is refused`);
      keys.add(key);
    }
  }
  return { keys: [...keys], refusedBy: [...refusedBy] };
}

function referenceOf(asked: Asked): ObjectReference | undefined {
  if (asked.by === 'Id') return undefined;
  const [namespace = '', name = ''] = asked.key.split('/');
  return { kind: 'SignatureKey', namespace, name };
}

export interface ResolvedTargets {
  readonly targets: readonly Target[];
  readonly statuses: readonly TargetStatus[];
  /** (environment, API) pairs covered. */
  readonly apis: number;
}

/**
 * Targets that exist. An unknown API name covers nothing and leaves the others of its target alone.
 * @param need `Authorization`: a target whose environment is not released or that asks for no authorization is
 *   refused, as the vendor's console does not offer it.
 */
export function resolveTargets(
  namespace: string,
  targets: readonly AuthorizationTarget[],
  groups: ReadonlyMap<ResourceKey, TranslatedGroup>,
  absence: Absence,
  need: 'Authorization' | 'UsagePlan',
  problems: Problems,
): ResolvedTargets {
  const resolved: Target[] = [];
  const statuses: TargetStatus[] = [];
  let apis = 0;
  for (const [i, target] of targets.entries()) {
    const own = new Problems({ kind: problems.object.kind, metadata: problems.object });
    const covered = resolveTarget(namespace, target, `spec.targets[${i}]`, groups, absence, need, own);
    if (covered) {
      resolved.push(covered.target);
      apis += covered.apis;
    }
    statuses.push({ apiGroup: target.apiGroup, environment: target.environment, conditions: own.conditions() });
    problems.include(own);
  }
  return { targets: resolved, statuses, apis };
}

/** One target; `undefined` when it covers nothing. @param path where problems are told. */
export function resolveTarget(
  namespace: string,
  { apiGroup, environment: environmentName, apis }: AuthorizationTarget,
  path: string,
  groups: ReadonlyMap<ResourceKey, TranslatedGroup>,
  absence: Absence,
  need: 'Authorization' | 'UsagePlan',
  problems: Problems,
): { readonly target: Target; readonly apis: number } | undefined {
  const groupKey = resourceKey(namespace, apiGroup);
  const group = groups.get(groupKey);
  if (!group?.group) {
    const what = group ? 'is not served; its own errors say why' : absence('ApiGroup', namespace, apiGroup);
    problems.unresolved(
      'ApiGroupNotFound',
      `${path}.apiGroup`,
      `ApiGroup ${apiGroup} ${what}`,
      group || what === REFUSED ? { kind: 'ApiGroup', namespace, name: apiGroup } : undefined,
    );
    return undefined;
  }
  const place = group.served.get(environmentName);
  if (!place) {
    problems.unresolved(
      'EnvironmentNotFound',
      `${path}.environment`,
      `ApiGroup ${apiGroup} serves no environment ${environmentName}${orExisting(environmentName, group.served.keys())}`,
    );
    return undefined;
  }
  const { environment, apis: served } = place;
  if (need === 'Authorization' && environment.state === 'Offline') {
    problems.unresolved(
      'EnvironmentNotReleased',
      `${path}.environment`,
      `environment ${environmentName} of ApiGroup ${apiGroup} is Offline`,
    );
    return undefined;
  }
  const all = apis.includes('*');
  for (const [i, name] of apis.entries())
    if (!all && !served.has(name))
      problems.unresolved(
        'ApiNotFound',
        `${path}.apis[${i}]`,
        `ApiGroup ${apiGroup} serves no API ${name}, and the name covers nothing${orExisting(name, served.keys())}`,
      );
  const covered = all ? [...served.values()] : apis.flatMap((name) => served.get(name) ?? []);
  if (
    need === 'Authorization' &&
    covered.length > 0 &&
    covered.every(({ access }) => access.authorization === 'Disabled')
  ) {
    problems.unresolved(
      'AccessAuthorizationDisabled',
      `${path}.apis`,
      'access.authorization is Disabled for all of these APIs: a grant has no effect',
    );
    return undefined;
  }
  if (!all && covered.length === 0) return undefined;
  return {
    target: {
      group: groupKey,
      environment: environmentName,
      apis: all ? '*' : new Set(covered.map(({ name }) => name)),
    },
    apis: covered.length,
  };
}
