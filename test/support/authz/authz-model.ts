/** Model, requests and decisions in a short form, as the YAML of golden files and attack cases writes them. */
import { Redacted } from '../../../src/lib/redacted.js';
import type {
  Access,
  Api,
  Backend,
  BackendSignature,
  CallerKey,
  Environment,
  EnvironmentMatch,
  Grant,
  Group,
  Model,
  PathMatch,
  Plan,
  Quota,
  RateLimit,
  Rewrite,
  Route,
  Target,
} from '../../../src/model/model.js';
import type { VerificationOptions } from '../../../src/signature/dialect.js';
import { DEFAULT_VERIFICATION } from '../../../src/signature/options.js';

export interface ModelInput {
  readonly callerKeys?: readonly CallerKeyInput[];
  readonly groups?: readonly GroupInput[];
  readonly grants?: readonly GrantInput[];
  readonly plans?: readonly PlanInput[];
}

export interface CallerKeyInput extends Partial<Pick<CallerKey, 'identity' | 'state'>> {
  /** `namespace/name` */
  readonly key: string;
  readonly keyId: string;
  /** Absent: not ready. */
  readonly secret?: string;
  readonly previous?: { readonly secret: string; readonly notAfter?: string };
  readonly notBefore?: string;
  readonly expiration?: string;
  /** Absent: all. */
  readonly admits?: readonly string[];
}

interface SettingsInput {
  readonly access?: Partial<Access>;
  readonly verification?: Partial<VerificationOptions>;
  readonly backend?: Partial<Backend>;
  readonly backendSignature?: BackendSignatureInput;
  readonly route?: string;
}

export interface GroupInput extends SettingsInput {
  /** `namespace/name` */
  readonly key: string;
  readonly basePath?: string;
  readonly errors?: Group['errors'];
  readonly environments: readonly EnvironmentInput[];
}

export interface EnvironmentInput extends SettingsInput {
  readonly name: string;
  readonly state?: Environment['state'];
  readonly default?: boolean;
  readonly match?: EnvironmentMatch;
  readonly apis?: readonly ApiInput[];
}

export interface ApiInput extends SettingsInput {
  readonly name: string;
  readonly path: PathMatch;
  readonly methods?: readonly string[];
  readonly state?: Api['state'];
  readonly rewrite?: Partial<Rewrite>;
}

export interface BackendSignatureInput extends Partial<Pick<BackendSignature, 'dialect' | 'aesAlgorithm'>> {
  readonly key?: string;
  readonly type: BackendSignature['type'];
  /** Absent with `secret`: the material is missing. */
  readonly keyId?: string;
  readonly secret?: string;
  readonly previous?: { readonly secret: string; readonly notAfter?: string };
  readonly notBefore?: string;
  readonly expiration?: string;
}

export interface TargetInput {
  readonly group: string;
  readonly environment: string;
  readonly apis: '*' | readonly string[];
}

export interface GrantInput {
  readonly key: string;
  readonly callerKeys: readonly string[];
  readonly targets: readonly TargetInput[];
  readonly expiration?: string;
}

export interface PlanInput extends Partial<
  Pick<Plan, 'planId' | 'valid' | 'enforcement' | 'onStoreFailure' | 'responseHeaders' | 'createdMs'>
> {
  readonly key: string;
  readonly rateLimits?: readonly RateLimit[];
  readonly quotas?: readonly Quota[];
  readonly callerKeys: readonly string[];
  readonly targets: readonly TargetInput[];
}

const timeOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text));
const namespaceOf = (key: string): string => key.split('/')[0]!;
const nameOf = (key: string): string => key.split('/')[1]!;

const secretOf = (input: { readonly secret: string; readonly notAfter?: string }) => ({
  secret: new Redacted(input.secret),
  ...(input.notAfter === undefined ? {} : { notAfterMs: Date.parse(input.notAfter) }),
});

function callerKeyOf(input: CallerKeyInput): CallerKey {
  return {
    key: input.key,
    namespace: namespaceOf(input.key),
    keyId: input.keyId,
    identity: input.identity ?? 'SignatureKeyPair',
    state: input.state ?? 'Enabled',
    notBeforeMs: timeOf(input.notBefore),
    expirationMs: timeOf(input.expiration),
    secrets:
      input.secret === undefined
        ? []
        : [secretOf({ secret: input.secret }), ...(input.previous ? [secretOf(input.previous)] : [])],
    admits: input.admits ? { all: false, namespaces: new Set(input.admits) } : { all: true },
  };
}

export const BACKEND: Backend = {
  id: 'backend',
  description: 'team/orders:8080',
  endpoints: [{ host: '127.0.0.1', port: 8080 }],
  tls: undefined,
  protocol: 'HTTP1',
  host: { type: 'Preserve' },
  headers: [],
};

export const VERIFICATION: VerificationOptions = {
  ...DEFAULT_VERIFICATION,
  dialects: ['Huawei', 'JDCloud', 'Tencent'],
};

const ACCESS: Access = {
  authentication: 'Signature',
  authorization: 'Enabled',
  usagePlan: 'Optional',
  sourceRanges: undefined,
};

function backendSignatureOf(input: BackendSignatureInput): BackendSignature {
  const { keyId, secret, previous } = input;
  return {
    key: input.key ?? 'team/backend-key',
    type: input.type,
    dialect: input.dialect,
    aesAlgorithm: input.aesAlgorithm,
    material:
      keyId === undefined || secret === undefined
        ? undefined
        : {
            keyId: new Redacted(keyId),
            secret: new Redacted(secret),
            previous: previous ? secretOf(previous) : undefined,
          },
    notBeforeMs: timeOf(input.notBefore),
    expirationMs: timeOf(input.expiration),
  };
}

function groupOf(group: GroupInput): Group {
  return {
    key: group.key,
    namespace: namespaceOf(group.key),
    name: nameOf(group.key),
    hostnames: ['api.example.com'],
    basePath: group.basePath ?? '/',
    errors: group.errors ?? 'Uniform',
    cors: undefined,
    environments: group.environments.map((environment) => environmentOf(group, environment)),
  };
}

function environmentOf(group: GroupInput, environment: EnvironmentInput): Environment {
  const merged = (api: ApiInput | undefined) => ({
    access: { ...ACCESS, ...group.access, ...environment.access, ...api?.access },
    verification: { ...VERIFICATION, ...group.verification, ...environment.verification, ...api?.verification },
    backend: { ...BACKEND, ...group.backend, ...environment.backend, ...api?.backend },
    backendSignature: api?.backendSignature ?? environment.backendSignature ?? group.backendSignature,
  });
  const routeOf = (settings: ReturnType<typeof merged>, id: string): Route => ({
    id,
    group: group.key,
    environment: environment.name,
    backend: settings.backend,
    maxBodyBytes: settings.verification.body === 'Streamed' ? undefined : settings.verification.maxBodyBytes,
    timeoutMs: 15_000,
  });
  const environmentRoute = environment.route ?? `${nameOf(group.key)}-${environment.name}`;
  const own = merged(undefined);
  return {
    name: environment.name,
    state: environment.state ?? 'Released',
    isDefault: environment.default ?? false,
    match: environment.match ?? { type: 'PathPrefix', value: environment.name },
    route: routeOf(own, environmentRoute),
    verification: own.verification,
    apis: (environment.apis ?? []).map((api): Api => {
      const settings = merged(api);
      return {
        name: api.name,
        match: { path: api.path, methods: api.methods },
        state: api.state ?? 'Released',
        access: settings.access,
        verification: settings.verification,
        rewrite: api.rewrite && { path: undefined, method: undefined, setHeaders: [], ...api.rewrite },
        backendSignature: settings.backendSignature && backendSignatureOf(settings.backendSignature),
        route: routeOf(settings, api.route ?? environmentRoute),
      };
    }),
  };
}

const targetOf = ({ group, environment, apis }: TargetInput): Target => ({
  group,
  environment,
  apis: apis === '*' ? '*' : new Set(apis),
});

const grantOf = ({ key, callerKeys, targets, expiration }: GrantInput): Grant => ({
  key,
  namespace: namespaceOf(key),
  callerKeys,
  targets: targets.map(targetOf),
  expirationMs: timeOf(expiration),
});

const planOf = (plan: PlanInput): Plan => ({
  key: plan.key,
  namespace: namespaceOf(plan.key),
  name: nameOf(plan.key),
  planId: plan.planId ?? `plan-${nameOf(plan.key)}`,
  valid: plan.valid ?? true,
  enforcement: plan.enforcement ?? 'Enforce',
  onStoreFailure: plan.onStoreFailure ?? { rate: 'LocalFallback', quota: 'Deny' },
  responseHeaders: plan.responseHeaders ?? [],
  rateLimits: plan.rateLimits ?? [],
  quotas: plan.quotas ?? [],
  callerKeys: plan.callerKeys,
  targets: plan.targets.map(targetOf),
  ...(plan.createdMs !== undefined && { createdMs: plan.createdMs }),
});

/** The model that the short form means. */
export const buildModel = ({ callerKeys = [], groups = [], grants = [], plans = [] }: ModelInput): Model => ({
  callerKeys: callerKeys.map(callerKeyOf),
  groups: groups.map(groupOf),
  grants: grants.map(grantOf),
  plans: plans.map(planOf),
});
