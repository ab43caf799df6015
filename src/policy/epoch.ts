/** The hash of an epoch and its resource. */
import { hash } from 'node:crypto';
import type { Resources, Snapshot, VersionedResource } from '../xds/snapshot.js';
import type { Epoch } from './decode.js';
import { encodeResource, routeFields } from './encode.js';
import { CONTENT_TYPES, EPOCH_NAME, EPOCH_TYPE } from './resource-types.js';

const DIGEST_BYTES = 16;

/**
 * Hash of a set, kept up to date entry by entry: an edit among 20,000 costs what it touches. It finds what was lost
 * or doubled on the way; against forgery stands the TLS below.
 */
export class SetHash {
  readonly #sum = Buffer.alloc(DIGEST_BYTES);

  /** Adds an entry that is not in the set, removes one that is. */
  toggle(typeUrl: string, name: string, version: string): void {
    this.toggleDigest(digestOf(typeUrl, name, version));
  }

  toggleDigest(digest: Buffer): void {
    for (let i = 0; i < DIGEST_BYTES; i++) this.#sum[i]! ^= digest[i]!;
  }

  get text(): string {
    return this.#sum.toString('hex');
  }
}

const digestOf = (typeUrl: string, name: string, version: string): Buffer =>
  hash('sha256', `${typeUrl}\n${name}\n${version}`, 'buffer').subarray(0, DIGEST_BYTES);

/** A resource that stays as it is keeps its identity, its type and its name. */
const digests = new WeakMap<VersionedResource, Buffer>();

function digestOfResource(typeUrl: string, name: string, resource: VersionedResource): Buffer {
  let digest = digests.get(resource);
  if (!digest) digests.set(resource, (digest = digestOf(typeUrl, name, resource.version)));
  return digest;
}

/** Hash and counts of everything that `resources` holds besides an epoch. */
export function summarize(resources: Resources): Pick<Epoch, 'hash' | 'counts'> {
  const sum = new SetHash();
  const counts: Record<string, number> = {};
  for (const typeUrl of CONTENT_TYPES) {
    const byName = resources.get(typeUrl);
    counts[typeUrl] = byName?.size ?? 0;
    for (const [name, resource] of byName ?? []) sum.toggleDigest(digestOfResource(typeUrl, name, resource));
  }
  return { hash: sum.text, counts };
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
