/** A model from a short form, as golden inputs and live tests write it. Only what Envoy sees is filled in. */
import type {
  Api,
  Backend,
  Cors,
  Environment,
  EnvironmentMatch,
  Group,
  Model,
  PathMatch,
  Route,
} from '../../../src/model/model.js';
import type { VerificationOptions } from '../../../src/signature/dialect.js';

export interface ModelInput {
  /** By id. `endpoints` are `host:port`. */
  readonly backends?: Readonly<Record<string, BackendInput>>;
  readonly groups?: readonly GroupInput[];
}

export interface BackendInput {
  readonly endpoints: readonly string[];
  readonly protocol?: Backend['protocol'];
  readonly tls?: { readonly serverName: string; readonly caCertificates?: string };
}

export interface GroupInput {
  /** `namespace/name` */
  readonly key: string;
  readonly hostnames?: readonly string[];
  readonly basePath?: string;
  readonly cors?: Partial<Cors>;
  readonly environments: readonly EnvironmentInput[];
}

export interface EnvironmentInput {
  readonly name: string;
  readonly state?: Environment['state'];
  readonly default?: boolean;
  readonly match: EnvironmentMatch;
  readonly route?: RouteInput;
  readonly apis?: readonly ApiInput[];
}

export interface ApiInput {
  readonly name: string;
  readonly path: PathMatch;
  readonly methods?: readonly string[];
  /** Absent: the environment's. */
  readonly route?: RouteInput;
}

export interface RouteInput {
  /** Id in `backends`; absent: no usable backend. */
  readonly backend?: string;
  /** `null` = streamed. */
  readonly maxBodyBytes?: number | null;
  readonly timeoutMs?: number;
}

const VERIFICATION: VerificationOptions = {
  dialects: ['Huawei'],
  compatibility: 'Vendor',
  algorithms: ['HMACSHA256'],
  maxClockSkewMs: 900_000,
  dateOnly: 'Checked',
  body: 'Declared',
  requiredSignedHeaders: [],
  replayProtection: 'Nonce',
  replayStoreFailure: 'LocalFallback',
  maxBodyBytes: 4096,
};

export function buildModel({ backends = {}, groups = [] }: ModelInput): Model {
  const built = new Map(Object.entries(backends).map(([id, input]) => [id, buildBackend(id, input)]));
  return { callerKeys: [], grants: [], plans: [], groups: groups.map((group) => buildGroup(group, built)) };
}

function buildBackend(id: string, { endpoints, protocol = 'HTTP1', tls }: BackendInput): Backend {
  return {
    id,
    description: id,
    endpoints: endpoints.map((text) => {
      const colon = text.lastIndexOf(':'); // [::1]:80 too
      return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
    }),
    protocol,
    tls: tls && { serverName: tls.serverName, caCertificates: tls.caCertificates },
    host: { type: 'Preserve' },
    headers: [],
  };
}

function buildGroup(input: GroupInput, backends: ReadonlyMap<string, Backend>): Group {
  const [namespace = '', name = ''] = input.key.split('/');
  return {
    key: input.key,
    namespace,
    name,
    hostnames: input.hostnames ?? [],
    basePath: input.basePath ?? '/',
    errors: 'Uniform',
    cors: input.cors && {
      allowOrigins: [],
      allowMethods: [],
      allowHeaders: [],
      exposeHeaders: [],
      maxAgeSeconds: undefined,
      allowCredentials: false,
      ...input.cors,
    },
    environments: input.environments.map((environment) => {
      const route = buildRoute(input.key, environment.name, environment.route ?? {}, backends);
      return {
        name: environment.name,
        state: environment.state ?? 'Released',
        isDefault: environment.default ?? false,
        match: environment.match,
        route,
        verification: VERIFICATION,
        apis: (environment.apis ?? []).map((api): Api => ({
          name: api.name,
          match: { path: api.path, methods: api.methods },
          state: 'Released',
          access: {
            authentication: 'Signature',
            authorization: 'Enabled',
            usagePlan: 'Optional',
            sourceRanges: undefined,
          },
          verification: VERIFICATION,
          rewrite: undefined,
          backendSignature: undefined,
          route: api.route ? buildRoute(input.key, environment.name, api.route, backends) : route,
        })),
      };
    }),
  };
}

/** The id is readable text where the product uses a hash: tests see which route was meant. */
function buildRoute(
  group: string,
  environment: string,
  input: RouteInput,
  backends: ReadonlyMap<string, Backend>,
): Route {
  const { backend, maxBodyBytes = 4096, timeoutMs = 15_000 } = input;
  if (backend !== undefined && !backends.has(backend)) throw new Error(`no backend ${backend}`);
  return {
    id: [group, environment, backend ?? '-', maxBodyBytes ?? 'streamed', timeoutMs].join(' '),
    group,
    environment,
    backend: backend === undefined ? undefined : backends.get(backend),
    maxBodyBytes: maxBodyBytes ?? undefined,
    timeoutMs,
  };
}
