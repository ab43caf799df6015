/** What a reference is told that finds nothing: never there, refused by its schema, or in another namespace. */
import { resourceKey, type ResourceSet } from '../resources/resource-set.js';
import type { TranslateContext } from './translation.js';

export type ReferencedKind = 'ApiGroup' | 'SignatureKey' | 'Secret' | 'Service';

/** The end of a sentence that begins with kind and name; a memo input, since it depends on other objects. */
export type Absence = (kind: ReferencedKind, namespace: string, name: string) => string;

export const REFUSED = 'is refused; see its problems';

/** Namespaces by name of object; the maps of a set never change. */
const namespacesByName = new WeakMap<ReadonlyMap<string, unknown>, ReadonlyMap<string, readonly string[]>>();

export function createAbsence(
  resources: Pick<ResourceSet, ReferencedKind | 'refused'>,
  { singleOwner = false }: Pick<TranslateContext, 'singleOwner'>,
): Absence {
  return (kind, namespace, name) => {
    if (resources.refused?.has(`${kind}/${resourceKey(namespace, name)}`)) return REFUSED;
    // In a cluster this would tell a tenant what others have.
    const [elsewhere] = singleOwner ? (indexOf(resources[kind]).get(name) ?? []) : [];
    return elsewhere === undefined
      ? 'does not exist in this namespace'
      : `does not exist in namespace ${namespace}; namespace ${elsewhere} has one of that name`;
  };
}

function indexOf(objects: ReadonlyMap<string, unknown>): ReadonlyMap<string, readonly string[]> {
  let index = namespacesByName.get(objects);
  if (!index) {
    const built = new Map<string, string[]>();
    for (const key of [...objects.keys()].sort()) {
      const [namespace = '', name = ''] = key.split('/');
      built.set(name, [...(built.get(name) ?? []), namespace]);
    }
    index = built;
    namespacesByName.set(objects, index);
  }
  return index;
}
