/**
 * Spreads the entries of a host over a prefix tree on `:path`, so that Envoy's cost does not grow with the
 * number of APIs. Envoy takes the longest key that begins the path and never falls back to a shorter one: the
 * leaf at a key therefore holds every entry that a path beginning with the key can still match, in order.
 */
import type { Entry, Host, PathRule } from './mounts.js';
import { byText } from './messages.js';

export interface Leaf {
  readonly key: string;
  readonly entries: readonly Entry[];
}

interface Placed {
  readonly entry: Entry;
  /** Position in the order of preference of the whole host. */
  readonly order: number;
  readonly mount: number;
  /** The last of its mount. */
  readonly isOwn: boolean;
}

interface Ancestor {
  readonly key: string;
  readonly placed: readonly Placed[];
  readonly leaf: readonly Entry[];
}

/** Leaves in the order of their keys. Spec: envoy.md §6.2. */
export function routeTree(host: Host): readonly Leaf[] {
  const byKey = new Map<string, Placed[]>();
  let order = 0;
  for (const [mount, { entries }] of host.mounts.entries()) {
    for (const [i, entry] of entries.entries()) {
      const placed: Placed = { entry, order: order++, mount, isOwn: i === entries.length - 1 };
      const others = byKey.get(entry.literal);
      if (others) others.push(placed);
      else byKey.set(entry.literal, [placed]);
    }
  }

  const leaves: Leaf[] = [];
  const ancestors: Ancestor[] = [];
  for (const key of [...byKey.keys()].sort(byText)) {
    while (ancestors.length > 0 && !key.startsWith(ancestors.at(-1)!.key)) ancestors.pop();
    const placed = byKey.get(key)!;
    const candidates = ancestors.flatMap((ancestor) => ancestor.placed).concat(placed);
    const entries = leafEntries(key, candidates);
    const parent = ancestors.findLast((ancestor) => ancestor.leaf.length > 0)?.leaf;
    if (parent && sameItems(parent.filter((entry) => canMatch(entry.path, key)), entries)) {
      ancestors.push({ key, placed, leaf: [] });
      continue;
    }
    leaves.push({ key, entries });
    ancestors.push({ key, placed, leaf: entries });
  }
  return leaves;
}

function leafEntries(key: string, candidates: readonly Placed[]): readonly Entry[] {
  const reachable: Placed[] = [];
  const taken = new TakenMethods();
  for (const placed of candidates.filter(({ entry }) => canMatch(entry.path, key)).sort((a, b) => a.order - b.order)) {
    const { entry } = placed;
    if (taken.has(entry.methods)) continue;
    // Before a mount's own entry those that lead to the same route change nothing.
    if (placed.isOwn)
      while (reachable.length > 0 && reachable.at(-1)!.mount === placed.mount && sameTarget(reachable.at(-1)!.entry, entry))
        reachable.pop();
    reachable.push(placed);
    if (entry.stage.type === 'Any' && matchesAll(entry.path, key)) taken.add(entry.methods);
    if (taken.all) break;
  }
  return reachable.map(({ entry }) => entry);
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
    for (const method of methods === 'All' ? ['OPTIONS'] : methods === 'AllButOptions' ? [] : methods) this.#listed.add(method);
  }
}

/** Can a path that begins with `key` match? `key` begins with the rule's literal. */
function canMatch(path: PathRule, key: string): boolean {
  switch (path.type) {
    case 'Exact':
      return path.value === key;
    case 'Prefix':
      return path.value === '/' || key.length === path.value.length || key[path.value.length] === '/';
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

const sameItems = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((item, i) => item === b[i]);
