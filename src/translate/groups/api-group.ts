/**
 * ApiGroup → group of the model: environments × APIs with overrides merged and backends resolved. What cannot
 * be served is refused one by one (a hostname, an environment, an API), so that a mistake costs only its own unit.
 */
import type { ConditionState } from '../../api/conditions.js';
import type { ApiGroup, ApiGroupApi, ApiGroupEnvironment } from '../../api/types.js';
import { durationMs } from '../../api/units.js';
import { stableHash } from '../../lib/stable-hash.js';
import type {
  Api,
  Backend,
  Cors,
  Environment,
  EnvironmentMatch,
  Group,
  ResourceKey,
  Route,
} from '../../model/model.js';
import { keyOf, referenceTo } from '../../resources/resource-set.js';
import type { VerificationOptions } from '../../signature/dialect.js';
import { readApi, refuseApi, type ApiSettings, type GroupSettings } from './api.js';
import { findOverlaps } from './api-conflicts.js';
import { bindBackendKey } from '../keys/backend-signature.js';
import { type BackendLookup, type BackendSettings, mergeBackend, NO_BACKEND, resolveBackend } from './backend.js';
import { type HostnameClaim, mayClaimHostname } from './hostname-claims.js';
import { mergeAccess, mergeVerification } from './settings.js';
import { claimantOf, type TranslatedKey } from '../keys/signature-key.js';
import { Problems } from '../statuses/status.js';
import { nameOfSetting, type TranslateContext } from '../translation.js';

export interface TranslatedGroup {
  readonly resource: ApiGroup;
  readonly key: ResourceKey;
  /** `undefined` when no hostname is left to serve it on. Without environments it holds its base path and refuses. */
  readonly group: Group | undefined;
  /** What is served, by environment and name; empty without `group`. */
  readonly served: ReadonlyMap<string, { readonly environment: Environment; readonly apis: ReadonlyMap<string, Api> }>;
  /** APIs that sign their backend requests, by Backend key. */
  readonly apisByBackendKey: ReadonlyMap<ResourceKey, ReadonlySet<string>>;
  readonly problems: Problems;
  readonly warnings: readonly ConditionState[];
  readonly environments: readonly {
    readonly name: string;
    readonly state: 'Released' | 'Offline';
    /** Absent where no host name is left. */
    readonly url?: string;
    readonly apis: number;
  }[];
}

/** The hostnames a group asks for: its own, and those of environments that are chosen by hostname. */
export function hostnameClaimsOf(
  resource: ApiGroup,
  { hostnameClaims }: Pick<TranslateContext, 'hostnameClaims'>,
): HostnameClaim[] {
  const claimant = claimantOf(resource);
  const chosen = resource.spec.environments.flatMap(({ match }) => (match?.type === 'Hostname' ? [match.value] : []));
  const hostnames = new Set([...resource.spec.hostnames, ...chosen].map((hostname) => hostname.toLowerCase()));
  return [...hostnames]
    .filter((hostname) => mayClaimHostname(hostnameClaims, claimant.namespace, hostname))
    .map((hostname) => ({ claimant, hostname, basePath: resource.spec.basePath }));
}

export interface GroupInputs {
  readonly context: TranslateContext;
  readonly lookup: BackendLookup;
  readonly keys: ReadonlyMap<ResourceKey, TranslatedKey>;
  /** Hostname → the group that serves it instead. */
  readonly lostHostnames: ReadonlyMap<string, HostnameWinner>;
}

/** What the loser's owner is told of the group that serves a hostname. */
export interface HostnameWinner {
  readonly key: ResourceKey;
  /** `undefined`: not for the loser's owner to know. */
  readonly basePath: string | undefined;
}

export function translateGroup(resource: ApiGroup, inputs: GroupInputs): TranslatedGroup {
  const { spec, metadata } = resource;
  const problems = new Problems(resource);
  const key = keyOf(resource);
  const serves = (hostname: string, path: string): boolean =>
    servesHostname(resource, hostname, path, inputs, problems);
  const hostnames = [...new Set(spec.hostnames.map((name) => name.toLowerCase()))].filter((name) =>
    serves(name, `spec.hostnames[${spec.hostnames.findIndex((written) => written.toLowerCase() === name)}]`),
  );

  const access = mergeAccess(spec.access);
  // Without an override of its own an API cannot contradict the group, and the schema checks the group itself.
  const settings: GroupSettings | undefined =
    'access' in access
      ? { spec, access: access.access, verification: mergeVerification(spec.verification) }
      : undefined;
  const apis = settings ? readApis(resource, settings, problems) : [];

  const builder = new EnvironmentBuilder(resource, inputs, problems);
  const environments: Environment[] = [];
  for (const [i, environment] of spec.environments.entries()) {
    const path = `spec.environments[${i}]`;
    if (environment.match?.type === 'Hostname' && !serves(environment.match.value, `${path}.match.value`)) continue;
    if (settings) environments.push(builder.build(environment, path, apis, settings));
  }
  // A base path stays held also where nothing is left to serve under it, or the group around it would take its requests.
  const reachable = hostnames.length > 0 ? environments : environments.filter(({ match }) => match.type === 'Hostname');
  const group: Group | undefined =
    hostnames.length > 0 || reachable.length > 0
      ? {
          key,
          namespace: metadata.namespace,
          name: metadata.name,
          hostnames,
          basePath: spec.basePath,
          errors: spec.errors,
          cors: readCors(resource),
          environments: reachable,
        }
      : undefined;
  return {
    resource,
    key,
    group,
    served: new Map(
      (group?.environments ?? []).map((environment) => [
        environment.name,
        { environment, apis: new Map(servedApis(environment).map((api) => [api.name, api])) },
      ]),
    ),
    apisByBackendKey: builder.apisByBackendKey,
    problems,
    warnings: verificationWarnings(reachable),
    environments: environments.map((environment) => ({
      name: environment.name,
      state: environment.state,
      ...environmentUrl(environment, hostnames[0], spec.basePath, inputs.context),
      apis: reachable.includes(environment) ? servedApis(environment).length : 0,
    })),
  };
}

const servedApis = ({ apis }: Environment): readonly Api[] => apis.filter(({ state }) => state !== 'Refused');

function servesHostname(
  resource: ApiGroup,
  hostname: string,
  path: string,
  { context, lostHostnames }: GroupInputs,
  problems: Problems,
): boolean {
  const { namespace } = resource.metadata;
  if (!mayClaimHostname(context.hostnameClaims, namespace, hostname)) {
    problems.error(
      'HostnameNotPermitted',
      path,
      `${nameOfSetting('hostnames', context)} does not let namespace ${namespace} claim ${hostname}`,
    );
    return false;
  }
  const winner = lostHostnames.get(hostname.toLowerCase());
  if (winner === undefined) return true;
  problems.error(
    'Conflicted',
    path,
    `ApiGroup ${winner.key} serves ${hostname} with ${conflictOf(winner, resource)}`,
    referenceTo('ApiGroup', winner.key),
  );
  return false;
}

function conflictOf({ basePath }: HostnameWinner, { spec }: ApiGroup): string {
  if (basePath === undefined) return `a base path that is equal to or nested with ${spec.basePath}`;
  if (basePath === spec.basePath) return `the same base path ${basePath}`;
  return `base path ${basePath}, which is nested with ${spec.basePath}`;
}

/** All APIs in their order; those that are refused keep their match. */
function readApis(resource: ApiGroup, settings: GroupSettings, problems: Problems): ApiSettings[] {
  const specs: readonly ApiGroupApi[] = resource.spec.apis ?? [];
  const read = specs.map((api, i) => readApi(api, `spec.apis[${i}]`, settings, problems));
  const overlaps = findOverlaps(
    specs.map(({ match }) => ({ type: match.path.type, value: match.path.value, methods: match.methods })),
  );
  const environments = new Set(resource.spec.environments.map(({ name }) => name));
  return read.map((api, i) => {
    const earlier = overlaps.get(i);
    if (earlier !== undefined) {
      problems.error(
        'Conflicted',
        `${api.path}.match`,
        `covers requests of API ${specs[earlier]?.name ?? ''} (spec.apis[${earlier}]) with equal rank; this API is refused`,
      );
      return refuseApi(api.spec, api.path, settings);
    }
    if (api.refused) return api;
    for (const [j, { name }] of (api.spec.environments ?? []).entries())
      if (!environments.has(name))
        problems.unresolved(
          'EnvironmentNotFound',
          `${api.path}.environments[${j}].name`,
          `the group has no environment ${name}`,
        );
    return api;
  });
}

/** Builds the environments of one group; what several of them share is made once. */
class EnvironmentBuilder {
  readonly apisByBackendKey = new Map<ResourceKey, Set<string>>();
  readonly #resource: ApiGroup;
  readonly #inputs: GroupInputs;
  readonly #problems: Problems;
  readonly #backends = new Map<string, Backend | undefined>();
  readonly #routes = new Map<string, Route>();

  constructor(resource: ApiGroup, inputs: GroupInputs, problems: Problems) {
    this.#resource = resource;
    this.#inputs = inputs;
    this.#problems = problems;
  }

  build(
    environment: ApiGroupEnvironment,
    path: string,
    apis: readonly ApiSettings[],
    settings: GroupSettings,
  ): Environment {
    const ofGroup = mergeBackend(NO_BACKEND, this.#resource.spec.backend, 'spec.backend');
    const backend = mergeBackend(ofGroup, environment.backend, `${path}.backend`);
    return {
      name: environment.name,
      state: environment.state,
      isDefault: environment.default ?? false,
      match: environmentMatch(environment, this.#resource),
      apis: apis.map(
        (api) => this.#api(api, environment, path, backend) ?? this.#refusedApi(api, environment, backend, settings),
      ),
      route: this.#route(environment.name, backend, settings.verification),
      verification: settings.verification,
    };
  }

  #api(
    api: ApiSettings,
    environment: ApiGroupEnvironment,
    environmentPath: string,
    base: BackendSettings,
  ): Api | undefined {
    const { spec, path, refused } = api;
    if (refused) return undefined;
    const backend = mergeBackend(base, spec.backend, `${path}.backend`);
    if (!backend.target) {
      this.#problems.error(
        'BackendMissing',
        `${path}.backend`,
        `no backend in environment ${environment.name}: neither API, environment nor group names one`,
      );
      return undefined;
    }
    const index = (spec.environments ?? []).findIndex(({ name }) => name === environment.name);
    const override = spec.environments?.[index];
    const [binding, bindingPath] = override?.backendSignature
      ? [override.backendSignature, `${path}.environments[${index}].backendSignature`]
      : [environment.backendSignature, `${environmentPath}.backendSignature`];
    const backendSignature = bindBackendKey(
      binding,
      bindingPath,
      this.#resource.metadata.namespace,
      this.#inputs.keys,
      this.#inputs.lookup.absence,
      this.#problems,
    );
    if (backendSignature) {
      const bound = this.apisByBackendKey.get(backendSignature.key) ?? new Set();
      this.apisByBackendKey.set(backendSignature.key, bound.add(spec.name));
    }
    return {
      name: spec.name,
      match: { path: spec.match.path, methods: spec.match.methods },
      state: environment.state === 'Offline' ? 'Offline' : (override?.state ?? 'Released'),
      access: api.access,
      verification: api.verification,
      rewrite: api.rewrite,
      backendSignature,
      route: this.#route(environment.name, backend, api.verification),
    };
  }

  /** Its match leads to the authorizer, and nowhere else. */
  #refusedApi(api: ApiSettings, { name }: ApiGroupEnvironment, base: BackendSettings, settings: GroupSettings): Api {
    const { spec, access, verification } = api.refused ? api : refuseApi(api.spec, api.path, settings);
    return {
      name: spec.name,
      match: { path: spec.match.path, methods: spec.match.methods },
      state: 'Refused',
      access,
      verification,
      rewrite: undefined,
      backendSignature: undefined,
      route: this.#route(name, { ...base, target: undefined }, verification),
    };
  }

  #route(environment: string, settings: BackendSettings, { body, maxBodyBytes }: VerificationOptions): Route {
    const content = {
      group: keyOf(this.#resource),
      environment,
      backend: this.#backend(settings),
      maxBodyBytes: body === 'Streamed' ? undefined : maxBodyBytes,
      timeoutMs: settings.timeoutMs,
    };
    const text = `${environment} ${content.backend?.id ?? ''} ${content.maxBodyBytes ?? ''} ${content.timeoutMs}`;
    let route = this.#routes.get(text);
    if (!route) {
      route = { id: stableHash({ ...content, backend: content.backend?.id }, 24), ...content };
      this.#routes.set(text, route);
    }
    return route;
  }

  #backend(settings: BackendSettings): Backend | undefined {
    const text = JSON.stringify(settings);
    if (!this.#backends.has(text))
      this.#backends.set(text, resolveBackend(settings, this.#inputs.lookup, this.#problems));
    return this.#backends.get(text);
  }
}

/**
 * A default environment without `match` is the one Huawei calls RELEASE: chosen by no stage or by that one, so
 * that any other stage is still unknown (404).
 */
function environmentMatch(environment: ApiGroupEnvironment, { spec }: ApiGroup): EnvironmentMatch {
  if (environment.match) return environment.match;
  const taken = spec.environments.some(({ match }) => match?.type === 'Header' && match.value === 'RELEASE');
  return { type: 'Header', value: taken ? environment.name : 'RELEASE' };
}

function environmentUrl(
  { match }: Environment,
  hostname: string | undefined,
  basePath: string,
  { advertised }: TranslateContext,
): { readonly url?: string } {
  const { scheme, port } = advertised ?? { scheme: 'http' as const, port: undefined };
  const host = match.type === 'Hostname' ? match.value : hostname;
  if (host === undefined) return {};
  const base = basePath === '/' ? '' : basePath;
  const segment = match.type === 'PathPrefix' ? `/${match.value}` : '';
  const url = `${scheme}://${host}${port === undefined ? '' : `:${port}`}${base}${segment}`;
  return { url };
}

function readCors({ spec: { cors } }: ApiGroup): Cors | undefined {
  if (!cors) return undefined;
  return {
    allowOrigins: cors.allowOrigins,
    allowMethods: cors.allowMethods ?? [],
    allowHeaders: cors.allowHeaders ?? [],
    exposeHeaders: cors.exposeHeaders ?? [],
    maxAgeSeconds: cors.maxAge === undefined ? undefined : Math.floor(durationMs(cors.maxAge) / 1000),
    allowCredentials: cors.allowCredentials,
  };
}

/** What a group's owner should know about the schemes that it accepts; design.md §4 `dateOnly`, `replayProtection`. */
function verificationWarnings(environments: readonly Environment[]): ConditionState[] {
  const withoutNonce = new Set<string>();
  let dateUnchecked = false;
  const signed = new Set(
    environments.flatMap(({ apis }) =>
      apis
        .filter(({ state, access }) => state !== 'Refused' && access.authentication === 'Signature')
        .map(({ verification }) => verification),
    ),
  );
  for (const { dialects, replayProtection, dateOnly } of signed) {
    if (dateOnly === 'Allow' && dialects.includes('Tencent')) dateUnchecked = true;
    for (const dialect of dialects)
      if (replayProtection === 'Disabled' || (replayProtection === 'Nonce' && dialect !== 'JDCloud'))
        withoutNonce.add(dialect);
  }
  const warnings: ConditionState[] = [];
  if (withoutNonce.size > 0)
    warnings.push({
      type: 'ReplayWindowOpen',
      status: 'True',
      reason: 'SchemesWithoutNonce',
      message: [...withoutNonce].sort().join(', '),
    });
  if (dateUnchecked)
    warnings.push({ type: 'DateUnchecked', status: 'True', reason: 'DateOnlyAllowed', message: 'dateOnly is Allow' });
  return warnings;
}
