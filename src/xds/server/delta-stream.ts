/**
 * One client's side of incremental xDS, without I/O: requests in, responses out, time passed in. Additions go
 * in the order of the types and wait for the ACK of the type before; removals go last and the other way round.
 */
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
} from '../../gen/envoy/service/discovery/v3/discovery_pb.js';
import type { ResourceType } from '../resource-types.js';
import { diffSnapshots, type Snapshot } from '../snapshot.js';
import { TypeState, type Refused, type ResourcesByName } from './type-state.js';

export interface DeltaStreamEvents {
  /** The client holds all of this type in the snapshot, but for what it rejected. */
  readonly settled: (typeUrl: string, snapshotVersion: string) => void;
  readonly rejected: (typeUrl: string, refused: Refused) => void;
}

export interface Poll {
  readonly responses: readonly DeltaDiscoveryResponse[];
  /** When to poll again though nothing happened. */
  readonly wakeAtMs: number | undefined;
}

export class DeltaStream {
  readonly #states = new Map<string, TypeState>();
  #nonce = 0;

  constructor(
    private readonly types: readonly ResourceType[],
    private snapshot: Snapshot,
    private readonly events: DeltaStreamEvents,
  ) {}

  /** @param diffs by type URL, from the snapshot set last. */
  setSnapshot(snapshot: Snapshot, diffs = diffSnapshots(this.snapshot, snapshot)): void {
    this.snapshot = snapshot;
    for (const [typeUrl, state] of this.#states) {
      state.setResources(resourcesOf(snapshot, typeUrl), diffs.get(typeUrl));
      // Between two snapshots the client holds neither; going back to an earlier one must not look done.
      if (!state.isSettled) state.settledVersion = undefined;
    }
  }

  /** The type must be one of those offered. */
  receive(request: DeltaDiscoveryRequest, nowMs: number): void {
    const { typeUrl, responseNonce, errorDetail } = request;
    const state = this.#states.get(typeUrl);
    if (!state) {
      const type = this.types.find((each) => each.typeUrl === typeUrl);
      if (type) this.#states.set(typeUrl, new TypeState(type, resourcesOf(this.snapshot, typeUrl), request));
      return;
    }
    // The answer first: a subscription in the same request is newer than what it answers.
    const refused = responseNonce === '' ? undefined : state.answer(responseNonce, errorDetail?.message, nowMs);
    if (refused) this.events.rejected(typeUrl, refused);
    state.subscribe(request);
  }

  /** What may be sent now: at most one response per type is on its way. */
  poll(nowMs: number): Poll {
    const states = this.types.flatMap(({ typeUrl }) => this.#states.get(typeUrl) ?? []);
    const additions = this.#additions(states, nowMs);
    const isAdding = additions.wakeAtMs !== undefined || states.some((state) => state.isAdding);
    const { responses, wakeAtMs } = isAdding ? additions : this.#removals(states, nowMs);
    for (const state of states) {
      if (!state.isSettled || state.settledVersion === this.snapshot.version) continue;
      state.settledVersion = this.snapshot.version;
      this.events.settled(state.type.typeUrl, this.snapshot.version);
    }
    return { responses, wakeAtMs };
  }

  /** Was each of the types, or of all subscribed ones, complete in a snapshot that `suffices`? */
  holds(suffices: (version: string) => boolean, typeUrls?: readonly string[]): boolean {
    return [...(typeUrls ?? this.#states.keys())].every((typeUrl) => {
      const version = this.#states.get(typeUrl)?.settledVersion;
      return version !== undefined && suffices(version);
    });
  }

  /** Has the client refused any of the current resources of these types? */
  hasRejected(typeUrls: readonly string[]): boolean {
    return typeUrls.some((typeUrl) => this.#states.get(typeUrl)?.hasRejected === true);
  }

  #additions(states: readonly TypeState[], nowMs: number): Poll {
    const responses: DeltaDiscoveryResponse[] = [];
    let settlesAtMs = 0;
    let wakeAtMs: number | undefined;
    for (const state of states) {
      if (state.hasToSend && state.isServing && settlesAtMs > nowMs) {
        // Only what serves already can be hurt by a reference that is not ready.
        wakeAtMs = settlesAtMs;
        break;
      }
      if (state.removesEarly) state.startRemovalDelays(nowMs);
      const response =
        state.nextUpserts(() => this.#nextNonce()) ??
        (state.removesEarly ? state.nextRemovals(nowMs, () => this.#nextNonce()) : undefined);
      if (response) responses.push(response);
      if (state.isAdding) break;
      settlesAtMs = Math.max(settlesAtMs, state.settlesAtMs);
    }
    return { responses, wakeAtMs };
  }

  #removals(states: readonly TypeState[], nowMs: number): Poll {
    const responses: DeltaDiscoveryResponse[] = [];
    let wakeAtMs: number | undefined;
    for (const state of [...states].reverse()) {
      state.startRemovalDelays(nowMs);
      const response = state.nextRemovals(nowMs, () => this.#nextNonce());
      if (response) responses.push(response);
      const dueMs = state.nextRemovalAtMs;
      if (dueMs !== undefined && dueMs > nowMs) wakeAtMs = Math.min(dueMs, wakeAtMs ?? dueMs);
      // What a rejected resource should have replaced is still in use, with all that it refers to.
      if (state.isRemoving(nowMs) || state.hasRejected) break;
    }
    return { responses, wakeAtMs };
  }

  #nextNonce(): string {
    return String(++this.#nonce);
  }
}

const NO_RESOURCES: ResourcesByName = new Map();

const resourcesOf = (snapshot: Snapshot, typeUrl: string): ResourcesByName =>
  snapshot.resources.get(typeUrl) ?? NO_RESOURCES;
