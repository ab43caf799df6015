/**
 * What clients should hold: per type, name → message with a version. Versions are content hashes, equal on
 * every replica and after every restart, so that a reconnecting client gets only what differs.
 */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { anyPack, type Any } from '@bufbuild/protobuf/wkt';
import { hexHash } from '../lib/stable-hash.js';

export interface VersionedResource {
  readonly version: string;
  readonly resource: Any;
  /** Time a client needs after its ACK until the resource serves: a DNS cluster resolves first. */
  readonly settleMs?: number;
}

/** By type URL, then by name. */
export type Resources = ReadonlyMap<string, ReadonlyMap<string, VersionedResource>>;

export interface Snapshot {
  /** Content hash over all types, names and versions. */
  readonly version: string;
  readonly resources: Resources;
}

export interface TypeDiff {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

const VERSION_LENGTH = 16;

/** Packs a message. The version is deterministic as long as map fields are filled in a fixed order. */
export function versioned<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  settleMs?: number,
): VersionedResource {
  return versionedAny(anyPack(schema, message), settleMs);
}

/** Of a message that is packed already. */
export const versionedAny = (resource: Any, settleMs?: number): VersionedResource => ({
  version: hexHash(resource.value, VERSION_LENGTH),
  resource,
  ...(settleMs === undefined ? {} : { settleMs }),
});

export function createSnapshot(resources: Resources): Snapshot {
  const versions = [...resources].map(([typeUrl, byName]) => [
    typeUrl,
    [...byName].map(([name, { version }]) => [name, version] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
  ]);
  const text = JSON.stringify(versions.sort(([a], [b]) => (a! < b! ? -1 : 1)));
  return { version: hexHash(text, VERSION_LENGTH), resources };
}

export const EMPTY_SNAPSHOT: Snapshot = createSnapshot(new Map());

/** One snapshot with the types of both; a type in both comes from `b`. */
export const mergeSnapshots = (a: Snapshot, b: Snapshot): Snapshot =>
  createSnapshot(new Map([...a.resources, ...b.resources]));

const NO_RESOURCES: ReadonlyMap<string, VersionedResource> = new Map();

/** What changed, by type URL; types without a change are left out. A type that kept its map costs nothing. */
export function diffSnapshots(before: Snapshot, after: Snapshot): ReadonlyMap<string, TypeDiff> {
  const diffs = new Map<string, TypeDiff>();
  for (const typeUrl of new Set([...before.resources.keys(), ...after.resources.keys()])) {
    const old = before.resources.get(typeUrl) ?? NO_RESOURCES;
    const now = after.resources.get(typeUrl) ?? NO_RESOURCES;
    if (old === now) continue;
    const added: string[] = [];
    const changed: string[] = [];
    for (const [name, resource] of now) {
      const known = old.get(name);
      if (!known) added.push(name);
      else if (known !== resource && known.version !== resource.version) changed.push(name);
    }
    const isAllKept = now.size - added.length === old.size;
    const removed = isAllKept ? [] : [...old.keys()].filter((name) => !now.has(name));
    if (added.length + removed.length + changed.length > 0) diffs.set(typeUrl, { added, changed, removed });
  }
  return diffs;
}

/** Bytes of a resource on the wire, about: what limits the size of a response. */
export const resourceBytes = ({ resource }: VersionedResource): number => resource.value.length;
