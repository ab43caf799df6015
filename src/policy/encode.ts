/**
 * Model → policy resources: canonical JSON, one resource per key, group, grant and plan, with content hashes as
 * versions. Secrets are in Key and Group only. A member of the model that did not change keeps its bytes.
 */
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { hexHash, stableStringify } from '../lib/stable-hash.js';
import type {
  AdmittedNamespaces,
  Api,
  Backend,
  BackendSignature,
  CallerKey,
  Grant,
  Group,
  KeySecret,
  Model,
  Plan,
  Route,
  Target,
} from '../model/model.js';
import type { Resources, VersionedResource } from '../xds/snapshot.js';
import { GRANT_TYPE, GROUP_TYPE, KEY_TYPE, PLAN_TYPE } from './resource-types.js';

/** Least reader of what this version writes. */
const MIN_READER = 1;

/** Everything but the epoch. */
export function encodePolicy(model: Model): Resources {
  return new Map([
    [KEY_TYPE, encodeKeys(model.callerKeys)],
    [GROUP_TYPE, encodeGroups(model.groups)],
    [GRANT_TYPE, encodeGrants(model.grants)],
    [PLAN_TYPE, encodePlans(model.plans)],
  ]);
}

/** What a backend key is to the groups that bind it, as a hash: changes when key or secret change, not when groups do. */
export function backendSignatureVersion(signature: BackendSignature): string {
  let version = signatureVersions.get(signature);
  if (version === undefined) {
    version = hexHash(stableStringify(signatureFields(signature)), VERSION_LENGTH);
    signatureVersions.set(signature, version);
  }
  return version;
}

const VERSION_LENGTH = 32;
const signatureVersions = new WeakMap<BackendSignature, string>();
/** By member of the model: translation keeps the identity of what did not change. */
const encoded = new WeakMap<object, VersionedResource>();

export function encodeResource(typeUrl: string, fields: object): VersionedResource {
  const value = new TextEncoder().encode(stableStringify({ minReader: MIN_READER, ...fields }));
  return { version: policyVersion(value), resource: create(AnySchema, { typeUrl, value }) };
}

/** Content hash of a resource's bytes. The reader compares: what it holds is what was sent. */
export const policyVersion = (value: Uint8Array): string => hexHash(value, VERSION_LENGTH);

type ByName = ReadonlyMap<string, VersionedResource>;

/** The same list gives the same map, so that whoever reads maps need not look into those that stayed. */
function encoderOf<T extends { readonly key: string }>(
  typeUrl: string,
  fieldsOf: (member: T) => object,
): (members: readonly T[]) => ByName {
  const maps = new WeakMap<readonly T[], ByName>();
  return (members) => {
    const known = maps.get(members);
    if (known) return known;
    const byName = new Map<string, VersionedResource>();
    for (const member of members) {
      let resource = encoded.get(member);
      if (!resource) encoded.set(member, (resource = encodeResource(typeUrl, fieldsOf(member))));
      byName.set(member.key, resource);
    }
    maps.set(members, byName);
    return byName;
  };
}

const keyFields = ({ keyId, identity, state, notBeforeMs, expirationMs, secrets, admits }: CallerKey) => ({
  keyId,
  identity,
  state,
  notBeforeMs,
  expirationMs,
  secrets: secrets.map(secretFields),
  admits: admitsField(admits),
});

const secretFields = ({ secret, notAfterMs }: KeySecret) => ({ secret: secret.reveal(), notAfterMs });

const admitsField = (admits: AdmittedNamespaces): '*' | string[] => (admits.all ? '*' : [...admits.namespaces].sort());

const targetFields = ({ group, environment, apis }: Target) => ({
  group,
  environment,
  apis: apis === '*' ? apis : [...apis].sort(),
});

const grantFields = ({ callerKeys, targets, expirationMs }: Grant) => ({
  callerKeys,
  targets: targets.map(targetFields),
  expirationMs,
});

const planFields = ({ key: _key, namespace: _namespace, name: _name, targets, ...plan }: Plan) => ({
  ...plan,
  targets: targets.map(targetFields),
});

/** APIs share most of their settings: equal ones are written once, APIs hold their index. */
class Pool<T> {
  readonly list: object[] = [];
  readonly #byValue = new Map<T, number>();
  readonly #byText = new Map<string, number>();

  constructor(readonly fieldsOf: (value: T) => object) {}

  indexOf(value: T): number {
    let index = this.#byValue.get(value);
    if (index !== undefined) return index;
    const fields = this.fieldsOf(value);
    const text = stableStringify(fields);
    index = this.#byText.get(text);
    if (index === undefined) {
      index = this.list.push(fields) - 1;
      this.#byText.set(text, index);
    }
    this.#byValue.set(value, index);
    return index;
  }
}

/** Of a backend only what signing needs; addresses and TLS are Envoy's. */
const backendFields = ({ id, host, headers }: Backend) => ({ id, host, headers });

/** Of a route what authorizers need; its group is the one it is written in. */
export const routeFields = ({ id, environment, backend, maxBodyBytes, timeoutMs }: Route) => ({
  id,
  environment,
  backend: backend && backendFields(backend),
  maxBodyBytes,
  timeoutMs,
});

const signatureFields = ({ material, ...signature }: BackendSignature) => ({
  ...signature,
  material: material && {
    keyId: material.keyId.reveal(),
    secret: material.secret.reveal(),
    previous: material.previous && secretFields(material.previous),
  },
});

function groupFields({ hostnames, basePath, errors, environments }: Group) {
  const routes = new Pool(routeFields);
  const verifications = new Pool((value: Api['verification']) => value);
  const accesses = new Pool((value: Api['access']) => value);
  const signatures = new Pool(signatureFields);
  const apiFields = ({ name, match, state, access, verification, rewrite, backendSignature, route }: Api) => ({
    name,
    match,
    state,
    access: accesses.indexOf(access),
    verification: verifications.indexOf(verification),
    rewrite,
    backendSignature: backendSignature && signatures.indexOf(backendSignature),
    route: routes.indexOf(route),
  });
  const written = environments.map(({ name, state, isDefault, match, apis, route, verification }) => ({
    name,
    state,
    isDefault,
    match,
    verification: verifications.indexOf(verification),
    route: routes.indexOf(route),
    apis: apis.map(apiFields),
  }));
  return {
    hostnames,
    basePath,
    errors,
    environments: written,
    routes: routes.list,
    verifications: verifications.list,
    accesses: accesses.list,
    signatures: signatures.list,
  };
}

const encodeKeys = encoderOf(KEY_TYPE, keyFields);
const encodeGroups = encoderOf(GROUP_TYPE, groupFields);
const encodeGrants = encoderOf(GRANT_TYPE, grantFields);
const encodePlans = encoderOf(PLAN_TYPE, planFields);
