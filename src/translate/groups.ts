/** The ApiGroups of a set: who serves which hostname, and each group with what it names. */
import type { Group, ResourceKey } from '../model/model.js';
import type { GroupRemains } from '../resources/remains.js';
import { inOrder, resourceKey, type ResourceSet } from '../resources/resource-set.js';
import type { Absence } from './absence.js';
import { type HostnameWinner, hostnameClaimsOf, translateGroup, type TranslatedGroup } from './api-group.js';
import { groupBy, type HostnameClaim, resolveHostnameClaims } from './hostname-claims.js';
import { isSameMap, type Memo } from './memo.js';
import { claimsOfRemains, holdPlace } from './remains.js';
import type { TranslatedKey } from './signature-key.js';
import type { TranslateContext } from './translation.js';

const remainsOfGroups = ({ remains = [], ApiGroup }: ResourceSet): GroupRemains[] =>
  remains.flatMap((each) =>
    each.kind === 'ApiGroup' && !ApiGroup.has(resourceKey(each.namespace, each.name)) ? each : [],
  );

/** Claims that lost and those that won against them, by group that lost. */
export type LostByGroup = ReadonlyMap<ResourceKey, readonly (readonly [HostnameClaim, HostnameClaim])[]>;

export function loseClaims(resources: ResourceSet, context: TranslateContext): LostByGroup {
  const claims = [
    ...inOrder(resources.ApiGroup).flatMap((group) => hostnameClaimsOf(group, context)),
    ...remainsOfGroups(resources).flatMap((group) => claimsOfRemains(group, context)),
  ];
  return groupBy(resolveHostnameClaims(claims), ([claim]) => claim.claimant.key);
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
export function holdPlaces(
  resources: ResourceSet,
  context: TranslateContext,
  lost: LostByGroup,
  memo: Memo<Group>,
): Group[] {
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

/** What groups take from the context, as a text: a memo input that compares by value. */
export const groupSettings = ({
  services,
  clusterDomain,
  allowedBackendHosts,
  hostnameClaims,
  advertised,
  servicesElsewhere,
}: TranslateContext): string =>
  JSON.stringify([[...services], clusterDomain, allowedBackendHosts, hostnameClaims, advertised, servicesElsewhere]);

/** What groups read besides themselves. */
export interface GroupsContext {
  readonly resources: ResourceSet;
  readonly context: TranslateContext;
  readonly keys: ReadonlyMap<ResourceKey, TranslatedKey>;
  readonly absence: Absence;
  readonly lost: LostByGroup;
}

/**
 * In the order of `inOrder`.
 * @param last is the answer where nothing differs.
 */
export function translateGroups(
  { resources, context, keys, absence, lost }: GroupsContext,
  memo: Memo<TranslatedGroup>,
  last: ReadonlyMap<ResourceKey, TranslatedGroup> | undefined,
): ReadonlyMap<ResourceKey, TranslatedGroup> {
  const settings = groupSettings(context);
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
