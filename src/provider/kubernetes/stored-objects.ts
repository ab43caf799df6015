/**
 * From what an API server stores to checked resources. Stored objects may be older than the schema, so nothing is
 * trusted; a refusal is a problem of that object alone. Everything that nothing here reads (managed fields,
 * annotations, status of foreign kinds, data of foreign Secrets) is dropped at once.
 */
import { checkMetadata } from '../../api/metadata.js';
import { CONDITION_TYPES, REASONS } from '../../api/conditions.js';
import type { ObjectReference, Problem } from '../../api/problem.js';
import { checkObject } from '../../api/schema.js';
import { API_GROUP, API_VERSION, KEY_SECRET_TYPE, type Kind, KINDS, type ObjectMeta } from '../../api/types.js';
import { stableStringify } from '../../lib/stable-hash.js';
import { isRecord, parseCoreResource, SecretResource } from '../../resources/core-resources.js';
import { type Remains, remainsOf } from '../../resources/remains.js';
import type { AnyKind, AnyResource } from '../../resources/resource-set.js';
import type { RawObject } from './kube-api.js';

/** What a writer must know of the object as it is stored now. */
export interface LiveObject {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number | undefined;
  /** Of our four kinds. */
  readonly status: RawObject | undefined;
  /** uid of the SignatureKey that owns a Secret. */
  readonly ownerUid: string | undefined;
}

export interface StoredObject {
  readonly reference: ObjectReference;
  readonly live: LiveObject;
  /** Absent when a problem refuses the object. */
  readonly resource: AnyResource | undefined;
  /** Of a refused object. */
  readonly remains?: Remains | undefined;
  readonly problems: readonly Problem[];
}

const isOurs = (kind: AnyKind): kind is Kind => (KINDS as readonly string[]).includes(kind);

/**
 * Reads a stored object. Keeps the resource, by identity, of `previous` when spec and labels are the same: a write
 * of status or annotations is no change.
 * @returns `undefined` for what has no name, and for keys, grants and plans that are being deleted: delete is revoke,
 * also while a finalizer holds the object.
 */
export function readStored(kind: AnyKind, raw: RawObject, previous?: StoredObject): StoredObject | undefined {
  const named = nameOf(kind, raw);
  if (!named) return undefined;
  const { metadata, reference } = named;
  if (metadata['deletionTimestamp'] !== undefined && (isOurs(kind) || kind === 'Secret')) return undefined;
  const live = liveOf(kind, raw, metadata);
  if (isOurs(kind) && previous && sameContent(previous, live, metadata)) return { ...previous, live };
  const { resource, problems } = isOurs(kind)
    ? checkOurs(kind, raw, metadata)
    : checkCore(kind, raw, metadata, reference);
  return {
    reference,
    live,
    resource: keepIdentity(resource, previous?.resource),
    remains: resource || !isOurs(kind) ? undefined : sameRemains(remainsOf({ ...raw, kind }), previous?.remains),
    problems: previous && JSON.stringify(problems) === JSON.stringify(previous.problems) ? previous.problems : problems,
  };
}

/** Times of managed fields are whole seconds, cut off. */
const WRITE_RESOLUTION_MS = 1000;

/**
 * The latest moment at which the object as it is can have been written, in ms since the epoch and by the API server's
 * clock; writes of subresources apart. `undefined` when nothing tells.
 */
export function writtenMsOf(raw: RawObject): number | undefined {
  const fields = (raw['metadata'] as { managedFields?: unknown } | undefined)?.managedFields;
  if (!Array.isArray(fields)) return undefined;
  const times = (fields as unknown[]).flatMap((entry) => {
    const { time, subresource } = (entry ?? {}) as { readonly time?: unknown; readonly subresource?: unknown };
    return subresource === undefined && typeof time === 'string' ? [Date.parse(time)] : [];
  });
  const last = Math.max(...times);
  return Number.isFinite(last) ? last + WRITE_RESOLUTION_MS : undefined;
}

/** The key of an event's object, also of one that is gone or refused. */
export function referenceOf(kind: AnyKind, raw: RawObject): ObjectReference | undefined {
  return nameOf(kind, raw)?.reference;
}

/**
 * A Secret that an ApiGroup names for its CA. Only the datum `ca.crt` is kept, whatever else the Secret holds.
 * @returns `undefined` for Secrets of our own type, which their own watch brings.
 */
export function readAuthoritySecret(raw: RawObject, previous?: StoredObject): StoredObject | undefined {
  if (raw['type'] === KEY_SECRET_TYPE || !isRecord(raw['data'])) return undefined;
  const certificates = raw['data']['ca.crt'];
  return readStored('Secret', { ...raw, data: certificates === undefined ? {} : { 'ca.crt': certificates } }, previous);
}

function nameOf(
  kind: AnyKind,
  raw: RawObject,
): { readonly metadata: Readonly<Record<string, unknown>>; readonly reference: ObjectReference } | undefined {
  const metadata = raw['metadata'];
  if (!isRecord(metadata) || typeof metadata['name'] !== 'string') return undefined;
  const namespace = kind === 'Namespace' ? '' : metadata['namespace'];
  if (typeof namespace !== 'string') return undefined;
  return { metadata, reference: { kind, namespace, name: metadata['name'] } };
}

function liveOf(kind: AnyKind, raw: RawObject, metadata: Readonly<Record<string, unknown>>): LiveObject {
  const { uid, resourceVersion, generation } = metadata;
  return {
    uid: typeof uid === 'string' ? uid : '',
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : '',
    generation: typeof generation === 'number' ? generation : undefined,
    status: isOurs(kind) && isRecord(raw['status']) ? withSharedTexts(raw['status']) : undefined,
    ownerUid: kind === 'Secret' ? ownerUid(metadata['ownerReferences']) : undefined,
  };
}

const KNOWN_TEXTS = new Map(
  [...Object.keys(CONDITION_TYPES), ...Object.keys(REASONS)].map((text) => [text, text] as const),
);

/** Parsed JSON has texts of its own for each of the 100,000 conditions of a large cluster. Replaces them in place. */
function withSharedTexts(status: RawObject): RawObject {
  const times = new Map<string, string>();
  const share = (condition: Record<string, unknown>, field: string): void => {
    const text = condition[field];
    if (typeof text !== 'string') return;
    const known = KNOWN_TEXTS.get(text) ?? times.get(text);
    if (known === undefined) times.set(text, text);
    else condition[field] = known;
  };
  const { targets } = status;
  for (const holder of [status, ...(Array.isArray(targets) ? (targets as unknown[]) : [])])
    if (isRecord(holder) && Array.isArray(holder['conditions']))
      for (const condition of holder['conditions'] as unknown[])
        if (isRecord(condition)) for (const field of ['type', 'reason', 'lastTransitionTime']) share(condition, field);
  return status;
}

function ownerUid(owners: unknown): string | undefined {
  if (!Array.isArray(owners)) return undefined;
  const owner = owners.find(
    (each: unknown) =>
      isRecord(each) &&
      each['kind'] === 'SignatureKey' &&
      typeof each['apiVersion'] === 'string' &&
      each['apiVersion'].startsWith(`${API_GROUP}/`),
  ) as { uid?: unknown } | undefined;
  return typeof owner?.uid === 'string' ? owner.uid : undefined;
}

/** The server raises the generation with each change of spec, and a new object has a new uid. */
function sameContent(
  { live, resource }: StoredObject,
  next: LiveObject,
  metadata: Readonly<Record<string, unknown>>,
): boolean {
  return (
    resource !== undefined &&
    live.uid === next.uid &&
    live.generation === next.generation &&
    next.generation !== undefined &&
    stableStringify(resource.metadata.labels ?? {}) === stableStringify(metadata['labels'] ?? {})
  );
}

function checkOurs(
  kind: Kind,
  raw: RawObject,
  metadata: Readonly<Record<string, unknown>>,
): { readonly resource: AnyResource | undefined; readonly problems: readonly Problem[] } {
  // Lists may leave out apiVersion and kind; the status is ours and no input.
  const { object, problems } = checkObject({
    apiVersion: API_VERSION,
    kind,
    metadata: { ...readMetadata(metadata), resourceVersion: undefined },
    spec: raw['spec'],
  });
  return { resource: object, problems };
}

function checkCore(
  kind: Exclude<AnyKind, Kind>,
  raw: RawObject,
  metadata: Readonly<Record<string, unknown>>,
  reference: ObjectReference,
): { readonly resource: AnyResource | undefined; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const report = (path: string, reason: Problem['reason'], message: string): void =>
    void problems.push({ severity: 'error', object: reference, path, reason, message });
  const checked = checkMetadata(readMetadata(metadata), report);
  if (!checked || problems.length > 0) return { resource: undefined, problems };
  // Only writers of Secrets need the version; elsewhere a new one would look like a change.
  const { resourceVersion, ...rest } = checked;
  const kept: ObjectMeta = kind === 'Secret' && resourceVersion !== undefined ? { ...rest, resourceVersion } : rest;
  const parsed = parseCoreResource(kind, kept, raw);
  if (parsed.ok) return { resource: parsed.resource, problems };
  for (const { path, message } of parsed.faults) report(path, 'InvalidValue', message);
  return { resource: undefined, problems };
}

function readMetadata(metadata: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { name, namespace, labels, uid, generation, resourceVersion, creationTimestamp } = metadata;
  return { name, namespace, labels, uid, generation, resourceVersion, creationTimestamp };
}

const sameRemains = (next: Remains | undefined, previous: Remains | undefined): Remains | undefined =>
  next && previous && stableStringify(next) === stableStringify(previous) ? previous : next;

function keepIdentity(next: AnyResource | undefined, previous: AnyResource | undefined): AnyResource | undefined {
  if (!next || !previous || next.kind !== previous.kind) return next;
  if (next instanceof SecretResource || previous instanceof SecretResource)
    return next instanceof SecretResource && previous instanceof SecretResource && next.equals(previous)
      ? previous
      : next;
  return stableStringify(next) === stableStringify(previous) ? previous : next;
}
