/** The hash of an epoch and its resource. */
import { hash } from 'node:crypto';
import type { Resources, Snapshot, VersionedResource } from '../xds/snapshot.js';
import type { Epoch } from './decode.js';
import { encodeResource, routeFields } from './encode.js';
import { CONTENT_TYPES, EPOCH_NAME, EPOCH_TYPE } from './resource-types.js';

const DIGEST_DIGITS = 32;

/**
 * Hash of a set, kept up to date entry by entry: an edit among 20,000 costs what it touches. It finds what was lost
 * or doubled on the way; against forgery stands the TLS below.
 */
export class SetHash {
  #sum = 0n;

  /** Adds an entry that is not in the set, removes one that is. */
  toggle(typeUrl: string, name: string, version: string): void {
    this.toggleDigest(digestOf(typeUrl, name, version));
  }

  /** @param digest of an entry, or the sum of a set that has none in common. */
  toggleDigest(digest: bigint): void {
    this.#sum ^= digest;
  }

  get sum(): bigint {
    return this.#sum;
  }

  get text(): string {
    return this.#sum.toString(16).padStart(DIGEST_DIGITS, '0');
  }
}

/** As a number: there is one for each of tens of thousands of resources, and an array takes ten times the memory. */
const digestOf = (typeUrl: string, name: string, version: string): bigint =>
  BigInt(`0x${hash('sha256', `${typeUrl}\n${name}\n${version}`).slice(0, DIGEST_DIGITS)}`);

/** A resource that stays as it is keeps its identity, its type and its name. */
const digests = new WeakMap<VersionedResource, bigint>();

function digestOfResource(typeUrl: string, name: string, resource: VersionedResource): bigint {
  let digest = digests.get(resource);
  if (digest === undefined) digests.set(resource, (digest = digestOf(typeUrl, name, resource.version)));
  return digest;
}

/** A type of which no resource changed keeps its map. */
const sums = new WeakMap<ReadonlyMap<string, VersionedResource>, bigint>();

function sumOf(typeUrl: string, byName: ReadonlyMap<string, VersionedResource>): bigint {
  let sum = sums.get(byName);
  if (sum === undefined) {
    const set = new SetHash();
    for (const [name, resource] of byName) set.toggleDigest(digestOfResource(typeUrl, name, resource));
    sums.set(byName, (sum = set.sum));
  }
  return sum;
}

/** Hash and counts of everything that `resources` holds besides an epoch. */
export function summarize(resources: Resources): Pick<Epoch, 'hash' | 'counts'> {
  const all = new SetHash();
  const counts: Record<string, number> = {};
  for (const typeUrl of CONTENT_TYPES) {
    const byName = resources.get(typeUrl);
    counts[typeUrl] = byName?.size ?? 0;
    if (byName) all.toggleDigest(sumOf(typeUrl, byName));
  }
  return { hash: all.text, counts };
}

const epochResource = ({ retired = [], ...epoch }: Epoch): VersionedResource =>
  encodeResource(EPOCH_TYPE, {
    ...epoch,
    ...(retired.length > 0 && {
      retired: retired.map(({ route, apis }) => ({ ...routeFields(route), group: route.group, apis })),
    }),
  });

/** Content with the epoch that closes it. */
export const policySnapshot = (content: Resources, epoch: Epoch): Snapshot => ({
  // The epoch tells contents apart: no need to hash thousands of versions once more.
  version: `${epoch.hash}-${epoch.revision}`,
  resources: new Map([...content, [EPOCH_TYPE, new Map([[EPOCH_NAME, epochResource(epoch)]])]]),
});
