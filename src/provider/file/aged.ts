/** Objects of a folder with the time at which they were first seen, where an API server writes it. */
import type { Remains } from '../../resources/remains.js';
import type { AnyResource } from '../../resources/resource-set.js';

interface Aged {
  readonly ms: number;
  readonly value: unknown;
}

const known = new WeakMap<object, Aged>();

/** The same by identity while object and time are the same: a version of an object is its identity. */
function remembered<T extends object>(object: T, ms: number, make: () => T): T {
  let aged = known.get(object);
  if (aged?.ms !== ms) known.set(object, (aged = { ms, value: make() }));
  return aged.value as T;
}

export const agedResource = (resource: AnyResource, ms: number): AnyResource =>
  remembered(
    resource,
    ms,
    () =>
      ({
        ...resource,
        metadata: { ...resource.metadata, creationTimestamp: new Date(ms).toISOString() },
      }) as AnyResource,
  );

export const agedRemains = (remains: Remains, ms: number): Remains =>
  remembered(remains, ms, () => ({ ...remains, createdMs: ms }));

/** What a manifest says itself; nothing where that is no time. */
export function writtenTimeOf(object: AnyResource | Remains): number | undefined {
  if (!('metadata' in object)) return object.createdMs;
  const ms = Date.parse(('creationTimestamp' in object.metadata && object.metadata.creationTimestamp) || '');
  return Number.isNaN(ms) ? undefined : ms;
}
