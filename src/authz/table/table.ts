/**
 * The authorizer's lookup table: an immutable index over the model. Keys × APIs are never multiplied out;
 * grants and plans are found through the key. A table is built on the one before it, so an edit costs what it
 * touches: nothing of what did not change is compiled, indexed or copied again.
 */
import {
  EMPTY_MODEL,
  type AdmittedNamespaces,
  type CallerKey,
  type Environment,
  type Grant,
  type Group,
  type Model,
  type Plan,
  type ResourceKey,
  type Target,
} from '../../model/model.js';
import { LayeredMap } from '../../lib/layered-map.js';
import { listChanges } from '../../lib/list-changes.js';
import { compileApis, type ApiMatcher } from './api-matcher.js';
import { indexHosts, type HostIndex } from './host-index.js';
import { compileSourceRanges, type SourceRanges } from '../guard/source-ranges.js';
import { Routes, type RouteEntry } from './routes.js';

export interface Table {
  readonly model: Model;
  /** By key id, the text on the wire. */
  readonly keysById: LayeredMap<string, CallerKey>;
  readonly groups: LayeredMap<ResourceKey, CompiledGroup>;
  /** What Envoy may still ask for: the routes of this table and the retired ones of its predecessors. */
  readonly routes: Routes;
  readonly hosts: HostIndex;
  readonly grants: TargetIndex<Grant>;
  readonly plans: TargetIndex<Plan>;
}

export interface CompiledGroup {
  readonly group: Group;
  readonly environments: ReadonlyMap<string, CompiledEnvironment>;
  /** Values of X-Stage and path segments that choose an environment of this group. */
  readonly stages: ReadonlySet<string>;
  readonly segments: ReadonlySet<string>;
}

export interface CompiledEnvironment {
  readonly environment: Environment;
  readonly matcher: ApiMatcher;
  /** By API name; absent = every address. */
  readonly sourceRanges: ReadonlyMap<string, SourceRanges>;
}

interface Bound {
  readonly targets: readonly Target[];
  readonly callerKeys: readonly ResourceKey[];
}

export interface TargetMatch<T> {
  readonly value: T;
  /** The target names the API, not `*`. */
  readonly specific: boolean;
}

interface Indexed<T> {
  readonly value: T;
  readonly byGroup: ReadonlyMap<ResourceKey, readonly Target[]>;
}

function indexed<T extends Bound>(value: T): Indexed<T> {
  const byGroup = new Map<ResourceKey, Target[]>();
  for (const target of value.targets) {
    const known = byGroup.get(target.group);
    if (known) known.push(target);
    else byGroup.set(target.group, [target]);
  }
  return { value, byGroup };
}

/**
 * Finds what binds a key to an API, by caller key first: a key has few grants and plans, a group may have thousands.
 * Immutable.
 */
export class TargetIndex<T extends Bound> {
  private constructor(
    private readonly source: readonly T[],
    private readonly byKey: LayeredMap<ResourceKey, readonly Indexed<T>[]>,
  ) {}

  static empty<T extends Bound>(): TargetIndex<T> {
    return new TargetIndex<T>([], LayeredMap.empty());
  }

  /** The index of `source`; itself where that holds what is indexed already. */
  next(source: readonly T[]): TargetIndex<T> {
    const { gone, come } = listChanges(this.source, source);
    if (gone.length + come.length === 0) return this;
    const goes = new Set(gone);
    const changes = new Map<ResourceKey, Indexed<T>[]>();
    const changed = (key: ResourceKey): Indexed<T>[] => {
      let entries = changes.get(key);
      if (!entries) {
        entries = (this.byKey.get(key) ?? []).filter(({ value }) => !goes.has(value));
        changes.set(key, entries);
      }
      return entries;
    };
    for (const { callerKeys } of gone) for (const key of callerKeys) changed(key);
    for (const value of come) {
      const entry = indexed(value);
      for (const key of new Set(value.callerKeys)) changed(key).push(entry);
    }
    const found = new Map([...changes].map(([key, entries]) => [key, entries.length > 0 ? entries : undefined]));
    return new TargetIndex(source, this.byKey.with(found));
  }

  matches(callerKey: ResourceKey, group: ResourceKey, environment: string, api: string): readonly TargetMatch<T>[] {
    const found: TargetMatch<T>[] = [];
    for (const { value, byGroup } of this.byKey.get(callerKey) ?? []) {
      let covered = false;
      let specific = false;
      for (const target of byGroup.get(group) ?? []) {
        if (target.environment !== environment) continue;
        if (target.apis === '*') covered = true;
        else if (target.apis.has(api)) covered = specific = true;
      }
      if (covered) found.push({ value, specific });
    }
    return found;
  }
}

function compileEnvironment(environment: Environment): CompiledEnvironment {
  const sourceRanges = new Map<string, SourceRanges>();
  for (const api of environment.apis) {
    if (api.access.sourceRanges) sourceRanges.set(api.name, compileSourceRanges(api.access.sourceRanges));
  }
  return { environment, matcher: compileApis(environment.apis), sourceRanges };
}

function compileGroup(group: Group): CompiledGroup {
  const stages = new Set<string>();
  const segments = new Set<string>();
  for (const { match } of group.environments) {
    if (match.type === 'Header') stages.add(match.value);
    if (match.type === 'PathPrefix') segments.add(match.value);
  }
  return {
    group,
    environments: new Map(group.environments.map((each) => [each.name, compileEnvironment(each)])),
    stages,
    segments,
  };
}

const EMPTY_TABLE: Table = {
  model: EMPTY_MODEL,
  keysById: LayeredMap.empty(),
  groups: LayeredMap.empty(),
  routes: Routes.none,
  hosts: indexHosts([]),
  grants: TargetIndex.empty(),
  plans: TargetIndex.empty(),
};

function nextKeys({ model, keysById }: Table, callerKeys: readonly CallerKey[]): Table['keysById'] {
  const { gone, come } = listChanges(model.callerKeys, callerKeys);
  const changes = new Map<string, CallerKey | undefined>();
  for (const key of gone) if (keysById.get(key.keyId) === key) changes.set(key.keyId, undefined);
  for (const key of come) changes.set(key.keyId, key);
  return keysById.with(changes);
}

function nextGroups({ model, groups: before }: Table, groups: readonly Group[]): Table['groups'] {
  const { gone, come } = listChanges(model.groups, groups);
  const changes = new Map<ResourceKey, CompiledGroup | undefined>(gone.map(({ key }) => [key, undefined]));
  for (const group of come) changes.set(group.key, compileGroup(group));
  return before.with(changes);
}

/**
 * Index of `model`. Routes that only `previous` knows stay answerable under the new settings until `dropRetired`:
 * make before break.
 * @param retired routes that others still have: those of a table that was not built on `previous` itself.
 */
export function buildTable(model: Model, previous = EMPTY_TABLE, retired: readonly RouteEntry[] = []): Table {
  return {
    model,
    keysById: nextKeys(previous, model.callerKeys),
    groups: nextGroups(previous, model.groups),
    routes: previous.routes.next(model.groups, { retired }),
    hosts: indexHosts(model.groups, previous.hosts),
    grants: previous.grants.next(model.grants),
    plans: previous.plans.next(model.plans),
  };
}

/** The table without what only predecessors knew, once every Envoy has acked the new routes. */
export const dropRetired = (table: Table): Table => ({ ...table, routes: table.routes.withoutKept() });

/** `allowedAuthorizers` of a key. */
export const admitsNamespace = (admits: AdmittedNamespaces, namespace: string): boolean =>
  admits.all || admits.namespaces.has(namespace);
