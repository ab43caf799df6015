/**
 * The objects of a cluster, mirrored by watches: our kinds, Secrets of our type, the CA Secrets that groups name,
 * Services, and Namespaces for their labels. Publishes after everything has been listed once, then changes.
 */
import type { ObjectReference } from '../../api/problem.js';
import { KEY_SECRET_TYPE, KINDS } from '../../api/types.js';
import {
  type AnyKind,
  type AnyResource,
  EMPTY_RESOURCES,
  type ResourceSet,
  withRemains,
} from '../../resources/resource-set.js';
import type { SecretResource } from '../../resources/core-resources.js';
import type { InputProblem, Provider, Publication } from '../provider.js';
import { type AuthoritySecretName, authoritySecretNames } from './authority-secrets.js';
import { createForeignSecrets } from './foreign-secrets.js';
import type { KubeApi, RawObject } from './kube-api.js';
import { createReflector, type Reflector, type ReflectorTiming, type WatchIncident } from './reflector.js';
import { NAMESPACE, OUR_TYPES, type ResourceType, SECRET, SERVICE } from './resource-types.js';
import {
  type LiveObject,
  readAuthoritySecret,
  readStored,
  referenceOf,
  type StoredObject,
  writtenMsOf,
} from './stored-objects.js';

export interface KubernetesProviderOptions {
  readonly api: KubeApi;
  /** Only these are watched; absent = the whole cluster. */
  readonly namespaces?: readonly string[] | undefined;
  /** Each end of a watch before its time: for the log and `countersign_watch_restarts_total`. */
  readonly onIncident?: (incident: WatchIncident) => void;
  /** An object of our kinds was written, whether or not its resource changed: its status may be another one. */
  readonly onLive?: (reference: ObjectReference) => void;
  readonly timing?: Partial<ReflectorTiming>;
  readonly random?: () => number;
}

export interface KubernetesProvider extends Provider {
  /** The object as it is stored now; `undefined` when it is gone or being deleted. */
  live(reference: ObjectReference): LiveObject | undefined;
  /** Kinds that have not been listed yet, for `/readyz`. */
  readonly missing: readonly string[];
  /** A Secret could not be generated for this SignatureKey, since one of its name is there: asks what that is. */
  suspect(key: string, secretName: string): void;
  /** Lists everything again; resolves when it is published. Watches may be behind without a sign of it. */
  refresh(): Promise<void>;
}

/** Joins the events of one burst; the rebuild waits for quiet by itself. */
const PUBLISH_DELAY_MS = 10;
/** A group is as large as all others of a page together. */
const GROUP_PAGE_SIZE = 50;

const TYPES: Readonly<Record<AnyKind, ResourceType>> = {
  ...OUR_TYPES,
  Secret: SECRET,
  Service: SERVICE,
  Namespace: NAMESPACE,
};

interface Slice {
  readonly kind: AnyKind;
  readonly namespace: string | undefined;
  readonly reflector: Reflector;
}

export function createKubernetesProvider(options: KubernetesProviderOptions): KubernetesProvider {
  const { api, namespaces, onIncident, onLive, timing, random } = options;
  const stored: Readonly<Record<AnyKind, Map<string, StoredObject>>> = {
    SignatureKey: new Map(),
    ApiGroup: new Map(),
    Authorization: new Map(),
    UsagePlan: new Map(),
    Secret: new Map(),
    Service: new Map(),
    Namespace: new Map(),
  };
  /** By `namespace/name`. */
  const authorities = new Map<string, { readonly reflector: Reflector; secret: StoredObject | undefined }>();
  /** Objects with problems, by kind and key. */
  const faulty = new Map<string, StoredObject>();
  const dirty = new Set<AnyKind>();
  const foreign = createForeignSecrets({ api, onChange: () => changed('Secret') });
  let slices: readonly Slice[] = [];
  let resources: ResourceSet = EMPTY_RESOURCES;
  let authorityProblems: readonly InputProblem[] = [];
  let publish: ((publication: Publication) => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  /** The earliest write that is not published yet. */
  let writtenMs: number | undefined;

  function changed(kind: AnyKind, raw?: RawObject): void {
    dirty.add(kind);
    // What was there before the first publication is no change.
    const atMs = publish && raw && writtenMsOf(raw);
    if (atMs !== undefined) writtenMs = Math.min(writtenMs ?? atMs, atMs);
    if (publish) timer ??= setTimeout(publishNow, PUBLISH_DELAY_MS);
  }

  function put(
    kind: AnyKind,
    key: string,
    next: StoredObject | undefined,
    reference: ObjectReference,
    raw?: RawObject,
  ): void {
    const before = stored[kind].get(key);
    if (next) stored[kind].set(key, next);
    else stored[kind].delete(key);
    if (next && next.problems.length > 0) faulty.set(`${kind}/${key}`, next);
    else faulty.delete(`${kind}/${key}`);
    if (
      before?.resource !== next?.resource ||
      before?.remains !== next?.remains ||
      before?.problems !== next?.problems ||
      before?.live.ownerUid !== next?.live.ownerUid
    )
      changed(kind, next && raw);
    if (before?.live.resourceVersion !== next?.live.resourceVersion && kind in OUR_TYPES) onLive?.(reference);
  }

  function onReplace(kind: AnyKind, namespace: string | undefined, items: readonly RawObject[]): void {
    const present = new Set<string>();
    for (const item of items) {
      const reference = referenceOf(kind, item);
      if (!reference) continue;
      const key = storeKey(reference);
      const next = readStored(kind, item, stored[kind].get(key));
      if (next) present.add(key);
      put(kind, key, next, reference, item);
    }
    for (const [key, { reference }] of stored[kind]) {
      const inSlice =
        namespace === undefined || (kind === 'Namespace' ? reference.name : reference.namespace) === namespace;
      if (inSlice && !present.has(key)) put(kind, key, undefined, reference);
    }
  }

  function onChange(kind: AnyKind, type: 'ADDED' | 'MODIFIED' | 'DELETED', object: RawObject): void {
    const reference = referenceOf(kind, object);
    if (!reference) return;
    const key = storeKey(reference);
    const next = type === 'DELETED' ? undefined : readStored(kind, object, stored[kind].get(key));
    put(kind, key, next, reference, object);
  }

  function createSlice(kind: AnyKind, namespace: string | undefined): Slice {
    const reflector = createReflector({
      api,
      type: TYPES[kind],
      ...(kind === 'Namespace' ? { name: namespace } : { namespace }),
      ...(kind === 'Secret' && { fieldSelector: `type=${KEY_SECRET_TYPE}` }),
      ...(kind === 'ApiGroup' && { pageSize: GROUP_PAGE_SIZE }),
      onReplace: (items) => onReplace(kind, namespace, items),
      onChange: (type, object) => onChange(kind, type, object),
      ...(onIncident && { onIncident }),
      ...(timing && { timing }),
      ...(random && { random }),
    });
    return { kind, namespace, reflector };
  }

  /** Watches the CA Secrets that groups name now, and no others. */
  function followAuthorities(): void {
    const { names, problems } = authoritySecretNames(resourcesOf('ApiGroup') as ResourceSet['ApiGroup']);
    authorityProblems = problems;
    for (const [key, { reflector }] of authorities) {
      if (names.has(key)) continue;
      authorities.delete(key);
      void reflector.close();
      dirty.add('Secret');
    }
    for (const [key, name] of names) if (!authorities.has(key)) followAuthority(key, name);
  }

  function followAuthority(key: string, { namespace, name }: AuthoritySecretName): void {
    const set = (secret: StoredObject | undefined): void => {
      const entry = authorities.get(key);
      // A watch that is being closed may still say something.
      if (!entry || entry.reflector !== reflector) return;
      const differs = entry.secret?.resource !== secret?.resource;
      entry.secret = secret;
      if (differs) changed('Secret');
    };
    const read = (raw: RawObject): StoredObject | undefined => readAuthoritySecret(raw, authorities.get(key)?.secret);
    const reflector = createReflector({
      api,
      type: SECRET,
      namespace,
      fieldSelector: `metadata.name=${name}`,
      onReplace: ([raw]) => set(raw && read(raw)),
      onChange: (type, raw) => set(type === 'DELETED' ? undefined : read(raw)),
      ...(onIncident && { onIncident }),
      ...(timing && { timing }),
      ...(random && { random }),
    });
    authorities.set(key, { reflector, secret: undefined });
    reflector.start();
  }

  function resourcesOf(kind: AnyKind): ReadonlyMap<string, AnyResource> {
    const found = new Map<string, AnyResource>();
    for (const [key, { resource }] of stored[kind])
      if (resource) found.set(resource.kind === 'Namespace' ? resource.metadata.name : key, resource);
    return found;
  }

  function secrets(): ReadonlyMap<string, SecretResource> {
    const found = new Map(foreign.found);
    for (const [key, { secret }] of authorities) add(found, key, secret);
    for (const [key, secret] of stored.Secret) if (!isOrphan(secret)) add(found, key, secret);
    return found;
  }

  /** The Secret of a key that was deleted, whose successor of the same name must not bring its ids back. */
  function isOrphan({ reference, live: { ownerUid } }: StoredObject): boolean {
    return ownerUid !== undefined && !ownersOf(reference.namespace).has(ownerUid);
  }

  let owners: ReadonlyMap<string, ReadonlySet<string>> | undefined;

  /** uids of the SignatureKeys of a namespace. */
  function ownersOf(namespace: string): ReadonlySet<string> {
    if (!owners) {
      const found = new Map<string, Set<string>>();
      for (const { reference, live } of stored.SignatureKey.values()) {
        const uids = found.get(reference.namespace) ?? new Set();
        found.set(reference.namespace, uids.add(live.uid));
      }
      owners = found;
    }
    return owners.get(namespace) ?? new Set();
  }

  function refresh(): void {
    if (dirty.has('ApiGroup')) followAuthorities();
    if (dirty.has('SignatureKey')) {
      owners = undefined;
      // Which Secrets have an owner depends on the keys.
      dirty.add('Secret');
    }
    const next = { ...resources } as Record<AnyKind, ReadonlyMap<string, AnyResource>>;
    for (const kind of dirty) next[kind] = kind === 'Secret' ? sameOr(next.Secret, secrets()) : resourcesOf(kind);
    const secretsChanged = dirty.has('Secret');
    dirty.clear();
    const remains = [...faulty.values()].flatMap((object) => object.remains ?? []);
    resources = withRemains(next as unknown as ResourceSet, remains);
    if (secretsChanged) foreign.follow(resources.SignatureKey.values(), stored.Secret);
  }

  function publishNow(): void {
    clearTimeout(timer);
    timer = undefined;
    refresh();
    publish?.({
      resources,
      problems: [...[...faulty.values()].flatMap(({ problems }) => problems), ...authorityProblems],
      writtenMs,
    });
    writtenMs = undefined;
  }

  return {
    async start(publishTo) {
      const scopes = namespaces === undefined ? [undefined] : [...new Set(namespaces)].sort();
      const kinds = [...KINDS, 'Secret', 'Service', 'Namespace'] as const;
      slices = scopes.flatMap((namespace) => kinds.map((kind) => createSlice(kind, namespace)));
      for (const { reflector } of slices) reflector.start();
      await Promise.all(slices.map(({ reflector }) => reflector.synced));
      // The first table must not lack what a list away would bring.
      followAuthorities();
      await Promise.all([...authorities.values()].map(({ reflector }) => reflector.synced));
      if (closed) return;
      publish = publishTo;
      publishNow();
    },
    async refresh() {
      await Promise.all(slices.map(({ reflector }) => reflector.refresh()));
      await Promise.all([...authorities.values()].map(({ reflector }) => reflector.refresh()));
      if (publish && dirty.size > 0) publishNow();
    },
    async close() {
      closed = true;
      publish = undefined;
      clearTimeout(timer);
      const reflectors = [...slices, ...authorities.values()].map(({ reflector }) => reflector);
      authorities.clear();
      await foreign.close();
      await Promise.all(reflectors.map((reflector) => reflector.close()));
    },
    suspect: (key, secretName) => foreign.suspect(key, secretName),
    // Objects of a cluster are written in no file of ours.
    locate: () => undefined,
    live: (reference) => stored[reference.kind as AnyKind]?.get(storeKey(reference))?.live,
    get missing() {
      return slices
        .filter(({ reflector }) => !reflector.hasSynced)
        .map(({ kind, namespace }) => (namespace === undefined ? kind : `${kind} in ${namespace}`));
    },
  };
}

const storeKey = ({ namespace, name }: ObjectReference): string => `${namespace}/${name}`;

function add(found: Map<string, SecretResource>, key: string, secret: StoredObject | undefined): void {
  if (secret?.resource?.kind === 'Secret') found.set(key, secret.resource);
}

const sameOr = <T>(old: ReadonlyMap<string, T>, next: ReadonlyMap<string, T>): ReadonlyMap<string, T> =>
  old.size === next.size && [...next].every(([key, value]) => old.get(key) === value) ? old : next;
