/**
 * Phase 1: which API is meant, and is the request one that all readers understand alike.
 * Envoy alone picks the route; here the API under it is found, or the request is refused.
 */
import type { Api, ResourceKey } from '../../model/model.js';
import type { VerificationContext } from '../../signature/dialect.js';
import { headerValue, headerValues } from '../../signature/wire.js';
import { guardHeaders } from '../guard/headers.js';
import { isCanonicalPath, isTargetText, otherReadings } from '../guard/path.js';
import { UNKNOWN_SCOPE, type Passed, type Refused, type Scope } from './refused.js';
import type { CheckRequest } from '../request.js';
import type { RouteEntry } from '../table/routes.js';
import type { CompiledEnvironment, CompiledGroup, Table } from '../table/table.js';

/** Context route of requests whose stage names no environment; the group's key follows. */
export const UNKNOWN_ENVIRONMENT_ROUTE = 'unknown-environment:';

export interface Matched extends Passed {
  readonly scope: Scope;
  readonly group: CompiledGroup;
  readonly environment: CompiledEnvironment;
  readonly api: Api;
  /** `namespace/group/api`. */
  readonly apiId: string;
  readonly route: RouteEntry;
  /** Without base path and environment segment; empty where nothing follows them. */
  readonly path: string;
  /** With its `?`, as received; empty when there is none. */
  readonly query: string;
  readonly variables: ReadonlyMap<string, string>;
  /** `undefined` where Envoy did not buffer it. */
  readonly body: Uint8Array | undefined;
  readonly verificationContext: VerificationContext;
}

export type MatchRefused = Refused & { readonly scope: Scope };

function scopeOfGroup(group: CompiledGroup, environment: CompiledEnvironment | undefined): Scope {
  const verification = (environment?.environment ?? group.group.environments[0])?.verification;
  return {
    errors: group.group.errors,
    dialects: verification?.dialects ?? [],
    facts: { ...UNKNOWN_SCOPE.facts, environment: environment?.environment.name ?? '' },
  };
}

/** Path after `/base`; `undefined` when the path is not under it. */
function under(base: string, path: string): string | undefined {
  if (base === '' || base === '/') return path;
  if (!path.startsWith(base)) return undefined;
  const rest = path.slice(base.length);
  return rest === '' || rest.startsWith('/') ? rest : undefined;
}

interface Place {
  readonly path: string;
  readonly context: VerificationContext;
}

/**
 * Where the API path starts. Envoy chose the environment; a route that the request itself contradicts (it names
 * another stage, or none where there is no default) is one from before or after a change, and is refused.
 */
function locate(
  request: CheckRequest,
  path: string,
  { group, stages, segments }: CompiledGroup,
  { environment }: CompiledEnvironment,
): Place | Refused {
  const rest = under(group.basePath, path);
  if (rest === undefined) return { refused: 'route_mismatch' };
  const { match, isDefault } = environment;
  const segment = rest.split('/', 2)[1] ?? '';
  if (match.type === 'PathPrefix' && segment === match.value) {
    const context = { environmentPath: { basePath: group.basePath, segment } };
    return { path: rest.slice(segment.length + 1), context };
  }
  if (match.type === 'Hostname') return { path: rest, context: {} };
  const stage = stages.size === 0 ? undefined : headerValues(request, 'x-stage').join(',');
  if (match.type === 'Header' && stage === match.value) return { path: rest, context: {} };
  if (!isDefault || segments.has(segment)) return { refused: 'route_mismatch' };
  if (stage) return { refused: stages.has(stage) ? 'route_mismatch' : 'unknown_environment' };
  return { path: rest, context: {} };
}

/**
 * Only a length of 0 proves it: Envoy takes `Transfer-Encoding` away before we see the headers, and HTTP/2 says it
 * with a frame that a Check does not show, so that in both an attacker could add a body to a captured request.
 */
const hasNoBody = (request: CheckRequest): boolean => headerValue(request, 'content-length') === '0';

/** The body to judge: `undefined` where Envoy did not buffer what may be there (streamed routes, upgrades). */
function bodyOf(request: CheckRequest, route: RouteEntry): Uint8Array | undefined {
  const buffered = route.route.maxBodyBytes !== undefined && headerValue(request, 'upgrade') === undefined;
  return buffered || hasNoBody(request) ? request.body : undefined;
}

/** A body was announced and Envoy buffered none of it, though the route says so: it would be forwarded unseen. */
const isBodyHidden = (request: CheckRequest, body: Uint8Array | undefined): boolean =>
  body?.length === 0 && !request.partialBody && Number(headerValue(request, 'content-length') ?? 0) > 0;

/** Envoy forwards the whole body even where it showed us a part (HTTP/2, one large frame): envoy.md §2. */
function isBodyCut(request: CheckRequest, body: Uint8Array | undefined, maxBodyBytes: number): boolean {
  if (request.partialBody) return true;
  if (body === undefined) return false;
  const announced = headerValue(request, 'content-length');
  return body.length > maxBodyBytes || (announced !== undefined && Number(announced) !== body.length);
}

/** True when a backend that decodes, or drops `;parameters`, would see the path of another API. */
function isAmbiguous(path: string, method: string, api: Api, { matcher }: CompiledEnvironment): boolean {
  return otherReadings(path).some((reading) => {
    const { found } = matcher.find(reading, method);
    return found !== undefined && found.api !== api;
  });
}

/** Finds group, environment and API of a request and applies the guards. */
export function match(request: CheckRequest, table: Table): Matched | MatchRefused {
  const refuse = (refused: Refused, scope: Scope): MatchRefused => ({ ...refused, scope });
  if (!request.rawHeaders || request.route === '' || request.gatewayFault !== undefined)
    return refuse({ refused: 'unsafe_gateway' }, UNKNOWN_SCOPE);

  if (request.route.startsWith(UNKNOWN_ENVIRONMENT_ROUTE)) {
    const key: ResourceKey = request.route.slice(UNKNOWN_ENVIRONMENT_ROUTE.length);
    const group = table.groups.get(key);
    if (!group) return refuse({ refused: 'unknown_environment' }, UNKNOWN_SCOPE);
    const isRefused = group.group.environments.length === 0;
    return refuse({ refused: isRefused ? 'api_invalid' : 'unknown_environment' }, scopeOfGroup(group, undefined));
  }
  const route = table.routes.get(request.route);
  if (!route) return refuse({ refused: 'route_mismatch' }, UNKNOWN_SCOPE);
  const group = table.groups.get(route.route.group);
  if (!group) return refuse({ refused: 'not_found' }, UNKNOWN_SCOPE);
  const environment = group.environments.get(route.route.environment);
  const groupScope = scopeOfGroup(group, environment);
  if (!environment) return refuse({ refused: 'unknown_environment' }, groupScope);

  if (request.method === 'TRACE' || request.method === 'CONNECT')
    return refuse({ refused: 'method_not_allowed' }, groupScope);
  if (!isTargetText(request.target)) return refuse({ refused: 'non_canonical_path' }, groupScope);
  const mark = request.target.indexOf('?');
  const fullPath = mark < 0 ? request.target : request.target.slice(0, mark);
  if (!isCanonicalPath(fullPath)) return refuse({ refused: 'non_canonical_path' }, groupScope);
  const badHeader = guardHeaders(request);
  if (badHeader) return refuse(badHeader, groupScope);

  const place = locate(request, fullPath, group, environment);
  if ('refused' in place) return refuse(place, groupScope);
  if (table.hosts.leavesPlace(request.authority, fullPath, otherReadings(fullPath)))
    return refuse({ refused: 'ambiguous_path' }, groupScope);
  if (environment.environment.state === 'Offline') return refuse({ refused: 'environment_offline' }, groupScope);

  const { path } = place;
  const lookup = environment.matcher.find(path, request.method);
  if (!lookup.found) {
    if (!lookup.allow) return refuse({ refused: 'not_found' }, groupScope);
    const headers = lookup.allow.length > 0 ? { headers: [['allow', lookup.allow.join(', ')] as const] } : {};
    return refuse({ refused: 'method_not_allowed', ...headers }, groupScope);
  }
  const { api, variables } = lookup.found;
  const apiId = `${group.group.key}/${api.name}`;
  const scope: Scope = {
    errors: group.group.errors,
    dialects: api.verification.dialects,
    facts: { ...groupScope.facts, api: apiId },
  };
  if (isAmbiguous(path, request.method, api, environment)) return refuse({ refused: 'ambiguous_path' }, scope);
  if (api.state === 'Refused') return refuse({ refused: 'api_invalid' }, scope);
  if (!route.apis.has(api.name)) return refuse({ refused: 'route_mismatch' }, scope);
  if (api.state === 'Offline') return refuse({ refused: 'environment_offline' }, scope);
  const admits = environment.sourceRanges.get(api.name);
  if (admits && !admits(request.sourceAddress)) return refuse({ refused: 'source_address_denied' }, scope);

  const body = bodyOf(request, route);
  if (isBodyHidden(request, body)) return refuse({ refused: 'unsafe_gateway' }, scope);
  if (isBodyCut(request, body, api.verification.maxBodyBytes)) return refuse({ refused: 'body_too_large' }, scope);
  return {
    scope,
    group,
    environment,
    api,
    apiId,
    route,
    path,
    query: mark < 0 ? '' : request.target.slice(mark),
    variables,
    body,
    verificationContext: place.context,
  };
}
