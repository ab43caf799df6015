/**
 * The three functions of the metadata reflection API that `@peculiar/x509` wants before it is loaded. Its classes
 * are registered without constructor parameters, so what is kept here is never more than a handful of entries.
 */
type Entries = Map<unknown, unknown>;

const kept = new WeakMap<object, Entries>();
const own = (key: unknown, target: object): unknown => kept.get(target)?.get(key);

const missing = {
  defineMetadata(key: unknown, value: unknown, target: object): void {
    kept.set(target, (kept.get(target) ?? new Map<unknown, unknown>()).set(key, value));
  },
  getOwnMetadata: own,
  getMetadata(key: unknown, target: object): unknown {
    for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object | null) {
      const value = own(key, at);
      if (value !== undefined) return value;
    }
    return undefined;
  },
};

// A whole polyfill that somebody else loaded stays.
if (!('getMetadata' in Reflect)) Object.assign(Reflect, missing);
