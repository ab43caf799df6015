/**
 * Policy resources → members of the model, every field checked. What cannot be read is refused with a message that
 * holds no value of the resource. What only Envoy needs (addresses, TLS, CORS) comes back empty.
 */
import { Redacted } from '../lib/redacted.js';
import type {
  Access,
  AdmittedNamespaces,
  Api,
  Backend,
  BackendSignature,
  CallerKey,
  Environment,
  EnvironmentMatch,
  Grant,
  Group,
  KeySecret,
  LimitScope,
  PathMatch,
  Plan,
  Quota,
  RateLimit,
  Rewrite,
  Route,
  StoreFailurePolicy,
  Target,
} from '../model/model.js';
import { REFUSING } from '../model/model.js';
import { DIALECTS } from '../signature/dialects.js';
import { Fields, Malformed, type Words } from './fields.js';
import { READER } from './resource-types.js';

export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

type Verification = Api['verification'];

/** Runs `read` over the bytes of a resource. `minReader` is judged before anything else. */
function decode<T>(bytes: Uint8Array, read: (fields: Fields) => T): Decoded<T> {
  try {
    const fields = new Fields(parse(bytes));
    const minReader = fields.count('minReader');
    if (minReader > READER)
      return { ok: false, error: `needs a reader of form ${minReader}, this one reads ${READER}` };
    return { ok: true, value: read(fields) };
  } catch (error) {
    if (error instanceof Malformed) return { ok: false, error: error.message };
    throw error;
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // The parser's own message quotes the text, which may be a secret.
    throw new Malformed('not JSON');
  }
}

/** `namespace/name` */
function nameParts(key: string): { readonly namespace: string; readonly name: string } {
  const [namespace = '', name = '', ...more] = key.split('/');
  if (namespace === '' || name === '' || more.length > 0) throw new Malformed('the name is not namespace/name');
  return { namespace, name };
}

const STATES: Words<'Enabled' | 'Disabled'> = { Enabled: true, Disabled: true };
const RELEASES: Words<Environment['state']> = { Released: true, Offline: true };
const API_STATES: Words<Api['state']> = { ...RELEASES, Refused: true };
const IDENTITIES: Words<CallerKey['identity']> = { SignatureKeyPair: true, UserAccessKey: true };

export const decodeKey = (key: string, bytes: Uint8Array): Decoded<CallerKey> =>
  decode(bytes, (fields) => ({
    key,
    namespace: nameParts(key).namespace,
    keyId: fields.text('keyId'),
    identity: fields.word('identity', IDENTITIES),
    state: fields.word('state', STATES),
    notBeforeMs: optionalCount(fields, 'notBeforeMs'),
    expirationMs: optionalCount(fields, 'expirationMs'),
    secrets: fields.objects('secrets').map(readSecret),
    admits: readAdmits(fields.textsOrAll('admits')),
  }));

const optionalCount = (fields: Fields, name: string): number | undefined =>
  fields.optional(name, () => fields.count(name));
const optionalText = (fields: Fields, name: string): string | undefined =>
  fields.optional(name, () => fields.text(name));

function readSecret(fields: Fields): KeySecret {
  const notAfterMs = optionalCount(fields, 'notAfterMs');
  return { secret: new Redacted(fields.text('secret')), ...(notAfterMs === undefined ? {} : { notAfterMs }) };
}

const readAdmits = (value: '*' | readonly string[]): AdmittedNamespaces =>
  value === '*' ? { all: true } : { all: false, namespaces: new Set(value) };

function readTarget(fields: Fields): Target {
  const apis = fields.textsOrAll('apis');
  return {
    group: fields.text('group'),
    environment: fields.text('environment'),
    apis: apis === '*' ? apis : new Set(apis),
  };
}

export const decodeGrant = (key: string, bytes: Uint8Array): Decoded<Grant> =>
  decode(bytes, (fields) => ({
    key,
    namespace: nameParts(key).namespace,
    callerKeys: fields.texts('callerKeys'),
    targets: fields.objects('targets').map(readTarget),
    expirationMs: optionalCount(fields, 'expirationMs'),
  }));

const SCOPES: Words<LimitScope> = { Key: true, KeyAndApi: true, Plan: true };
const POLICIES: Words<StoreFailurePolicy> = { Deny: true, Allow: true, LocalFallback: true };
const PERIODS: Words<Quota['period']> = { Day: true, Week: true, Month: true, Total: true };
const ENFORCEMENTS: Words<Plan['enforcement']> = { Enforce: true, Shadow: true };
const LIMIT_HEADERS: Words<Plan['responseHeaders'][number]> = { Tencent: true, XRateLimit: true, IETF: true };

export const decodePlan = (key: string, bytes: Uint8Array): Decoded<Plan> =>
  decode(bytes, (fields) => {
    const failure = fields.object('onStoreFailure');
    return {
      key,
      ...nameParts(key),
      planId: fields.text('planId'),
      valid: fields.flag('valid'),
      enforcement: fields.word('enforcement', ENFORCEMENTS),
      onStoreFailure: { rate: failure.word('rate', POLICIES), quota: failure.word('quota', POLICIES) },
      responseHeaders: fields.words('responseHeaders', LIMIT_HEADERS),
      rateLimits: fields.objects('rateLimits').map(readRateLimit),
      quotas: fields.objects('quotas').map(readQuota),
      ...readBindings(fields),
      ...(fields.has('createdMs') && { createdMs: fields.count('createdMs') }),
    };
  });

const readBindings = (fields: Fields): Pick<Plan, 'callerKeys' | 'targets'> => ({
  callerKeys: fields.texts('callerKeys'),
  targets: fields.objects('targets').map(readTarget),
});

/**
 * A plan that cannot be read must not leave its callers unlimited. Its bindings keep their form for ever, so that
 * an older reader knows whom it covers: they answer `usage_plan_invalid`. `undefined` = not even they can be read.
 */
export function refusedPlan(key: string, bytes: Uint8Array): Plan | undefined {
  try {
    return {
      key,
      ...nameParts(key),
      planId: '',
      ...REFUSING,
      ...readBindings(new Fields(parse(bytes))),
    };
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

const positive = (fields: Fields, name: string): number => {
  const value = fields.count(name);
  if (value === 0) throw new Malformed(`${name}: must be more than 0`);
  return value;
};

const readRateLimit = (fields: Fields): RateLimit => ({
  name: fields.text('name'),
  // 0 is a limit that admits nothing.
  requests: fields.count('requests'),
  intervalMs: positive(fields, 'intervalMs'),
  burst: fields.count('burst'),
  scope: fields.word('scope', SCOPES),
});

const readQuota = (fields: Fields): Quota => ({
  name: fields.text('name'),
  requests: fields.count('requests'),
  period: fields.word('period', PERIODS),
  timeZone: fields.text('timeZone'),
  scope: fields.word('scope', SCOPES),
});

const DIALECT_NAMES = Object.fromEntries(DIALECTS.map(({ name }) => [name, true])) as Words<
  Verification['dialects'][number]
>;
const ALGORITHMS: Words<Verification['algorithms'][number]> = {
  HMACSHA1: true,
  HMACSHA256: true,
  HMACSHA384: true,
  HMACSHA512: true,
};
const COMPATIBILITIES: Words<Verification['compatibility']> = { Vendor: true, Strict: true, Lenient: true };
const DATE_ONLY: Words<Verification['dateOnly']> = { Checked: true, Allow: true, Deny: true };
const BODIES: Words<Verification['body']> = { Declared: true, Signed: true, Streamed: true };
const REPLAY_PROTECTIONS: Words<Verification['replayProtection']> = { Nonce: true, Signature: true, Disabled: true };
const REPLAY_FAILURES: Words<Verification['replayStoreFailure']> = { LocalFallback: true, Deny: true };

const readVerification = (fields: Fields): Verification => ({
  dialects: fields.words('dialects', DIALECT_NAMES),
  compatibility: fields.word('compatibility', COMPATIBILITIES),
  algorithms: fields.words('algorithms', ALGORITHMS),
  maxClockSkewMs: positive(fields, 'maxClockSkewMs'),
  dateOnly: fields.word('dateOnly', DATE_ONLY),
  body: fields.word('body', BODIES),
  requiredSignedHeaders: fields.texts('requiredSignedHeaders'),
  replayProtection: fields.word('replayProtection', REPLAY_PROTECTIONS),
  replayStoreFailure: fields.word('replayStoreFailure', REPLAY_FAILURES),
  maxBodyBytes: positive(fields, 'maxBodyBytes'),
});

const AUTHENTICATIONS: Words<Access['authentication']> = { Signature: true, None: true };
const USAGE_PLANS: Words<Access['usagePlan']> = { Optional: true, Required: true };

const readAccess = (fields: Fields): Access => ({
  authentication: fields.word('authentication', AUTHENTICATIONS),
  authorization: fields.word('authorization', STATES),
  usagePlan: fields.word('usagePlan', USAGE_PLANS),
  sourceRanges: fields.optional('sourceRanges', (name) => {
    const ranges = fields.object(name);
    return { allow: ranges.texts('allow'), deny: ranges.texts('deny') };
  }),
});

const BACKEND_TYPES: Words<BackendSignature['type']> = { HMAC: true, Basic: true, AES: true };
const AES_ALGORITHMS: Words<NonNullable<BackendSignature['aesAlgorithm']>> = { AES128CFB: true, AES256CFB: true };

const readSignature = (fields: Fields): BackendSignature => ({
  key: fields.text('key'),
  type: fields.word('type', BACKEND_TYPES),
  dialect: fields.optional('dialect', (name) => fields.word(name, DIALECT_NAMES)),
  aesAlgorithm: fields.optional('aesAlgorithm', (name) => fields.word(name, AES_ALGORITHMS)),
  material: fields.optional('material', (name) => {
    const material = fields.object(name);
    return {
      keyId: new Redacted(material.text('keyId')),
      secret: new Redacted(material.text('secret')),
      previous: material.optional('previous', () => readSecret(material.object('previous'))),
    };
  }),
  notBeforeMs: optionalCount(fields, 'notBeforeMs'),
  expirationMs: optionalCount(fields, 'expirationMs'),
});

const BACKEND_HEADERS: Words<Backend['headers'][number]> = { Tencent: true };
const HOSTS: Words<Backend['host']['type']> = { Preserve: true, Fixed: true };

function readBackend(fields: Fields): Backend {
  const host = fields.object('host');
  return {
    id: fields.text('id'),
    host: host.word('type', HOSTS) === 'Fixed' ? { type: 'Fixed', value: host.text('value') } : { type: 'Preserve' },
    headers: fields.words('headers', BACKEND_HEADERS),
    description: '',
    endpoints: [],
    tls: undefined,
    protocol: 'HTTP1',
  };
}

const readRoute =
  (group: string) =>
  (fields: Fields): Route => ({
    id: fields.text('id'),
    group,
    environment: fields.text('environment'),
    backend: fields.optional('backend', (name) => readBackend(fields.object(name))),
    maxBodyBytes: optionalCount(fields, 'maxBodyBytes'),
    timeoutMs: fields.count('timeoutMs'),
  });

const PATHS: Words<PathMatch['type']> = { Exact: true, Template: true, Prefix: true };
const MATCHES: Words<EnvironmentMatch['type']> = { PathPrefix: true, Header: true, Hostname: true };
const ERRORS: Words<Group['errors']> = { Vendor: true, Uniform: true };

const readRewrite = (fields: Fields): Rewrite => ({
  path: optionalText(fields, 'path'),
  method: optionalText(fields, 'method'),
  setHeaders: readPairs(fields, 'setHeaders'),
});

function readPairs(fields: Fields, name: string): Rewrite['setHeaders'] {
  return fields.lists(name).map((pair) => {
    const [first, second] = pair;
    if (pair.length !== 2 || typeof first !== 'string' || typeof second !== 'string')
      throw new Malformed(`${name}: not pairs of texts`);
    return [first, second];
  });
}

interface Tables {
  readonly routes: readonly Route[];
  readonly verifications: readonly Verification[];
  readonly accesses: readonly Access[];
  readonly signatures: readonly BackendSignature[];
}

function readApi(fields: Fields, tables: Tables): Api {
  const match = fields.object('match');
  const path = match.object('path');
  return {
    name: fields.text('name'),
    match: {
      path: { type: path.word('type', PATHS), value: path.text('value') },
      methods: match.optional('methods', (name) => match.texts(name)),
    },
    state: fields.word('state', API_STATES),
    access: fields.entry('access', tables.accesses),
    verification: fields.entry('verification', tables.verifications),
    rewrite: fields.optional('rewrite', (name) => readRewrite(fields.object(name))),
    backendSignature: fields.optional('backendSignature', (name) => fields.entry(name, tables.signatures)),
    route: fields.entry('route', tables.routes),
  };
}

function readEnvironment(fields: Fields, tables: Tables): Environment {
  const match = fields.object('match');
  return {
    name: fields.text('name'),
    state: fields.word('state', RELEASES),
    isDefault: fields.flag('isDefault'),
    match: { type: match.word('type', MATCHES), value: match.text('value') },
    verification: fields.entry('verification', tables.verifications),
    route: fields.entry('route', tables.routes),
    apis: fields.objects('apis').map((api) => readApi(api, tables)),
  };
}

export const decodeGroup = (key: string, bytes: Uint8Array): Decoded<Group> =>
  decode(bytes, (fields) => {
    const tables: Tables = {
      routes: fields.objects('routes').map(readRoute(key)),
      verifications: fields.objects('verifications').map(readVerification),
      accesses: fields.objects('accesses').map(readAccess),
      signatures: fields.objects('signatures').map(readSignature),
    };
    return {
      key,
      ...nameParts(key),
      // Not written by the first version: without them no path is held against those of other groups.
      hostnames: fields.optional('hostnames', (name) => fields.texts(name)) ?? [],
      basePath: fields.text('basePath'),
      errors: fields.word('errors', ERRORS),
      cors: undefined,
      environments: fields.objects('environments').map((environment) => readEnvironment(environment, tables)),
    };
  });

/** Closes a change. */
export interface Epoch {
  /** Over types, names and versions of all content. */
  readonly hash: string;
  /** Grows with every change; an authorizer takes none that is lower than what it has seen. */
  readonly revision: number;
  /** Resources by type URL. */
  readonly counts: Readonly<Record<string, number>>;
  /** Authorizers that share the limits while the counter store is away. */
  readonly authorizers: number;
  /** Every Envoy holds the routes of this revision: what only earlier ones had may go. */
  readonly routesHeld: boolean;
  /** Routes, or APIs under them, that Envoys may still have though the content has them no more. Ignored by the first version. */
  readonly retired?: readonly RetiredRoute[];
}

export interface RetiredRoute {
  readonly route: Route;
  /** Names of the APIs that were under it. */
  readonly apis: readonly string[];
}

const readRetired = (fields: Fields): RetiredRoute => ({
  route: readRoute(fields.text('group'))(fields),
  apis: fields.texts('apis'),
});

export const decodeEpoch = (bytes: Uint8Array, types: readonly string[]): Decoded<Epoch> =>
  decode(bytes, (fields) => {
    const counts = fields.object('counts');
    return {
      hash: fields.text('hash'),
      revision: fields.count('revision'),
      counts: Object.fromEntries(types.map((type) => [type, counts.count(type)])),
      authorizers: fields.count('authorizers'),
      routesHeld: fields.flag('routesHeld'),
      retired: fields.optional('retired', (name) => fields.objects(name).map(readRetired)) ?? [],
    };
  });
