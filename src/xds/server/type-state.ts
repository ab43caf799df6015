/**
 * What one stream knows about one resource type: what the client asked for, holds, refused and still lacks.
 * Spec: xDS protocol, "Incremental xDS"; what Envoy does with a NACK: envoy.md §6.1.
 */
import { create } from '@bufbuild/protobuf';
import {
  DeltaDiscoveryResponseSchema,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
} from '../../gen/envoy/service/discovery/v3/discovery_pb.js';
import type { ResourceType } from '../resource-types.js';
import { resourceBytes, type TypeDiff, type VersionedResource } from '../snapshot.js';

export type ResourcesByName = ReadonlyMap<string, VersionedResource>;

/** The client refused a response. */
export interface Refused {
  /** One, since resources of a refused response are sent again one by one; none for an empty response. */
  readonly resourceNames: readonly string[];
  /** The client's own words. */
  readonly error: string;
}

interface InFlight {
  readonly nonce: string;
  readonly upserts: ResourcesByName;
  readonly removals: readonly string[];
}

const WILDCARD = '*';
/** A single larger resource goes alone. */
const MAX_RESPONSE_BYTES = 1024 * 1024;
const NO_RESOURCES: ResourcesByName = new Map();

export class TypeState {
  /** Version of the snapshot that the client last held completely, in this type. */
  settledVersion: string | undefined;
  /** When what the client acked last is ready to be referred to. */
  settlesAtMs = 0;
  #wildcard = false;
  readonly #names = new Set<string>();
  /** Name → version that the client reported or acked. */
  readonly #held = new Map<string, string>();
  /** Name → version that the client refused; not sent again while it is the current one. */
  readonly #rejected = new Map<string, string>();
  readonly #upserts = new Map<string, VersionedResource>();
  /** Name → earliest time; unknown until all additions are acked. */
  readonly #removals = new Map<string, number | undefined>();
  /** Resources of a refused response, sent one by one until it is known which are good. Part of `#upserts`. */
  readonly #alone = new Set<string>();
  #inFlight: InFlight | undefined;
  /** The first response goes out even when empty: the client waits for it. */
  #answered = false;

  constructor(
    readonly type: ResourceType,
    private resources: ResourcesByName,
    first: DeltaDiscoveryRequest,
  ) {
    for (const [name, version] of Object.entries(first.initialResourceVersions)) this.#held.set(name, version);
    this.#wildcard = first.resourceNamesSubscribe.length === 0 || first.resourceNamesSubscribe.includes(WILDCARD);
    for (const name of first.resourceNamesSubscribe) if (name !== WILDCARD) this.#names.add(name);
    this.#refreshAll();
    for (const name of this.#names) this.#reportAbsent(name);
  }

  /**
   * @param diff from what was set last; absent where nothing changed. What is left to be sent for other names stays as
   * it is: all else that it depends on is taken note of when it changes.
   */
  setResources(resources: ResourcesByName, diff: TypeDiff | undefined): void {
    this.resources = resources;
    if (!diff) return;
    for (const names of [diff.removed, diff.added, diff.changed]) for (const name of names) this.#refresh(name);
  }

  subscribe({ resourceNamesSubscribe, resourceNamesUnsubscribe }: DeltaDiscoveryRequest): void {
    for (const name of resourceNamesUnsubscribe) {
      if (name === WILDCARD) {
        this.#wildcard = false;
        const known = new Set([...this.#held.keys(), ...this.#rejected.keys(), ...this.#upserts.keys()]);
        for (const each of known) if (!this.#names.has(each)) this.#forget(each);
      } else if (this.#names.delete(name) && !this.#wildcard) this.#forget(name);
    }
    for (const name of resourceNamesSubscribe) {
      if (name === WILDCARD) {
        this.#wildcard = true;
        this.#refreshAll();
        continue;
      }
      this.#names.add(name);
      // Asked for again means: send it again, whatever was sent before.
      this.#held.delete(name);
      this.#rejected.delete(name);
      this.#refresh(name);
      this.#reportAbsent(name);
    }
  }

  /** Takes an ACK or a NACK. A refusal is returned once it is known which resource is at fault. */
  answer(nonce: string, error: string | undefined, nowMs: number): Refused | undefined {
    const sent = this.#inFlight;
    if (sent?.nonce !== nonce) return undefined; // of a response that a newer one replaced
    this.#inFlight = undefined;
    const isAmbiguous = error !== undefined && sent.upserts.size > 1;
    for (const [name, { version, settleMs = 0 }] of sent.upserts) {
      if (isAmbiguous) this.#alone.add(name);
      else if (error !== undefined) this.#rejected.set(name, version);
      else {
        this.#held.set(name, version);
        this.settlesAtMs = Math.max(this.settlesAtMs, nowMs + settleMs);
      }
    }
    // A client cannot keep what we took back: refused or not, it is not ours any more.
    for (const name of sent.removals) {
      this.#held.delete(name);
      this.#rejected.delete(name);
    }
    const resourceNames = [...sent.upserts.keys(), ...sent.removals];
    for (const name of resourceNames) this.#refresh(name);
    return error === undefined || isAmbiguous ? undefined : { resourceNames, error };
  }

  nextUpserts(nonce: () => string): DeltaDiscoveryResponse | undefined {
    if (this.#inFlight || !this.hasToSend) return undefined;
    const upserts = new Map<string, VersionedResource>();
    const [alone] = this.#alone;
    if (alone !== undefined) upserts.set(alone, this.#upserts.get(alone)!);
    else {
      let bytes = 0;
      for (const [name, resource] of this.#upserts) {
        bytes += resourceBytes(resource);
        if (upserts.size > 0 && bytes > MAX_RESPONSE_BYTES) break;
        upserts.set(name, resource);
      }
    }
    for (const name of upserts.keys()) {
      this.#upserts.delete(name);
      this.#alone.delete(name);
    }
    this.#answered = true;
    return this.#send(nonce(), upserts, []);
  }

  nextRemovals(nowMs: number, nonce: () => string): DeltaDiscoveryResponse | undefined {
    if (this.#inFlight) return undefined;
    const due = [...this.#removals].filter(([, atMs]) => atMs !== undefined && atMs <= nowMs).map(([name]) => name);
    if (due.length === 0) return undefined;
    for (const name of due) this.#removals.delete(name);
    return this.#send(nonce(), NO_RESOURCES, due);
  }

  /** All additions are acked: from here on nothing refers to what is to be removed. */
  startRemovalDelays(nowMs: number): void {
    for (const [name, atMs] of this.#removals)
      this.#removals.set(name, atMs ?? nowMs + (this.type.removalDelayMs ?? 0));
  }

  get hasToSend(): boolean {
    return !this.#answered || this.#upserts.size > 0;
  }

  /** Something to send or to be answered before later types may go on. */
  get isAdding(): boolean {
    return this.hasToSend || this.#inFlight !== undefined || (this.removesEarly && this.#removals.size > 0);
  }

  get removesEarly(): boolean {
    return this.type.removal === 'BeforeLaterTypes';
  }

  get hasRejected(): boolean {
    return this.#rejected.size > 0;
  }

  get isServing(): boolean {
    return this.#held.size > 0;
  }

  isRemoving(nowMs: number): boolean {
    return (
      this.#inFlight !== undefined || [...this.#removals.values()].some((atMs) => atMs !== undefined && atMs <= nowMs)
    );
  }

  get nextRemovalAtMs(): number | undefined {
    const times = [...this.#removals.values()].filter((atMs) => atMs !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Nothing left to tell the client, but for removals that wait on purpose. */
  get isSettled(): boolean {
    return !this.isAdding && (this.#removals.size === 0 || this.type.removalDelayMs !== undefined);
  }

  #send(nonce: string, upserts: ResourcesByName, removals: readonly string[]): DeltaDiscoveryResponse {
    this.#inFlight = { nonce, upserts, removals };
    return create(DeltaDiscoveryResponseSchema, {
      typeUrl: this.type.typeUrl,
      nonce,
      resources: [...upserts].map(([name, { version, resource }]) => ({ name, version, resource })),
      removedResources: [...removals],
    });
  }

  #refreshAll(): void {
    for (const name of new Set([...this.resources.keys(), ...this.#names, ...this.#held.keys()])) this.#refresh(name);
  }

  /** Works out what is left to be sent for one name. */
  #refresh(name: string): void {
    const resource = this.#wildcard || this.#names.has(name) ? this.resources.get(name) : undefined;
    if (resource) {
      this.#removals.delete(name);
      if (this.#rejected.has(name) && this.#rejected.get(name) !== resource.version) this.#rejected.delete(name);
      const known = [this.#held.get(name), this.#rejected.get(name), this.#inFlight?.upserts.get(name)?.version];
      if (!known.includes(resource.version)) {
        this.#upserts.set(name, resource);
        return;
      }
    }
    this.#upserts.delete(name);
    this.#alone.delete(name);
    if (resource) return;
    // What was rejected or is on its way counts: the client may hold it, or an older form of it.
    const mayHold = this.#held.has(name) || this.#rejected.has(name) || this.#inFlight?.upserts.has(name) === true;
    if (!mayHold || this.#inFlight?.removals.includes(name)) this.#removals.delete(name);
    else if (!this.#removals.has(name)) this.#removals.set(name, undefined);
  }

  /** A client that asks by name for what does not exist is told so, and need not wait. */
  #reportAbsent(name: string): void {
    if (!this.resources.has(name)) this.#removals.set(name, undefined);
  }

  #forget(name: string): void {
    this.#held.delete(name);
    this.#rejected.delete(name);
    this.#upserts.delete(name);
    this.#removals.delete(name);
    this.#alone.delete(name);
  }
}
