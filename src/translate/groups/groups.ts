/** The ApiGroups of a set: who serves which hostname, and each group with what it names. */
import { compareText } from '../../lib/compare-text.js';
import type { Group, ResourceKey } from '../../model/model.js';
import type { GroupRemains } from '../../resources/remains.js';
import { inOrder, resourceKey, type ResourceSet } from '../../resources/resource-set.js';
import type { Absence } from '../absence.js';
import { type HostnameWinner, hostnameClaimsOf, translateGroup, type TranslatedGroup } from './api-group.js';
import { groupBy, type HostnameClaim, resolveHostnameClaims } from './hostname-claims.js';
import { isSameMap, type Memo } from '../memo.js';
import { claimsOfRemains, holdPlace } from '../remains.js';
import type { TranslatedKey } from '../keys/signature-key.js';
import type { TranslateContext } from '../translation.js';

const remainsOfGroups = ({ remains = [], ApiGroup }: ResourceSet): GroupRemains[] =>
  remains.flatMap((each) =>
    each.kind === 'ApiGroup' && !ApiGroup.has(resourceKey(each.namespace, each.name)) ? each : [],
  );

/** Claims that lost and those that won against them, by group that lost. */
export type LostByGroup = ReadonlyMap<ResourceKey, readonly (readonly [HostnameClaim, HostnameClaim])[]>;

export interface ResolvedClaims {
  readonly lost: LostByGroup;
  /** Hostnames on which refused groups hold their base paths. */
  readonly held: ReadonlyMap<ResourceKey, readonly string[]>;
}

export function resolveClaims(resources: ResourceSet, context: TranslateContext): ResolvedClaims {
  const remains = remainsOfGroups(resources);
  const left = remains.map((group) => [group, claimsOfRemains(group, context)] as const);
  const claims = [
    ...inOrder(resources.ApiGroup).flatMap((group) => hostnameClaimsOf(group, context)),
    ...left.flatMap(([, own]) => own),
  ];
  const lost = resolveHostnameClaims(claims, context.singleOwner);
  const byRest = holdTheRest(
    remains,
    claims.filter((claim) => !lost.has(claim)),
  );
  const held = left.map(([group, own]) => {
    const key = resourceKey(group.namespace, group.name);
    const won = own.filter((claim) => !lost.has(claim)).map(({ hostname }) => hostname);
    return [key, [...won, ...(byRest.get(key) ?? [])]] as const;
  });
  return { lost: groupBy(lost, ([claim]) => claim.claimant.key), held: new Map(held) };
}

/**
 * Where hostnames could not be read: those of the namespace's groups, but no place that a group has, and none that is
 * above or below a place of another namespace. A group around it on that hostname leaves no room for one of those.
 */
function holdTheRest(
  remains: readonly GroupRemains[],
  served: readonly HostnameClaim[],
): ReadonlyMap<ResourceKey, readonly string[]> {
  const held = new Map<ResourceKey, readonly string[]>();
  const unread = remains.filter(({ unreadHostnames }) => unreadHostnames);
  if (unread.length === 0) return held;
  const byHostname = [...groupBy(served, ({ hostname }) => hostname)];
  const taken = new Set<string>();
  const inNameOrder = unread.sort((a, b) => compareText(a.namespace, b.namespace) || compareText(a.name, b.name));
  for (const { namespace, name, basePath } of inNameOrder) {
    const hostnames = byHostname.flatMap(([hostname, claims]) => {
      const place = [namespace, hostname, basePath].join(' ');
      const isOwn = claims.some(({ claimant }) => claimant.namespace === namespace);
      const isFree = claims.every(({ claimant, basePath: other }) =>
        claimant.namespace === namespace ? other !== basePath : !isNested(other, basePath),
      );
      if (!isOwn || !isFree || taken.has(place)) return [];
      taken.add(place);
      return hostname;
    });
    held.set(resourceKey(namespace, name), hostnames);
  }
  return held;
}

/** Equal, or one below the other. */
function isNested(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => (path === '/' ? path : `${path}/`)) as [string, string];
  return a.startsWith(b) || b.startsWith(a);
}

/** A tenant learns who won, and the base path only of its own namespace's objects. */
const tellWinner = (
  { claimant: { namespace } }: HostnameClaim,
  { claimant: winner, basePath }: HostnameClaim,
  { singleOwner = false }: TranslateContext,
): HostnameWinner => ({
  key: winner.key,
  basePath: singleOwner || winner.namespace === namespace ? basePath : undefined,
});

/** Base paths of groups that are refused. */
export const holdPlaces = (resources: ResourceSet, { held }: ResolvedClaims, memo: Memo<Group>): Group[] =>
  remainsOfGroups(resources).flatMap((group) => {
    const hostnames = held.get(resourceKey(group.namespace, group.name)) ?? [];
    return hostnames.length > 0 ? memo.get(group, hostnames, () => holdPlace(group, hostnames)) : [];
  });

/** What groups take from the context, as a text: a memo input that compares by value. */
export const groupSettings = ({
  services,
  clusterDomain,
  allowedBackendHosts,
  hostnameClaims,
  advertised,
  servicesElsewhere,
  addressesNeeded,
}: TranslateContext): string =>
  JSON.stringify([
    [...services],
    ...[clusterDomain, allowedBackendHosts, hostnameClaims, advertised, servicesElsewhere, addressesNeeded],
  ]);

/** What groups read besides themselves. */
export interface GroupsContext {
  readonly resources: ResourceSet;
  readonly context: TranslateContext;
  /** `groupSettings(context)`. */
  readonly settings: string;
  readonly keys: ReadonlyMap<ResourceKey, TranslatedKey>;
  readonly absence: Absence;
  readonly lost: LostByGroup;
}

/**
 * In the order of `inOrder`.
 * @param last is the answer where nothing differs.
 */
export function translateGroups(
  { resources, context, settings, keys, absence, lost }: GroupsContext,
  memo: Memo<TranslatedGroup>,
  last: ReadonlyMap<ResourceKey, TranslatedGroup> | undefined,
): ReadonlyMap<ResourceKey, TranslatedGroup> {
  const groups = new Map<ResourceKey, TranslatedGroup>();
  for (const resource of inOrder(resources.ApiGroup)) {
    const { namespace, name: groupName } = resource.metadata;
    const key = resourceKey(namespace, groupName);
    const references = groupReferences(resource.spec);
    const lostHostnames = new Map(
      (lost.get(key) ?? []).map(([claim, winner]) => [claim.hostname, tellWinner(claim, winner, context)]),
    );
    const inputs = [
      settings,
      lostHostnames.size === 0 ? '' : JSON.stringify([...lostHostnames]),
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
  return last && isSameMap(last, groups) ? last : groups;
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
