/**
 * One kind of client and what it gets: a snapshot, the streams of the clients, each at its own pace towards it, and
 * who holds it. Knows resources as names, versions and bytes; what they mean is the caller's.
 */
import { status as grpcStatus } from '@grpc/grpc-js';
import type { Node } from '../../gen/envoy/config/core/v3/base_pb.js';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
} from '../../gen/envoy/service/discovery/v3/discovery_pb.js';
import { systemClock, type Clock } from '../../lib/clock.js';
import { AppError } from '../../lib/errors.js';
import { ENVOY_RESOURCE_TYPES, type ResourceType } from '../resource-types.js';
import { diffSnapshots, EMPTY_SNAPSHOT, type Snapshot } from '../snapshot.js';
import { DeltaStream } from './delta-stream.js';
import type { DeltaCall } from './service.js';

/** The client at the other end of a stream; one that reconnects is a new one with the same id. */
export interface ConnectedNode {
  readonly id: string;
  readonly cluster: string;
  /** Unique within its plane. */
  readonly stream: number;
  /** What the client told of itself when it connected; believed by nobody without asking. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Of the client's software. */
  readonly version?: string;
}

export type NodeEvent =
  | { readonly type: 'connected'; readonly node: ConnectedNode }
  /** `goodbye`: the client took back its subscription to everything first. Otherwise it vanished, or we closed. */
  | { readonly type: 'disconnected'; readonly node: ConnectedNode; readonly goodbye: boolean }
  /** The node holds all of a type in a snapshot, but for what it rejected; `complete`: that is nothing. */
  | {
      readonly type: 'acknowledged';
      readonly node: ConnectedNode;
      readonly typeUrl: string;
      readonly version: string;
      readonly complete: boolean;
    }
  /** `error` is the node's text. What it held before stays in use. */
  | {
      readonly type: 'rejected';
      readonly node: ConnectedNode;
      readonly typeUrl: string;
      readonly resourceNames: readonly string[];
      readonly error: string;
    };

/** Who opened a stream, as far as the transport proved it. */
export interface Peer {
  readonly address: string;
  /** Subject alternative names of a verified client certificate, as `DNS:name`, `URI:…`; empty without TLS. */
  readonly subjectAltNames: readonly string[];
}

export interface PlaneOptions {
  /** In the order in which additions go out. Default: Envoy's. */
  readonly types?: readonly ResourceType[];
  /** Which peer may subscribe to which type; a stream that asks for more is ended. Default: all. */
  readonly permits?: (peer: Peer, typeUrl: string) => boolean;
  /** Called synchronously; must not throw. */
  readonly onNode?: (event: NodeEvent) => void;
  readonly clock?: Clock;
}

export interface AcknowledgedOptions {
  /** A node counts once it holds these types; default: those it subscribed to. */
  readonly typeUrls?: readonly string[];
  /** Wait until at least so many nodes are connected; default 0. */
  readonly minimumNodes?: number;
  readonly signal?: AbortSignal;
}

/** What a caller needs of a plane. */
export interface SnapshotPlane {
  readonly snapshot: Snapshot;
  setSnapshot(snapshot: Snapshot): void;
  /** Keeps everything back from clients, which may connect meanwhile; `false` ends it. */
  hold(isHeld: boolean): void;
  /**
   * Resolves when every connected node holds the snapshot of that version or of one set later, but for what it
   * rejected. Nodes that leave are not waited for.
   * @throws AppError `ERR_SNAPSHOT_UNKNOWN` for a version that was not set in the last hundred.
   */
  acknowledged(version: string, options?: AcknowledgedOptions): Promise<void>;
  readonly nodes: readonly ConnectedNode[];
  /** Nodes that hold the current snapshot in these types: with `all` without exception, else but for what they rejected. */
  holders(typeUrls: readonly string[], extent?: 'all'): readonly ConnectedNode[];
}

export interface Plane extends SnapshotPlane {
  readonly types: readonly ResourceType[];
  /** Takes over a stream whose first request is `first`. */
  serve(call: DeltaCall, peer: Peer, first: DeltaDiscoveryRequest): void;
  /** Ends all streams; clients keep what they have and come back. */
  endStreams(): void;
}

interface Connection {
  readonly node: ConnectedNode;
  readonly stream: DeltaStream;
  readonly update: () => void;
  readonly end: () => void;
}

interface Waiter {
  readonly sequence: number;
  readonly options: AcknowledgedOptions;
  readonly resolve: () => void;
}

const REMEMBERED_SNAPSHOTS = 100;
const WILDCARD = '*';

export function createPlane(options: PlaneOptions = {}): Plane {
  const { types = ENVOY_RESOURCE_TYPES, permits = () => true, onNode = () => {}, clock = systemClock } = options;
  const connections = new Set<Connection>();
  const waiters = new Set<Waiter>();
  /** Version → position in the order in which snapshots were set. */
  const sequences = new Map<string, number>();
  let snapshot = EMPTY_SNAPSHOT;
  let sequence = 0;
  let streams = 0;
  let isHeld = false;
  remember(snapshot);

  function remember({ version }: Snapshot): void {
    sequences.delete(version);
    sequences.set(version, ++sequence);
    if (sequences.size > REMEMBERED_SNAPSHOTS) sequences.delete(sequences.keys().next().value!);
  }

  function settleWaiters(): void {
    for (const waiter of waiters) if (isAcknowledged(waiter)) waiter.resolve();
  }

  function isAcknowledged({ sequence: wanted, options: { typeUrls, minimumNodes = 0 } }: Waiter): boolean {
    const suffices = (version: string): boolean => (sequences.get(version) ?? 0) >= wanted;
    return connections.size >= minimumNodes && [...connections].every(({ stream }) => stream.holds(suffices, typeUrls));
  }

  function serve(call: DeltaCall, peer: Peer, first: DeltaDiscoveryRequest): void {
    let connection: Connection | undefined;
    let timer: NodeJS.Timeout | undefined;
    let isBlocked = false;
    let hasEnded = false;
    let hasSaidGoodbye = false;

    function end(): void {
      if (hasEnded) return;
      hasEnded = true;
      clearTimeout(timer);
      if (!connection) return;
      connections.delete(connection);
      onNode({ type: 'disconnected', node: connection.node, goodbye: hasSaidGoodbye });
      settleWaiters();
    }

    function refuse(code: grpcStatus, details: string): void {
      call.emit('error', { code, details });
      end();
    }

    function open(node: Node | undefined): Connection {
      const self: ConnectedNode = {
        id: node?.id ?? '',
        cluster: node?.cluster ?? '',
        stream: ++streams,
        ...(node?.metadata ? { metadata: node.metadata } : {}),
        ...versionOf(node),
      };
      const stream = new DeltaStream(types, snapshot, {
        settled: (typeUrl, version) =>
          onNode({ type: 'acknowledged', node: self, typeUrl, version, complete: !stream.hasRejected([typeUrl]) }),
        rejected: (typeUrl, refused) => onNode({ type: 'rejected', node: self, typeUrl, ...refused }),
      });
      const opened = { node: self, stream, update, end: () => refuse(grpcStatus.UNAVAILABLE, 'this server stops') };
      connections.add(opened);
      onNode({ type: 'connected', node: self });
      return opened;
    }

    function update(): void {
      // A client that does not read gets nothing more until it does; the next poll then sends the newest.
      if (!connection || hasEnded || isBlocked || isHeld) return;
      clearTimeout(timer);
      const nowMs = clock();
      const { responses, wakeAtMs } = connection.stream.poll(nowMs);
      for (const response of responses) write(response);
      if (wakeAtMs !== undefined) timer = setTimeout(update, Math.max(1, wakeAtMs - nowMs));
      settleWaiters();
    }

    function write(response: DeltaDiscoveryResponse): void {
      if (call.write(response)) return;
      isBlocked = true;
      call.once('drain', () => {
        isBlocked = false;
        update();
      });
    }

    function receive(request: DeltaDiscoveryRequest): void {
      if (hasEnded) return;
      const { typeUrl } = request;
      if (!types.some((type) => type.typeUrl === typeUrl))
        return refuse(grpcStatus.INVALID_ARGUMENT, `no resources of type ${typeUrl} here`);
      if (!permits(peer, typeUrl)) return refuse(grpcStatus.PERMISSION_DENIED, `${typeUrl} is not for this client`);
      connection ??= open(request.node);
      hasSaidGoodbye ||= request.resourceNamesUnsubscribe.includes(WILDCARD);
      connection.stream.receive(request, clock());
      update();
    }

    call.on('data', receive);
    call.on('end', () => {
      end();
      call.end();
    });
    call.on('cancelled', end);
    call.on('close', end);
    call.on('error', end);
    receive(first);
  }

  return {
    types,
    serve,
    endStreams() {
      for (const { end } of [...connections]) end();
    },

    get snapshot() {
      return snapshot;
    },

    setSnapshot(next) {
      if (next.version === snapshot.version) return;
      // Worked out once, however many clients there are.
      const diffs = diffSnapshots(snapshot, next);
      snapshot = next;
      remember(next);
      // All of them before the first is told: what that leads to may be the next snapshot.
      for (const { stream } of connections) stream.setSnapshot(next, diffs);
      for (const { update } of connections) update();
      settleWaiters();
    },

    hold(next) {
      isHeld = next;
      for (const { update } of connections) update();
    },

    acknowledged(version, waiterOptions = {}) {
      const wanted = sequences.get(version);
      if (wanted === undefined)
        return Promise.reject(new AppError('ERR_SNAPSHOT_UNKNOWN', `snapshot ${version} was not set lately`));
      return new Promise((resolve, reject) => {
        const { signal } = waiterOptions;
        const waiter: Waiter = {
          sequence: wanted,
          options: waiterOptions,
          resolve: () => {
            waiters.delete(waiter);
            signal?.removeEventListener('abort', abort);
            resolve();
          },
        };
        function abort(): void {
          waiters.delete(waiter);
          reject(signal?.reason as Error);
        }
        if (signal?.aborted) return abort();
        signal?.addEventListener('abort', abort);
        waiters.add(waiter);
        if (isAcknowledged(waiter)) waiter.resolve();
      });
    },

    get nodes() {
      return [...connections].map(({ node }) => node);
    },

    holders(typeUrls, extent) {
      return [...connections]
        .filter(({ stream }) => stream.holds((version) => version === snapshot.version, typeUrls))
        .filter(({ stream }) => extent !== 'all' || !stream.hasRejected(typeUrls))
        .map(({ node }) => node);
    },
  };
}

/** Ours is in the metadata, Envoy's in a field of its own. */
function versionOf(node: Node | undefined): { readonly version?: string } {
  const told = node?.metadata?.['version'];
  if (typeof told === 'string') return { version: told };
  const build = node?.userAgentVersionType;
  if (build?.case !== 'userAgentBuildVersion' || !build.value.version) return {};
  const { majorNumber, minorNumber, patch } = build.value.version;
  return { version: [majorNumber, minorNumber, patch].join('.') };
}
