/**
 * The routes that Envoy may ask for: those of the model, and what only earlier models had until every Envoy has let go
 * of it. Immutable; the next one costs what changed, and what is kept.
 */
import { LayeredMap } from '../../lib/layered-map.js';
import { listChanges } from '../../lib/list-changes.js';
import type { Api, Group, Route } from '../../model/model.js';

/** A route as Envoy may have it. Group settings come from the table, what Envoy does with the request from here. */
export interface RouteEntry {
  readonly route: Route;
  /** Names of the APIs that are, or until the last `withoutKept` were, under the route. */
  readonly apis: ReadonlySet<string>;
  /** Not in the current model: Envoy may not have acked its removal. */
  readonly retired: boolean;
}

export interface NextRoutesOptions {
  /** Ids among `kept` that no Envoy has any more. */
  readonly forgotten?: ReadonlySet<string>;
  /** Routes that others still have. Of those known here the names of APIs are added. */
  readonly retired?: readonly RouteEntry[];
}

const NO_IDS: ReadonlySet<string> = new Set();

export class Routes {
  static readonly none = new Routes([], LayeredMap.empty(), new Map());

  private constructor(
    private readonly groups: readonly Group[],
    /** Those of the model. */
    private readonly own: LayeredMap<string, RouteEntry>,
    /** What differs from the model: retired routes, and those with names of APIs that went elsewhere. By id. */
    readonly kept: ReadonlyMap<string, RouteEntry>,
  ) {}

  get(id: string): RouteEntry | undefined {
    return this.kept.get(id) ?? this.own.get(id);
  }

  /** Whether a route of these, or an API under it, is in the model of these and not in that of `next`. */
  loses(id: string, next: Routes): boolean {
    const [before, now] = [this.own.get(id), next.own.get(id)];
    if (!before || before === now) return false;
    return !now || [...before.apis].some((api) => !now.apis.has(api));
  }

  /** Routes of the new model plus those Envoy may still have. A name once under a route stays accepted there. */
  next(groups: readonly Group[], { forgotten = NO_IDS, retired = [] }: NextRoutesOptions = {}): Routes {
    const { gone, come } = listChanges(this.groups, groups);
    const changes = new Map<string, RouteEntry | undefined>();
    const before = new Map<string, RouteEntry>();
    for (const [id, entry] of this.kept) if (!forgotten.has(id)) before.set(id, entry);
    for (const group of gone) {
      for (const [id, entry] of routesOf(group)) {
        if (this.own.get(id) === entry) changes.set(id, undefined);
        if (!before.has(id)) before.set(id, entry);
      }
    }
    for (const entry of retired) {
      const { id } = entry.route;
      const known = before.get(id) ?? this.own.get(id);
      before.set(id, known ? { ...known, apis: new Set([...known.apis, ...entry.apis]) } : entry);
    }
    for (const group of come) for (const [id, entry] of routesOf(group)) changes.set(id, entry);

    const own = this.own.with(changes);
    const kept = new Map<string, RouteEntry>();
    for (const [id, entry] of before) {
      const lasting = keep(entry, own.get(id));
      if (lasting) kept.set(id, lasting);
    }
    return new Routes(groups, own, kept);
  }

  /** Once every Envoy holds the routes of the model. */
  withoutKept(): Routes {
    return this.kept.size === 0 ? this : new Routes(this.groups, this.own, new Map());
  }
}

/** What remains of an entry where the model has `now` instead; nothing where that says it all. */
function keep(before: RouteEntry, now: RouteEntry | undefined): RouteEntry | undefined {
  if (!now) return before.retired ? before : { ...before, retired: true };
  const apis = new Set([...now.apis, ...before.apis]);
  return apis.size > now.apis.size ? { ...now, apis } : undefined;
}

/** Translation keeps the identity of groups that did not change. */
const routesByGroup = new WeakMap<Group, ReadonlyMap<string, RouteEntry>>();

/** Routes of a group, the same entries for the same group. */
function routesOf(group: Group): ReadonlyMap<string, RouteEntry> {
  let routes = routesByGroup.get(group);
  if (!routes) routesByGroup.set(group, (routes = collectRoutes(group)));
  return routes;
}

function collectRoutes(group: Group): ReadonlyMap<string, RouteEntry> {
  const routes = new Map<string, { route: Route; apis: Set<string>; retired: false }>();
  const add = (route: Route, api?: Api): void => {
    let entry = routes.get(route.id);
    if (!entry) routes.set(route.id, (entry = { route, apis: new Set(), retired: false }));
    if (api) entry.apis.add(api.name);
  };
  for (const environment of group.environments) {
    add(environment.route);
    for (const api of environment.apis) add(api.route, api);
  }
  return routes;
}
