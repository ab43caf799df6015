/**
 * The authorizer's lookup table: an immutable index over the model. Keys × APIs are never multiplied out;
 * grants and plans are found through the key. A group whose object did not change keeps its compiled form,
 * so an edit costs what it touches.
 */
import type {
  AdmittedNamespaces,
  Api,
  CallerKey,
  Environment,
  Grant,
  Group,
  Model,
  Plan,
  ResourceKey,
  Route,
  Target,
} from '../model/model.js';
import { compileApis, type ApiMatcher } from './api-matcher.js';
import { indexHosts, type HostIndex } from './host-index.js';
import { compileSourceRanges, type SourceRanges } from './guard/source-ranges.js';

export interface Table {
  readonly model: Model;
  /** By key id, the text on the wire. */
  readonly keysById: ReadonlyMap<string, CallerKey>;
  readonly groups: ReadonlyMap<ResourceKey, CompiledGroup>;
  /** What Envoy may still ask for: the routes of this table and the retired ones of its predecessors. */
  readonly routes: ReadonlyMap<string, RouteEntry>;
  readonly hosts: HostIndex;
  readonly grants: TargetIndex<Grant>;
  readonly plans: TargetIndex<Plan>;
}

export interface CompiledGroup {
  readonly group: Group;
  readonly environments: ReadonlyMap<string, CompiledEnvironment>;
  readonly routes: ReadonlyMap<string, RouteEntry>;
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

/** A route as Envoy may have it. Group settings come from the table, what Envoy does with the request from here. */
export interface RouteEntry {
  readonly route: Route;
  /** Names of the APIs that are, or until the last `dropRetired` were, under the route. */
  readonly apis: ReadonlySet<string>;
  /** Not in the current model: Envoy may not have acked its removal. */
  readonly retired: boolean;
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

/** Finds what binds a key to an API, by caller key first: a key has few grants and plans, a group may have thousands. */
export interface TargetIndex<T> {
  readonly source: readonly T[];
  matches(callerKey: ResourceKey, group: ResourceKey, environment: string, api: string): readonly TargetMatch<T>[];
}

function groupTargets(targets: readonly Target[]): Map<ResourceKey, Target[]> {
  const byGroup = new Map<ResourceKey, Target[]>();
  for (const target of targets) {
    const known = byGroup.get(target.group);
    if (known) known.push(target);
    else byGroup.set(target.group, [target]);
  }
  return byGroup;
}

function indexTargets<T extends Bound>(source: readonly T[]): TargetIndex<T> {
  interface Entry {
    readonly value: T;
    readonly byGroup: ReadonlyMap<ResourceKey, readonly Target[]>;
  }
  const byKey = new Map<ResourceKey, Entry[]>();
  for (const value of source) {
    const entry: Entry = { value, byGroup: groupTargets(value.targets) };
    for (const key of new Set(value.callerKeys)) {
      const entries = byKey.get(key);
      if (entries) entries.push(entry);
      else byKey.set(key, [entry]);
    }
  }
  function matches(callerKey: ResourceKey, group: ResourceKey, environment: string, api: string): TargetMatch<T>[] {
    const found: TargetMatch<T>[] = [];
    for (const { value, byGroup } of byKey.get(callerKey) ?? []) {
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
  return { source, matches };
}

function compileEnvironment(environment: Environment): CompiledEnvironment {
  const sourceRanges = new Map<string, SourceRanges>();
  for (const api of environment.apis) {
    if (api.access.sourceRanges) sourceRanges.set(api.name, compileSourceRanges(api.access.sourceRanges));
  }
  return { environment, matcher: compileApis(environment.apis), sourceRanges };
}

/** Translation keeps the identity of groups that did not change. */
const routesByGroup = new WeakMap<Group, ReadonlyMap<string, RouteEntry>>();

/** Routes of a group, the same entries for the same group. */
export function routesOf(group: Group): ReadonlyMap<string, RouteEntry> {
  let routes = routesByGroup.get(group);
  if (!routes) routesByGroup.set(group, (routes = collectRoutes(group)));
  return routes;
}

function collectRoutes(group: Group): Map<string, RouteEntry> {
  const names = new Map<string, { route: Route; apis: Set<string> }>();
  const add = (route: Route, api?: Api): void => {
    let entry = names.get(route.id);
    if (!entry) names.set(route.id, (entry = { route, apis: new Set() }));
    if (api) entry.apis.add(api.name);
  };
  for (const environment of group.environments) {
    add(environment.route);
    for (const api of environment.apis) add(api.route, api);
  }
  return new Map([...names].map(([id, entry]) => [id, { ...entry, retired: false }]));
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
    routes: routesOf(group),
    stages,
    segments,
  };
}

/** Routes of the new model plus those Envoy may still have. A name once under a route stays accepted there until `dropRetired`. */
export function mergeRoutes(
  current: ReadonlyMap<string, RouteEntry>,
  previous: ReadonlyMap<string, RouteEntry>,
): Map<string, RouteEntry> {
  const merged = new Map(current);
  for (const [id, before] of previous) {
    const now = merged.get(id);
    if (!now) merged.set(id, before.retired ? before : { ...before, retired: true });
    else if (before.apis !== now.apis) merged.set(id, { ...now, apis: new Set([...now.apis, ...before.apis]) });
  }
  return merged;
}

const sameItems = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a === b || (a.length === b.length && a.every((item, i) => item === b[i]));

/**
 * Index of `model`. Routes that only `previous` knows stay answerable under the new settings until `dropRetired`:
 * make before break, design.md §3.
 * @param retired routes that others still have: those of a table that was not built on `previous` itself.
 */
export function buildTable(model: Model, previous?: Table, retired: readonly RouteEntry[] = []): Table {
  const groups = new Map<ResourceKey, CompiledGroup>();
  const routes = new Map<string, RouteEntry>();
  for (const group of model.groups) {
    const known = previous?.groups.get(group.key);
    const compiled = known?.group === group ? known : compileGroup(group);
    groups.set(group.key, compiled);
    for (const [id, entry] of compiled.routes) routes.set(id, entry);
  }
  const before = new Map([...retired.map((entry) => [entry.route.id, entry] as const), ...(previous?.routes ?? [])]);
  return {
    model,
    keysById:
      previous && sameItems(previous.model.callerKeys, model.callerKeys)
        ? previous.keysById
        : new Map(model.callerKeys.map((key) => [key.keyId, key])),
    groups,
    hosts: previous && sameItems(previous.hosts.source, model.groups) ? previous.hosts : indexHosts(model.groups),
    routes: before.size > 0 ? mergeRoutes(routes, before) : routes,
    grants: previous && sameItems(previous.grants.source, model.grants) ? previous.grants : indexTargets(model.grants),
    plans: previous && sameItems(previous.plans.source, model.plans) ? previous.plans : indexTargets(model.plans),
  };
}

/** The table without what only predecessors knew, once every Envoy has acked the new routes. */
export function dropRetired(table: Table): Table {
  const routes = new Map<string, RouteEntry>();
  for (const compiled of table.groups.values()) for (const [id, entry] of compiled.routes) routes.set(id, entry);
  return { ...table, routes };
}

/** `allowedAuthorizers` of a key. */
export const admitsNamespace = (admits: AdmittedNamespaces, namespace: string): boolean =>
  admits.all || admits.namespaces.has(namespace);
