/**
 * Everything a translation reads, indexed by `namespace/name`. Immutable: a change makes a new set that shares
 * what did not change. The identity of an object is its version; a provider must keep it while nothing changed.
 */
import type { ObjectReference } from '../api/problem.js';
import type {
  ApiGroup,
  Authorization,
  CountersignObject,
  Kind,
  Namespace,
  Service,
  SignatureKey,
  UsagePlan,
} from '../api/types.js';
import { compareText } from '../lib/compare-text.js';
import type { CoreKind, SecretResource } from './core-resources.js';
import type { Remains } from './remains.js';

export interface ResourceSet {
  readonly SignatureKey: ReadonlyMap<string, SignatureKey>;
  readonly ApiGroup: ReadonlyMap<string, ApiGroup>;
  readonly Authorization: ReadonlyMap<string, Authorization>;
  readonly UsagePlan: ReadonlyMap<string, UsagePlan>;
  readonly Secret: ReadonlyMap<string, SecretResource>;
  /** By name. */
  readonly Namespace: ReadonlyMap<string, Namespace>;
  readonly Service: ReadonlyMap<string, Service>;
  /** `Kind/namespace/name` of objects that the source holds and that were refused, with no version before to serve. */
  readonly refused?: ReadonlySet<string>;
  /** Of those, what must refuse rather than be absent. Keep the identity of what did not change. */
  readonly remains?: readonly Remains[];
}

export type AnyResource = CountersignObject | SecretResource | Namespace | Service;
export type AnyKind = Kind | CoreKind;

export const EMPTY_RESOURCES: ResourceSet = {
  SignatureKey: new Map(),
  ApiGroup: new Map(),
  Authorization: new Map(),
  UsagePlan: new Map(),
  Secret: new Map(),
  Namespace: new Map(),
  Service: new Map(),
};

/** `namespace/name`, the key of every index but that of namespaces. */
export const resourceKey = (namespace: string, name: string): string => `${namespace}/${name}`;

/** Key of a resource in the index of its kind. */
export function keyOf(resource: AnyResource): string {
  const { name } = resource.metadata;
  return resource.kind === 'Namespace'
    ? name
    : resourceKey((resource.metadata as { namespace: string }).namespace, name);
}

export function referenceTo(kind: Kind, key: string): ObjectReference {
  const [namespace = '', name = ''] = key.split('/');
  return { kind, namespace, name };
}

/** Builds a set; of two objects with one kind and key the first stays. O(n). */
export function createResourceSet(resources: Iterable<AnyResource>, refused?: ReadonlySet<string>): ResourceSet {
  const maps = Object.fromEntries(Object.keys(EMPTY_RESOURCES).map((kind) => [kind, new Map<string, AnyResource>()]));
  for (const resource of resources) {
    const map = maps[resource.kind];
    const key = keyOf(resource);
    if (map && !map.has(key)) map.set(key, resource);
  }
  return { ...maps, ...(refused && refused.size > 0 && { refused }) } as unknown as ResourceSet;
}

/** The set with what is left of refused objects, in an order of its own. */
export function withRemains(resources: ResourceSet, remains: readonly Remains[]): ResourceSet {
  const { remains: _before, ...rest } = resources;
  return remains.length === 0 ? rest : { ...rest, remains };
}

/** The set with Secrets from elsewhere (generated ones) beside its own, which go before on the same name. */
export function withSecrets(resources: ResourceSet, secrets: Iterable<SecretResource>): ResourceSet {
  const generated = [...secrets].map((secret) => [keyOf(secret), secret] as const);
  return { ...resources, Secret: new Map([...generated, ...resources.Secret]) };
}

/**
 * Labels of a namespace as an API server has them: `kubernetes.io/metadata.name` is always there, also where a
 * folder holds no Namespace object, so that a selector means the same in both.
 */
export function namespaceLabels(resources: ResourceSet, namespace: string): Readonly<Record<string, string>> {
  return { ...resources.Namespace.get(namespace)?.metadata.labels, 'kubernetes.io/metadata.name': namespace };
}

/** Whether `labels` has every pair of `wanted`. */
export function matchesLabels(
  wanted: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> = {},
): boolean {
  return Object.entries(wanted).every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value);
}

type Named = Extract<AnyResource, { readonly metadata: { readonly namespace: string } }>;

const ordered = new WeakMap<ReadonlyMap<string, unknown>, readonly unknown[]>();

/** By namespace, then name: stable over file order, apply order and restarts. The maps of a set never change. */
export function inOrder<T extends Named>(resources: ReadonlyMap<string, T>): readonly T[] {
  let values = ordered.get(resources) as readonly T[] | undefined;
  if (!values) {
    values = [...resources.values()].sort(
      ({ metadata: a }, { metadata: b }) => compareText(a.namespace, b.namespace) || compareText(a.name, b.name),
    );
    ordered.set(resources, values);
  }
  return values;
}
