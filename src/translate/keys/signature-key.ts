/**
 * SignatureKey → caller key of the model, or the material a backend signature needs. A key that cannot be used
 * stays known and refuses (`key_not_ready`): dropping it would let another key with the same id step in.
 */
import type { ApiGroup, Authorization, SignatureKey, SignatureKeyStatusVersion, UsagePlan } from '../../api/types.js';
import type { AdmittedNamespaces, BackendKeyMaterial, CallerKey, KeySecret, ResourceKey } from '../../model/model.js';
import type { SecretResource } from '../../resources/core-resources.js';
import {
  inOrder,
  keyOf,
  matchesLabels,
  namespaceLabels,
  resourceKey,
  type ResourceSet,
} from '../../resources/resource-set.js';
import { compareText } from '../../lib/compare-text.js';
import type { Absence } from '../absence.js';
import { type Claimant, compareAge, compareInNamespace, groupBy } from '../groups/hostname-claims.js';
import { derivedPairId, isOwnId, secretNameOf } from './generated-keys.js';
import { parseTimeMs, readKeySecret, unusable } from './key-secret.js';
import { isFreshAt, isSameMap, type Memo, nextAfter, type Timed, timesOf } from '../memo.js';
import { Problems } from '../statuses/status.js';

export interface TranslatedKey extends Timed {
  readonly resource: SignatureKey;
  readonly key: ResourceKey;
  readonly claimant: Claimant;
  /** The id on the wire; `undefined` while unknown and on AES keys. */
  readonly keyId: string | undefined;
  readonly pairId: string | undefined;
  /** Whose the id is beyond doubt. `Generated`: made by us for this key, so that an id alone names it. `Fixed`: in its spec. */
  readonly idOrigin: 'Generated' | 'Fixed' | 'Secret';
  /** Who may use a Caller key; `undefined` on Backend keys, which admit nobody. */
  readonly admits: AdmittedNamespaces | undefined;
  /** Caller keys whose id is known. */
  readonly caller: CallerKey | undefined;
  /** Enabled Backend keys with a good Secret; times are judged when signing. */
  readonly material: BackendKeyMaterial | undefined;
  readonly notBeforeMs: number | undefined;
  readonly expirationMs: number | undefined;
  readonly expired: boolean;
  readonly secretName: string;
  readonly versions: readonly SignatureKeyStatusVersion[];
  readonly problems: Problems;
}

/** Times are checked by the schema; text that is none all the same must refuse, so it counts as the past. */
const timeMs = (text: string | undefined, broken: number): number | undefined =>
  text === undefined ? undefined : (parseTimeMs(text) ?? broken);

export function claimantOf(resource: {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly creationTimestamp?: string };
}): Claimant {
  const { namespace, name, creationTimestamp } = resource.metadata;
  return {
    key: resourceKey(namespace, name),
    namespace,
    name,
    createdMs: creationTimestamp === undefined ? undefined : parseTimeMs(creationTimestamp),
  };
}

/** All keys, each judged alone. */
export interface TranslatedKeys extends Timed {
  /** In the order of `inOrder`. */
  readonly byKey: ReadonlyMap<ResourceKey, TranslatedKey>;
}

/**
 * Each key judged alone; who wins a contested id is `contestedIds`' matter.
 * @param last is the answer where nothing differs.
 */
export function translateKeys(
  resources: ResourceSet,
  absence: Absence,
  nowMs: number,
  memo: Memo<TranslatedKey>,
  last: TranslatedKeys | undefined,
): TranslatedKeys {
  const selectNamespaces = namespaceSelector(resources);
  const ownerOf = secretOwners(resources);
  const byKey = new Map<ResourceKey, TranslatedKey>();
  for (const resource of inOrder(resources.SignatureKey)) {
    const { namespace } = resource.metadata;
    const secretKey = secretKeyOf(resource);
    const secret = resources.Secret.get(secretKey);
    const absent = secret ? '' : absence('Secret', namespace, secretNameOf(resource));
    const selector = resource.spec.allowedAuthorizers?.namespaces.selector;
    const selected = selector ? selectNamespaces(selector.matchLabels) : '';
    const owner = ownerOf(resource, secretKey);
    const result = memo.get(
      resource,
      [secret, absent, selected, owner],
      () => translateKey(resource, { secret, absent, selected, owner }, nowMs),
      isFreshAt(nowMs),
    );
    byKey.set(result.key, result);
  }
  if (last && isSameMap(last.byKey, byKey)) return last;
  return { byKey, ...timesOf(byKey.values()) };
}

const secretKeys = new WeakMap<SignatureKey, ResourceKey>();

/** Of the Secret that a key reads. */
function secretKeyOf(key: SignatureKey): ResourceKey {
  let secretKey = secretKeys.get(key);
  if (secretKey === undefined)
    secretKeys.set(key, (secretKey = resourceKey(key.metadata.namespace, secretNameOf(key))));
  return secretKey;
}

/**
 * Answers whose Secret it is that a key reads, `''` where nothing is in the way. A backend learns the secret of a Basic
 * key, and can send elsewhere what an HMAC key has signed: with a key of his own that names the Secret of another,
 * whoever may write keys but read no Secrets would have both.
 */
function secretOwners(resources: ResourceSet): (key: SignatureKey, secretKey: ResourceKey) => string {
  const generated = new Map<string, string>();
  const callers = new Map<string, string>();
  for (const key of resources.SignatureKey.values()) {
    const { name } = key.metadata;
    const secret = secretKeyOf(key);
    if (!key.spec.secretRef) generated.set(secret, name);
    else if (key.spec.usage === 'Caller' && !(name > (callers.get(secret) ?? name))) callers.set(secret, name);
  }
  return ({ metadata: { name }, spec }, secretKey) => {
    const owner = generated.get(secretKey) ?? (spec.usage === 'Backend' ? callers.get(secretKey) : undefined);
    return owner === undefined || owner === name ? '' : owner;
  };
}

/** Namespaces that hold anything of ours, or are there, comma-separated: a memo input that compares by value. */
export function knownNamespaces(resources: ResourceSet): string {
  const names = new Set(resources.Namespace.keys());
  for (const objects of [resources.ApiGroup, resources.Authorization, resources.UsagePlan])
    for (const name of namespacesIn(objects)) names.add(name);
  return [...names].sort(compareText).join();
}

const namespaces = new WeakMap<ReadonlyMap<string, unknown>, ReadonlySet<string>>();

function namespacesIn(objects: ReadonlyMap<string, ApiGroup | Authorization | UsagePlan>): ReadonlySet<string> {
  let names = namespaces.get(objects);
  if (!names) {
    names = new Set([...objects.values()].map(({ metadata }) => metadata.namespace));
    namespaces.set(objects, names);
  }
  return names;
}

/** Answers the matching namespaces as one text, comma-separated: a memo input that compares by value. */
function namespaceSelector(resources: ResourceSet): (matchLabels: Readonly<Record<string, string>>) => string {
  const known = knownNamespaces(resources);
  const names = known === '' ? [] : known.split(',');
  const labelled = names.map((name) => ({ name, labels: namespaceLabels(resources, name) }));
  const answers = new Map<string, string>();
  return (matchLabels) => {
    const question = JSON.stringify(matchLabels);
    let answer = answers.get(question);
    if (answer === undefined) {
      answer = labelled
        .filter(({ labels }) => matchesLabels(matchLabels, labels))
        .map(({ name }) => name)
        .join(',');
      answers.set(question, answer);
    }
    return answer;
  };
}

/** What of other objects a key depends on. */
interface KeyInputs {
  readonly secret: SecretResource | undefined;
  /** What is told when there is no Secret. */
  readonly absent: string;
  /** Namespaces that its selector matches. */
  readonly selected: string;
  /** Another key, whose Secret this is. */
  readonly owner: string;
}

function translateKey(
  resource: SignatureKey,
  { secret, absent, selected, owner }: KeyInputs,
  nowMs: number,
): TranslatedKey {
  const { spec } = resource;
  const problems = new Problems(resource);
  const secretName = secretNameOf(resource);
  const { material, fault } =
    owner === ''
      ? readKeySecret(resource, secretName, secret, absent, nowMs)
      : unusable('InvalidSecret', `Secret ${secretName} is that of SignatureKey ${owner}, which alone may use it`);
  if (fault) problems.unresolved(fault.reason, spec.secretRef ? 'spec.secretRef.name' : 'spec', fault.message);

  const notBeforeMs = timeMs(spec.notBeforeTime, Number.POSITIVE_INFINITY);
  const expirationMs = timeMs(spec.expirationTime, Number.NEGATIVE_INFINITY);
  const expired = expirationMs !== undefined && !(nowMs < expirationMs);
  if (expired) problems.lapse('Accepted', 'Expired', 'spec.expirationTime', 'has passed; the key is refused');
  else if (notBeforeMs !== undefined && nowMs < notBeforeMs)
    problems.lapse('Accepted', 'NotYetValid', 'spec.notBeforeTime', 'lies ahead; the key is refused until then');

  const rotation = spec.rotation?.generation;
  if (material && rotation !== undefined && rotation > material.generation)
    problems.unresolved(
      'SecretNotReady',
      'spec.rotation.generation',
      `Secret ${secretName} has generation ${material.generation} still; its secret is good until it is rotated`,
    );
  if (material && rotation !== undefined && rotation < material.generation)
    problems.warn(
      'InvalidValue',
      'spec.rotation.generation',
      `is lower than that of Secret ${secretName} (${material.generation}); nothing is rotated`,
    );

  const keyId = spec.type === 'AES' ? undefined : (spec.keyID ?? material?.publicKeyId);
  const pairId =
    spec.identity === 'SignatureKeyPair' && keyId !== undefined ? (spec.pairID ?? derivedPairId(keyId)) : undefined;
  const secrets: KeySecret[] = material
    ? [{ secret: material.secret }, ...(material.previous ? [material.previous] : [])]
    : [];
  const admitted = spec.usage === 'Caller' ? admittedNamespaces(resource, selected) : undefined;
  const caller =
    admitted && keyId !== undefined
      ? {
          key: keyOf(resource),
          namespace: resource.metadata.namespace,
          keyId,
          identity: spec.identity ?? 'UserAccessKey',
          state: spec.state,
          notBeforeMs,
          expirationMs,
          secrets,
          admits: admitted,
        }
      : undefined;
  return {
    resource,
    key: keyOf(resource),
    claimant: claimantOf(resource),
    keyId,
    pairId,
    idOrigin: idOriginOf(resource, secret),
    admits: admitted,
    caller,
    material:
      spec.usage === 'Backend' && spec.state === 'Enabled' && material
        ? { keyId: material.keyId, secret: material.secret, previous: material.previous }
        : undefined,
    notBeforeMs,
    expirationMs,
    expired,
    secretName,
    versions: material ? versionsOf(material.generation, material.previous) : [],
    problems,
    computedMs: nowMs,
    nextChangeMs: nextAfter(nowMs, [notBeforeMs, expirationMs, material?.previous?.notAfterMs]),
  };
}

function idOriginOf(resource: SignatureKey, secret: SecretResource | undefined): TranslatedKey['idOrigin'] {
  if (resource.spec.keyID !== undefined) return 'Fixed';
  return resource.spec.secretRef === undefined && secret && isOwnId(keyOf(resource), secret) ? 'Generated' : 'Secret';
}

/** What a Secret says alone can be changed at any time, so it comes last. */
const ID_ORIGINS: readonly TranslatedKey['idOrigin'][] = ['Generated', 'Fixed', 'Secret'];

function versionsOf(generation: number, previous: KeySecret | undefined): SignatureKeyStatusVersion[] {
  const versions: SignatureKeyStatusVersion[] = [{ version: generation, state: 'Active' }];
  if (previous?.notAfterMs !== undefined)
    versions.push({
      version: Math.max(0, generation - 1),
      state: 'Grace',
      graceEndTime: new Date(previous.notAfterMs).toISOString(),
    });
  return versions;
}

function admittedNamespaces(resource: SignatureKey, selected: string): AdmittedNamespaces {
  const from = resource.spec.allowedAuthorizers?.namespaces.from ?? 'Same';
  switch (from) {
    case 'All':
      return { all: true };
    case 'Selector':
      return { all: false, namespaces: new Set(selected === '' ? [] : selected.split(',')) };
    case 'Same':
      return { all: false, namespaces: new Set([resource.metadata.namespace]) };
  }
}

export const admitsNamespace = (admitted: AdmittedNamespaces, namespace: string): boolean =>
  admitted.all || admitted.namespaces.has(namespace);

/**
 * Caller keys that lost their id, each with the winner: an id belongs to one key, never to "whichever secret fits".
 * One whose id nobody can have written there wins; then inside a namespace what `compareInNamespace` says, between them
 * the older.
 */
export function contestedIds(
  keys: ReadonlyMap<ResourceKey, TranslatedKey>,
  singleOwner = false,
): Map<ResourceKey, TranslatedKey> {
  const compare = compareInNamespace(singleOwner);
  const lost = new Map<ResourceKey, TranslatedKey>();
  const callers = [...keys.values()].filter(({ caller }) => caller);
  for (const idOf of [({ keyId }: TranslatedKey) => keyId, ({ pairId }: TranslatedKey) => pairId]) {
    const standing = callers.filter((key) => !lost.has(key.key) && idOf(key) !== undefined);
    for (const same of contenders(standing, (key) => idOf(key) ?? '')) {
      const best = Math.min(...same.map(({ idOrigin }) => ID_ORIGINS.indexOf(idOrigin)));
      const standingBest = same.filter(({ idOrigin }) => ID_ORIGINS.indexOf(idOrigin) === best);
      const perNamespace = [...groupBy(standingBest, ({ claimant }) => claimant.namespace).values()].map(
        (local) => local.sort((a, b) => compare(a.claimant, b.claimant))[0],
      );
      const [winner] = perNamespace
        .filter((key) => key !== undefined)
        .sort((a, b) => compareAge(a.claimant, b.claimant));
      for (const key of same) if (winner && key !== winner) lost.set(key.key, winner);
    }
  }
  return lost;
}

/** Those that have an id in common, among thousands of which nearly none do. */
function contenders(keys: readonly TranslatedKey[], idOf: (key: TranslatedKey) => string): Iterable<TranslatedKey[]> {
  const [once, twice] = [new Set<string>(), new Set<string>()];
  for (const key of keys) {
    const id = idOf(key);
    if (once.has(id)) twice.add(id);
    else once.add(id);
  }
  const contested = twice.size === 0 ? [] : keys.filter((key) => twice.has(idOf(key)));
  return groupBy(contested, idOf).values();
}
