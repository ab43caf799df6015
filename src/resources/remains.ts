/**
 * What can still be read of an object that is refused and has no version before: a plan whose callers would be
 * unlimited without it, a group whose base path would fall to the group around it.
 * Where a part cannot be read it stands for everything that it could have named.
 */
import { nearest } from '../api/did-you-mean.js';
import type { UsagePlanKeys } from '../api/types.js';
import { stableHash } from '../lib/stable-hash.js';
import { isRecord } from './core-resources.js';

export interface PlanRemains {
  readonly kind: 'UsagePlan';
  readonly namespace: string;
  /** Made up where the object has none that can be used. */
  readonly name: string;
  readonly unnamed?: true;
  /** `undefined` = every key that admits the namespace. */
  readonly keys: UsagePlanKeys | undefined;
  /** `undefined` = every API of every group of the namespace. */
  readonly targets: readonly TargetRemains[] | undefined;
  /** Where age decides between plans (a folder): when it was first seen. */
  readonly createdMs?: number;
}

export interface TargetRemains {
  readonly apiGroup: string;
  /** `undefined` = all. */
  readonly environment: string | undefined;
  /** `undefined` = all; `*` alone as well. */
  readonly apis: readonly string[] | undefined;
}

export interface GroupRemains {
  readonly kind: 'ApiGroup';
  readonly namespace: string;
  readonly name: string;
  readonly createdMs: number | undefined;
  /** Its own and those of its environments, as far as they can be read. */
  readonly hostnames: readonly string[];
  /** Some cannot: any hostname that groups of the namespace serve may have been meant. */
  readonly unreadHostnames?: true;
  readonly basePath: string;
}

export type Remains = PlanRemains | GroupRemains;

type Fields = Readonly<Record<string, unknown>>;

/** `undefined` for kinds that refuse by being absent, and for what holds nothing that could be in force. */
export function remainsOf(raw: unknown): Remains | undefined {
  const { kind, metadata, spec } = fieldsOf(raw);
  if (kind !== 'UsagePlan' && kind !== 'ApiGroup') return undefined;
  const { namespace = 'default', name: written, creationTimestamp } = fieldsOf(metadata);
  if (!isName(namespace)) return undefined;
  const name = isName(written) ? written : `unnamed-${stableHash(raw, UNNAMED_LENGTH)}`;
  return kind === 'UsagePlan'
    ? planRemains(namespace, name, !isName(written), fieldsOf(spec))
    : groupRemains(namespace, name, creationTimestamp, fieldsOf(spec));
}

const fieldsOf = (value: unknown): Fields => (isRecord(value) ? value : {});

/** Whether a record holds these fields alone; a misspelt one may have meant anything. */
const holdsOnly = (fields: Fields, ...names: readonly string[]): boolean =>
  Object.keys(fields).every((name) => names.includes(name));

/** Names in messages between processes: anything else could be taken for another object. */
const isName = (value: unknown): value is string =>
  isText(value) && value.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(value);
const UNNAMED_LENGTH = 16;

const isText = (value: unknown): value is string => typeof value === 'string';
const isOptionalText = (value: unknown): boolean => value === undefined || isText(value);

function planRemains(
  namespace: string,
  name: string,
  unnamed: boolean,
  { state, keys, targets }: Fields,
): PlanRemains | undefined {
  // Its owner has unbound it.
  if (state === 'Disabled') return undefined;
  const read = Array.isArray(targets) && targets.length > 0 ? targets.map(readTarget) : [undefined];
  return {
    kind: 'UsagePlan',
    namespace,
    name,
    ...(unnamed ? { unnamed } : {}),
    keys: areKeys(keys) ? keys : undefined,
    targets: read.every((target) => target !== undefined) ? read : undefined,
  };
}

function areKeys(keys: unknown): keys is UsagePlanKeys {
  if (!isRecord(keys) || !holdsOnly(keys, 'refs', 'ids', 'selector')) return false;
  const { refs = [], ids = [], selector } = keys;
  if (!Array.isArray(refs) || !Array.isArray(ids) || refs.length + ids.length + (selector ? 1 : 0) === 0) return false;
  const { matchLabels } = fieldsOf(selector);
  return (
    refs.map(fieldsOf).every((ref) => holdsOnly(ref, 'name', 'namespace') && isText(ref['name']) && namesOwner(ref)) &&
    ids
      .map(fieldsOf)
      .every((id) => holdsOnly(id, 'keyID', 'pairID', 'namespace') && namesOneId(id) && namesOwner(id)) &&
    (selector === undefined || (isRecord(matchLabels) && Object.values(matchLabels).every(isText)))
  );
}

const namesOwner = ({ namespace }: Fields): boolean => isOptionalText(namespace);
const namesOneId = ({ keyID, pairID }: Fields): boolean =>
  isOptionalText(keyID) && isOptionalText(pairID) && (keyID === undefined) !== (pairID === undefined);

function readTarget(target: unknown): TargetRemains | undefined {
  const { apiGroup, environment, apis } = fieldsOf(target);
  if (!isText(apiGroup)) return undefined;
  return {
    apiGroup,
    environment: isText(environment) ? environment : undefined,
    apis: Array.isArray(apis) && apis.length > 0 && apis.every(isText) ? apis : undefined,
  };
}

const HOSTNAME = /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** What a request's path can hold in a segment; the guard refuses all else before any group is asked. */
const BASE_PATH = /^(\/(?!\.{1,2}(\/|$))([A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})+)*$/;

/** A port or a scheme beside it is a mistake with one meaning. */
function readHostname(written: unknown): string | undefined {
  if (!isText(written)) return undefined;
  const hostname = written.toLowerCase().replace(/^https?:\/\/|:[0-9]+\/?$|\/$/g, '');
  return HOSTNAME.test(hostname) ? hostname : undefined;
}

/** A field under its name, or under one that is a slip of it. */
const meantBy = (fields: Fields, name: string): unknown =>
  fields[name] ?? Object.entries(fields).find(([field]) => nearest(field, GROUP_FIELDS) === name)?.[1];
/** What slips are told apart by. */
const GROUP_FIELDS = ['hostnames', 'basePath', 'environments', 'apis', 'backend', 'backends'];

/** `undefined` where no request could have belonged to it. */
function groupRemains(namespace: string, name: string, created: unknown, spec: Fields): GroupRemains | undefined {
  const { environments } = spec;
  const [hostnames, basePath = '/'] = [meantBy(spec, 'hostnames'), meantBy(spec, 'basePath')];
  const chosen = (Array.isArray(environments) ? environments : []).map((environment) => {
    const { type, value } = fieldsOf(fieldsOf(environment)['match']);
    return type === 'Hostname' ? value : undefined;
  });
  const written: readonly unknown[] = [
    ...(Array.isArray(hostnames) ? (hostnames as unknown[]) : [hostnames]),
    ...chosen.filter((hostname) => hostname !== undefined),
  ];
  const names = written.map(readHostname);
  const isRead = Array.isArray(spec['hostnames']) && spec['hostnames'].length > 0 && !names.includes(undefined);
  if (!isText(basePath)) return undefined;
  // `orders/` is a mistake with one meaning.
  const path = basePath
    .split('/')
    .filter((segment) => segment !== '')
    .map((segment) => `/${segment}`)
    .join('');
  if (!BASE_PATH.test(path)) return undefined;
  const createdMs = isText(created) ? Date.parse(created) : Number.NaN;
  return {
    kind: 'ApiGroup',
    namespace,
    name,
    createdMs: Number.isNaN(createdMs) ? undefined : createdMs,
    hostnames: [...new Set(names)].filter((hostname) => hostname !== undefined),
    ...(isRead ? {} : { unreadHostnames: true }),
    basePath: path === '' ? '/' : path,
  };
}
