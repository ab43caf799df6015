/**
 * Spreads the entries of a host over a prefix tree on `:path`, so that Envoy's cost does not grow with the
 * number of APIs. Envoy takes the longest key that begins the path and never falls back to a shorter one: the
 * leaf at a key therefore holds every entry that a path beginning with the key can still match, in order.
 */
import { compareText } from '../../../lib/compare-text.js';
import type { Entry, Host, Mount, PathRule } from './mounts.js';
import { sameItems } from '../../../lib/same-items.js';

export interface Leaf {
  readonly key: string;
  readonly entries: readonly Entry[];
}

interface Placed {
  readonly entry: Entry;
  /** Position in the order of preference of the whole family. */
  readonly order: number;
  readonly mount: number;
  /** The last of its mount. */
  readonly isOwn: boolean;
}

interface Ancestor {
  readonly key: string;
  readonly placed: readonly Placed[];
  /** Empty where a shorter key's leaf serves as well. */
  readonly leaf: readonly Placed[];
}

/** Leaves family by family, in each in the order of their keys. Spec: envoy.md §6.2. */
export const routeTree = (host: Host, freeCopies?: number): readonly Leaf[] =>
  familiesOf(host.mounts).flatMap((family) => leavesOf(family, freeCopies));

/**
 * Mounts below one another, in the order of the host. What is below `/a` and what is below `/ab` never meet, whatever
 * the texts have in common: the leaves of a family depend on nothing else.
 */
export function familiesOf(mounts: readonly Mount[]): readonly (readonly Mount[])[] {
  const prefixes = new Set(mounts.map(({ prefix }) => prefix));
  const byRoot = new Map<string, Mount[]>();
  for (const mount of mounts) {
    const root = rootOf(mount.prefix, prefixes);
    const family = byRoot.get(root);
    if (family) family.push(mount);
    else byRoot.set(root, [mount]);
  }
  return [...byRoot].sort(([a], [b]) => compareText(a, b)).map(([, family]) => family);
}

/** The shortest of `prefixes` that `prefix` is below, or itself. */
function rootOf(prefix: string, prefixes: ReadonlySet<string>): string {
  if (prefixes.has('/')) return '/';
  for (let end = prefix.indexOf('/', 1); end > 0; end = prefix.indexOf('/', end + 1)) {
    const above = prefix.slice(0, end);
    if (prefixes.has(above)) return above;
  }
  return prefix;
}

/** Leaves of a family in the order of their keys. */
export function leavesOf(family: readonly Mount[], freeCopies = FREE_COPIES): readonly Leaf[] {
  const byKey = new Map<string, Placed[]>();
  let order = 0;
  for (const [index, mount] of family.entries()) {
    const isSpread = spreads(mount, freeCopies);
    for (const [i, entry] of mount.entries.entries()) {
      const placed: Placed = { entry, order: order++, mount: index, isOwn: i === mount.entries.length - 1 };
      const key = isSpread ? entry.literal : mount.prefix;
      const others = byKey.get(key);
      if (others) others.push(placed);
      else byKey.set(key, [placed]);
    }
  }

  const leaves: Leaf[] = [];
  const ancestors: Ancestor[] = [];
  for (const key of [...byKey.keys()].sort(compareText)) {
    while (ancestors.length > 0 && !key.startsWith(ancestors.at(-1)!.key)) ancestors.pop();
    const placed = byKey.get(key)!;
    const leaf = reachableAt(key, ancestors.flatMap((ancestor) => ancestor.placed).concat(placed));
    const parent = ancestors.findLast((ancestor) => ancestor.leaf.length > 0);
    const isNeeded = !parent || !sameItems(reachableAt(key, parent.leaf), leaf);
    if (isNeeded) leaves.push({ key, entries: leaf.map(({ entry }) => entry) });
    ancestors.push({ key, placed, leaf: isNeeded ? leaf : [] });
  }
  return leaves;
}

const MAX_COPIES_PER_ENTRY = 32;
const FREE_COPIES = 10_000;

/**
 * An entry is copied to every longer key. Where many entries begin with a variable and each has a route of its
 * own, the tree would grow with the square of the APIs: such a mount stays one list, at the cost of its own requests.
 */
function spreads({ entries }: Mount, freeCopies: number): boolean {
  const counts = new Map<string, number>();
  for (const { literal } of entries) counts.set(literal, (counts.get(literal) ?? 0) + 1);
  const ancestors: { readonly key: string; readonly above: number }[] = [];
  let copies = 0;
  for (const key of [...counts.keys()].sort(compareText)) {
    while (ancestors.length > 0 && !key.startsWith(ancestors.at(-1)!.key)) ancestors.pop();
    const above = (ancestors.at(-1)?.above ?? 0) + counts.get(key)!;
    ancestors.push({ key, above });
    copies += above;
  }
  return copies <= freeCopies + MAX_COPIES_PER_ENTRY * entries.length;
}

/** The candidates that a path beginning with `key` can reach, most preferred first. */
function reachableAt(key: string, candidates: readonly Placed[]): readonly Placed[] {
  const reachable: Placed[] = [];
  const taken = new TakenMethods();
  for (const placed of candidates.filter(({ entry }) => canMatch(entry.path, key)).sort((a, b) => a.order - b.order)) {
    const { entry } = placed;
    if (taken.has(entry.methods)) continue;
    // Before a mount's own entry those that lead to the same route change nothing.
    if (placed.isOwn)
      while (reachable.at(-1)?.mount === placed.mount && sameTarget(reachable.at(-1)!.entry, entry)) reachable.pop();
    reachable.push(placed);
    if (entry.stage.type === 'Any' && matchesAll(entry.path, key)) taken.add(entry.methods);
    if (taken.all) break;
  }
  return reachable;
}

/** Methods for which an earlier entry takes every path of the leaf: later entries for them are unreachable. */
class TakenMethods {
  #allButOptions = false;
  readonly #listed = new Set<string>();

  get all(): boolean {
    return this.#allButOptions && this.#listed.has('OPTIONS');
  }

  has(methods: Entry['methods']): boolean {
    if (methods === 'All') return this.all;
    if (methods === 'AllButOptions') return this.#allButOptions;
    return methods.every((method) => this.#listed.has(method) || (this.#allButOptions && method !== 'OPTIONS'));
  }

  add(methods: Entry['methods']): void {
    if (methods === 'All' || methods === 'AllButOptions') this.#allButOptions = true;
    for (const method of methods === 'All' ? ['OPTIONS'] : methods === 'AllButOptions' ? [] : methods)
      this.#listed.add(method);
  }
}

/** Can a path that begins with `key` match? */
function canMatch(path: PathRule, key: string): boolean {
  switch (path.type) {
    case 'Exact':
      return path.value.startsWith(key);
    case 'Prefix':
      return path.value.startsWith(key) || matchesAll(path, key);
    case 'Template': {
      const known = key.split('/');
      const last = known.length - 1;
      if (last >= path.segments.length) return false;
      return known.every((text, i) => {
        const segment = path.segments[i];
        if (i === last) return segment === undefined || segment.startsWith(text);
        return segment === undefined ? text !== '' : segment === text;
      });
    }
  }
}

/** Does every path that begins with `key` match? */
const matchesAll = (path: PathRule, key: string): boolean =>
  path.type === 'Prefix' && (path.value === '/' || key.startsWith(`${path.value}/`));

function sameTarget({ target: a }: Entry, { target: b }: Entry): boolean {
  if (a.type === 'Route') return b.type === 'Route' && a.route.id === b.route.id;
  return b.type === 'UnknownEnvironment' && a.id === b.id;
}
