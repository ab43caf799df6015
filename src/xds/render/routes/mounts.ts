/**
 * Where a group's environments sit on a host: each mount is a path prefix, perhaps with an X-Stage, and one
 * ordered list of entries. An entry exists only where Envoy must choose another route than the mount's own;
 * everything else is the authorizer's business. Order: the same as `authz/api-matcher.ts`.
 */
import { compareText } from '../../../lib/compare-text.js';
import type { Api, Cors, Environment, Group, Model, ResourceKey, Route } from '../../../model/model.js';
import { apiRouteName, mountRouteName, unknownEnvironmentRoute } from '../../names.js';

/** Paths are complete: base path and environment segment included. */
export type PathRule =
  | { readonly type: 'Exact'; readonly value: string }
  /** Between slashes; `undefined` is a variable. The first element is the empty text before the leading slash. */
  | { readonly type: 'Template'; readonly segments: readonly (string | undefined)[] }
  /** Whole segments; `/` matches everything. */
  | { readonly type: 'Prefix'; readonly value: string };

/** `AllButOptions` = an API without a method list; TRACE and CONNECT never get past the guard. */
export type MethodRule = 'All' | 'AllButOptions' | readonly string[];

export type StageRule =
  { readonly type: 'Any' } | { readonly type: 'Exact'; readonly value: string } | { readonly type: 'Present' };

export type EntryTarget =
  { readonly type: 'Route'; readonly route: Route } | { readonly type: 'UnknownEnvironment'; readonly id: string };

export interface Entry {
  readonly name: string;
  readonly path: PathRule;
  /** The longest text with which every path of the entry begins. */
  readonly literal: string;
  readonly methods: MethodRule;
  readonly stage: StageRule;
  readonly target: EntryTarget;
  readonly cors: Cors | undefined;
}

export interface Mount {
  readonly group: ResourceKey;
  readonly prefix: string;
  /** Most preferred first; the last takes whatever the others leave. */
  readonly entries: readonly Entry[];
}

export interface Host {
  /** Hosts whose mounts are the same. */
  readonly hostnames: readonly string[];
  /** Longest prefix first. */
  readonly mounts: readonly Mount[];
}

/** All virtual hosts of the model, in a fixed order. */
export function hostsOf(model: Model): readonly Host[] {
  const byHostname = new Map<string, Mount[]>();
  const add = (hostname: string, mounts: readonly Mount[]): void => {
    const known = byHostname.get(hostname);
    if (known) known.push(...mounts);
    else byHostname.set(hostname, [...mounts]);
  };
  const groups = [...model.groups].sort((a, b) => compareText(a.key, b.key));
  // First the hosts that mean one environment: there it goes before the group's own mounts.
  for (const group of groups) for (const { hostname, mount } of mountsOf(group).ofHostnames) add(hostname, [mount]);
  for (const group of groups) for (const hostname of group.hostnames) add(hostname, mountsOf(group).own);

  const ids = new Map<Mount, number>();
  const hosts = new Map<string, { hostnames: string[]; mounts: Mount[] }>();
  for (const hostname of [...byHostname.keys()].sort(compareText)) {
    const mounts = byHostname.get(hostname)!;
    // The sort is stable: mounts of one prefix keep the order in which a request tries them.
    mounts.sort((a, b) => b.prefix.length - a.prefix.length || compareText(a.prefix, b.prefix));
    const identity = mounts.map((mount) => ids.get(mount) ?? (ids.set(mount, ids.size), ids.size - 1)).join();
    const equal = hosts.get(identity);
    if (equal) equal.hostnames.push(hostname);
    else hosts.set(identity, { hostnames: [hostname], mounts });
  }
  return [...hosts.values()];
}

interface GroupMounts {
  /** On the group's own hostnames. */
  readonly own: readonly Mount[];
  /** On those of its environments. */
  readonly ofHostnames: readonly { readonly hostname: string; readonly mount: Mount }[];
}

/** A group that did not change keeps its mounts, and with them what is made of them. */
const mountsByGroup = new WeakMap<Group, GroupMounts>();

function mountsOf(group: Group): GroupMounts {
  let mounts = mountsByGroup.get(group);
  if (!mounts) {
    const ofHostnames = group.environments.flatMap((environment) =>
      environment.match.type === 'Hostname'
        ? [
            {
              hostname: environment.match.value,
              mount: environmentMount(group, environment, group.basePath, ANY_STAGE),
            },
          ]
        : [],
    );
    mountsByGroup.set(group, (mounts = { own: groupMounts(group), ofHostnames }));
  }
  return mounts;
}

const ANY_STAGE: StageRule = { type: 'Any' };

/** The mounts on the group's own hostnames, in the order in which a request tries those of one prefix. */
function groupMounts(group: Group): readonly Mount[] {
  const mounts: Mount[] = [];
  const environments = [...group.environments].sort((a, b) => compareText(a.name, b.name));
  const staged: Environment[] = [];
  for (const environment of environments) {
    if (environment.match.type === 'PathPrefix')
      mounts.push(environmentMount(group, environment, join(group.basePath, `/${environment.match.value}`), ANY_STAGE));
    if (environment.match.type === 'Header') staged.push(environment);
  }
  for (const environment of staged) {
    if (environment.match.type !== 'Header') continue;
    mounts.push(
      environmentMount(group, environment, group.basePath, { type: 'Exact', value: environment.match.value }),
    );
  }
  const fallback = environments.find((environment) => environment.isDefault);
  // A stage that nobody lists is refused, not served by the default environment.
  if (fallback && staged.length > 0) mounts.push(unknownMount(group, { type: 'Present' }));
  mounts.push(fallback ? environmentMount(group, fallback, group.basePath, ANY_STAGE) : unknownMount(group, ANY_STAGE));
  return mounts;
}

function unknownMount(group: Group, stage: StageRule): Mount {
  const id = unknownEnvironmentRoute(group.key);
  const entry: Entry = {
    name: id,
    path: { type: 'Prefix', value: group.basePath },
    literal: group.basePath,
    methods: 'All',
    stage,
    target: { type: 'UnknownEnvironment', id },
    cors: group.cors,
  };
  return { group: group.key, prefix: group.basePath, entries: [entry] };
}

function environmentMount(group: Group, environment: Environment, prefix: string, stage: StageRule): Mount {
  const { cors, key } = group;
  const own: Entry = {
    name: mountRouteName(key, environment.name),
    path: { type: 'Prefix', value: prefix },
    literal: prefix,
    methods: 'All',
    stage,
    target: { type: 'Route', route: environment.route },
    cors,
  };
  const entries: Entry[] = [];
  // The usual group has one route: no API needs an entry, however many there are.
  if (environment.apis.some((api) => api.route.id !== environment.route.id)) {
    for (const api of [...environment.apis].sort(byPrecedence)) {
      const path = pathRule(prefix, api);
      entries.push({
        name: apiRouteName(key, environment.name, api.name),
        path,
        literal: literalOf(path),
        methods: api.match.methods ?? 'AllButOptions',
        stage,
        target: { type: 'Route', route: api.route },
        cors,
      });
    }
  }
  entries.push(own);
  return { group: key, prefix, entries };
}

const join = (prefix: string, rest: string): string => (prefix === '/' ? rest : prefix + rest);

function pathRule(prefix: string, api: Api): PathRule {
  const { type, value } = api.match.path;
  switch (type) {
    case 'Exact':
      return { type, value: join(prefix, value) };
    case 'Template':
      return { type, segments: templateSegments(join(prefix, value)) };
    case 'Prefix':
      // `/v1/` and `/v1` are one prefix, `/` is the whole mount.
      return { type, value: join(prefix, value.endsWith('/') ? value.slice(0, -1) : value) || '/' };
  }
}

const templateSegments = (value: string): (string | undefined)[] =>
  value.split('/').map((segment) => (isVariable(segment) ? undefined : segment));

const isVariable = (segment: string): boolean => segment.length > 2 && segment.startsWith('{') && segment.endsWith('}');

function literalOf(path: PathRule): string {
  if (path.type !== 'Template') return path.value;
  const variable = path.segments.indexOf(undefined);
  return variable < 0 ? path.segments.join('/') : `${path.segments.slice(0, variable).join('/')}/`;
}

const RANK = { Exact: 0, Template: 1, Prefix: 2 } as const;

/**
 * Exact, then Template with more literal segments, then longest Prefix; listed methods before an omitted list. The sort
 * is stable: what is left goes by the order of the model.
 */
function byPrecedence(a: Api, b: Api): number {
  const { path: left } = a.match;
  const { path: right } = b.match;
  return (
    RANK[left.type] - RANK[right.type] ||
    (left.type === 'Template' ? byLiterals(left.value, right.value) : right.value.length - left.value.length) ||
    Number(a.match.methods === undefined) - Number(b.match.methods === undefined)
  );
}

function byLiterals(left: string, right: string): number {
  const literals = (value: string): number => templateSegments(value).filter((segment) => segment !== undefined).length;
  return literals(right) - literals(left);
}
