/** The hash of an epoch and its resource. */
import { hash } from 'node:crypto';
import type { Resources, Snapshot, VersionedResource } from '../xds/snapshot.js';
import type { Epoch } from './decode.js';
import { encodeResource, routeFields } from './encode.js';
import { CONTENT_TYPES, EPOCH_NAME, EPOCH_TYPE } from './resource-types.js';

/** Of 32 bits, the lowest byte first. */
const DIGEST_WORDS = 4;
const WORD_BYTES = 4;

/**
 * Hash of a set, kept up to date entry by entry: an edit among 20,000 costs what it touches. It finds what was lost
 * or doubled on the way; against forgery stands the TLS below.
 */
export class SetHash {
  readonly #sum = new Uint32Array(DIGEST_WORDS);

  /** Adds an entry that is not in the set, removes one that is. */
  toggle(typeUrl: string, name: string, version: string): void {
    this.toggleDigest(digestOf(typeUrl, name, version));
  }

  /** @param digest of an entry, or the sum of a set that has none in common. */
  toggleDigest(digest: Uint32Array): void {
    for (let i = 0; i < DIGEST_WORDS; i++) this.#sum[i]! ^= digest[i]!;
  }

  get sum(): Uint32Array {
    return this.#sum.slice();
  }

  get text(): string {
    const bytes = Buffer.alloc(DIGEST_WORDS * WORD_BYTES);
    for (const [i, word] of this.#sum.entries()) bytes.writeUInt32LE(word, i * WORD_BYTES);
    return bytes.toString('hex');
  }
}

function digestOf(typeUrl: string, name: string, version: string): Uint32Array {
  const bytes = hash('sha256', `${typeUrl}\n${name}\n${version}`, 'buffer');
  return Uint32Array.from({ length: DIGEST_WORDS }, (_, i) => bytes.readUInt32LE(i * WORD_BYTES));
}

/** A resource that stays as it is keeps its identity, its type and its name. */
const digests = new WeakMap<VersionedResource, Uint32Array>();

function digestOfResource(typeUrl: string, name: string, resource: VersionedResource): Uint32Array {
  let digest = digests.get(resource);
  if (!digest) digests.set(resource, (digest = digestOf(typeUrl, name, resource.version)));
  return digest;
}

/** A type of which no resource changed keeps its map. */
const sums = new WeakMap<ReadonlyMap<string, VersionedResource>, Uint32Array>();

function sumOf(typeUrl: string, byName: ReadonlyMap<string, VersionedResource>): Uint32Array {
  let sum = sums.get(byName);
  if (!sum) {
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
