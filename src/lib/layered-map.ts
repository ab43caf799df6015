/**
 * An immutable map of which a changed copy costs about what changes, not what it holds: copies share a large layer and
 * have a small one of their own, which is merged when it grows.
 */
export class LayeredMap<K, V> {
  private constructor(
    private readonly shared: ReadonlyMap<K, V>,
    /** `undefined` = not in the map any more. */
    private readonly changed: ReadonlyMap<K, V | undefined>,
  ) {}

  static empty<K, V>(): LayeredMap<K, V> {
    return new LayeredMap<K, V>(new Map(), new Map());
  }

  get(key: K): V | undefined {
    const value = this.changed.get(key);
    return value === undefined && !this.changed.has(key) ? this.shared.get(key) : value;
  }

  /** A copy with these changes, later ones above earlier ones; `undefined` takes a key out. */
  with(changes: ReadonlyMap<K, V | undefined>): LayeredMap<K, V> {
    if (changes.size === 0) return this;
    if (this.changed.size + changes.size <= MIN_LAYER + this.shared.size / SHARED_PER_LAYER)
      return new LayeredMap(this.shared, new Map([...this.changed, ...changes]));
    const shared = new Map(this.shared);
    for (const layer of [this.changed, changes])
      for (const [key, value] of layer) {
        if (value === undefined) shared.delete(key);
        else shared.set(key, value);
      }
    return new LayeredMap<K, V>(shared, new Map());
  }
}

/** Of 10,000 entries some 300 are changed before they are copied: an edit then copies a few hundred on average. */
const MIN_LAYER = 16;
const SHARED_PER_LAYER = 32;
