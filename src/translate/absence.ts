/** What a reference is told that finds nothing: never there, refused by its schema, or in another namespace. */
import { didYouMean } from '../api/did-you-mean.js';
import { resourceKey, type ResourceSet } from '../resources/resource-set.js';
import type { TranslateContext } from './translation.js';

export type ReferencedKind = 'ApiGroup' | 'SignatureKey' | 'Secret' | 'Service';

/** The end of a sentence that begins with kind and name; a memo input, since it depends on other objects. */
export type Absence = (kind: ReferencedKind, namespace: string, name: string) => string;

/** Read in a condition too, where the errors are the conditions of that object. */
export const REFUSED = 'is refused; its own errors say why';

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
    if (elsewhere === undefined)
      return `does not exist in this namespace${singleOwner ? didYouMean(name, someNamesOf(resources[kind], namespace)) : ''}`;
    return `does not exist in namespace ${namespace}; namespace ${elsewhere} has one of that name`;
  };
}

/** Each is compared letter by letter, for each reference that finds nothing. */
const MAX_CANDIDATES = 200;

function someNamesOf(objects: ReadonlyMap<string, unknown>, namespace: string): string[] {
  const prefix = `${namespace}/`;
  const names: string[] = [];
  for (const key of objects.keys()) {
    if (key.startsWith(prefix)) names.push(key.slice(prefix.length));
    if (names.length === MAX_CANDIDATES) break;
  }
  return names;
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
