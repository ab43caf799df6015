/**
 * Delta ADS over gRPC: any number of streams, each at its own pace, all towards the current snapshot. Knows
 * resources as names, versions and bytes; what they mean is the caller's.
 */
import { Server, ServerCredentials, status as grpcStatus } from '@grpc/grpc-js';
import { chmod, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Node } from '../../gen/envoy/config/core/v3/base_pb.js';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
} from '../../gen/envoy/service/discovery/v3/discovery_pb.js';
import { systemClock, type Clock } from '../../lib/clock.js';
import { AppError, errorMessage } from '../../lib/errors.js';
import { ENVOY_RESOURCE_TYPES, type ResourceType } from '../resource-types.js';
import { EMPTY_SNAPSHOT, type Snapshot } from '../snapshot.js';
import { DeltaStream } from './delta-stream.js';
import { aggregatedDiscoveryService, type DeltaCall } from './service.js';

/** The client at the other end of a stream; one that reconnects is a new one with the same id. */
export interface ConnectedNode {
  readonly id: string;
  readonly cluster: string;
  /** Unique within this server. */
  readonly stream: number;
}

export type NodeEvent =
  | { readonly type: 'connected'; readonly node: ConnectedNode }
  | { readonly type: 'disconnected'; readonly node: ConnectedNode }
  /** The node holds all of a type in a snapshot, but for what it rejected. */
  | { readonly type: 'acknowledged'; readonly node: ConnectedNode; readonly typeUrl: string; readonly version: string }
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
  /** Subject alternative names of a verified client certificate; empty without TLS. */
  readonly subjectAltNames: readonly string[];
}

export interface AdsServerOptions {
  /** In the order in which additions go out. Default: Envoy's. */
  readonly types?: readonly ResourceType[];
  readonly credentials?: ServerCredentials;
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

export interface AdsServer {
  /** `unix:/path` or `host:port`. Answers what clients connect to, with the port in place of 0. */
  listen(address: string): Promise<string>;
  readonly snapshot: Snapshot;
  setSnapshot(snapshot: Snapshot): void;
  /**
   * Resolves when every connected node holds the snapshot of that version or of one set later, but for what it
   * rejected. Nodes that leave are not waited for.
   * @throws AppError `ERR_SNAPSHOT_UNKNOWN` for a version that was not set in the last hundred.
   */
  acknowledged(version: string, options?: AcknowledgedOptions): Promise<void>;
  readonly nodes: readonly ConnectedNode[];
  /** Ends all streams. */
  close(): Promise<void>;
}

interface Connection {
  readonly node: ConnectedNode;
  readonly stream: DeltaStream;
  readonly update: () => void;
}

interface Waiter {
  readonly sequence: number;
  readonly options: AcknowledgedOptions;
  readonly resolve: () => void;
}

const REMEMBERED_SNAPSHOTS = 100;
/** A client that vanished without a word is noticed within a minute. */
const KEEPALIVE = { 'grpc.keepalive_time_ms': 30_000, 'grpc.keepalive_timeout_ms': 20_000 };

export function createAdsServer(options: AdsServerOptions = {}): AdsServer {
  const { types = ENVOY_RESOURCE_TYPES, permits = () => true, onNode = () => {}, clock = systemClock } = options;
  const server = new Server(KEEPALIVE);
  const connections = new Set<Connection>();
  const waiters = new Set<Waiter>();
  /** Version → position in the order in which snapshots were set. */
  const sequences = new Map<string, number>();
  let snapshot = EMPTY_SNAPSHOT;
  let sequence = 0;
  let streams = 0;
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

  function serve(call: DeltaCall): void {
    const peer = peerOf(call);
    let connection: Connection | undefined;
    let timer: NodeJS.Timeout | undefined;
    let isBlocked = false;
    let hasEnded = false;

    function end(): void {
      if (hasEnded) return;
      hasEnded = true;
      clearTimeout(timer);
      if (!connection) return;
      connections.delete(connection);
      onNode({ type: 'disconnected', node: connection.node });
      settleWaiters();
    }

    function refuse(code: grpcStatus, details: string): void {
      call.emit('error', { code, details });
      end();
    }

    function open(node: Node | undefined): Connection {
      const self: ConnectedNode = { id: node?.id ?? '', cluster: node?.cluster ?? '', stream: ++streams };
      const stream = new DeltaStream(types, snapshot, {
        settled: (typeUrl, version) => onNode({ type: 'acknowledged', node: self, typeUrl, version }),
        rejected: (typeUrl, refused) => onNode({ type: 'rejected', node: self, typeUrl, ...refused }),
      });
      const opened = { node: self, stream, update };
      connections.add(opened);
      onNode({ type: 'connected', node: self });
      return opened;
    }

    function update(): void {
      // A client that does not read gets nothing more until it does; the next poll then sends the newest.
      if (!connection || hasEnded || isBlocked) return;
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

    call.on('data', (request: DeltaDiscoveryRequest) => {
      if (hasEnded) return;
      const { typeUrl } = request;
      if (!types.some((type) => type.typeUrl === typeUrl))
        return refuse(grpcStatus.INVALID_ARGUMENT, `no resources of type ${typeUrl} here`);
      if (!permits(peer, typeUrl)) return refuse(grpcStatus.PERMISSION_DENIED, `${typeUrl} is not for this client`);
      connection ??= open(request.node);
      connection.stream.receive(request, clock());
      update();
    });
    call.on('end', () => {
      end();
      call.end();
    });
    call.on('cancelled', end);
    call.on('close', end);
    call.on('error', end);
  }

  server.addService(aggregatedDiscoveryService, { deltaAggregatedResources: serve });

  return {
    async listen(address) {
      const socketPath = /^unix:(.*)$/.exec(address)?.[1];
      if (socketPath !== undefined) await removeStaleSocket(socketPath);
      const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync(address, options.credentials ?? ServerCredentials.createInsecure(), (error, bound) =>
          error
            ? reject(
                new AppError('ERR_ADS_LISTEN', `cannot serve xDS on ${address}: ${errorMessage(error)}`, {
                  cause: error,
                }),
              )
            : resolve(bound),
        );
      });
      if (socketPath === undefined) return address.replace(/:\d+$/, `:${port}`);
      await chmod(socketPath, 0o600);
      return address;
    },

    get snapshot() {
      return snapshot;
    },

    setSnapshot(next) {
      if (next.version === snapshot.version) return;
      snapshot = next;
      remember(next);
      for (const { stream, update } of connections) {
        stream.setSnapshot(next);
        update();
      }
      settleWaiters();
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

    async close() {
      // Streams never end by themselves; clients keep what they have and come back.
      server.forceShutdown();
    },
  };
}

function peerOf(call: DeltaCall): Peer {
  const { subjectaltname = '' } = call.getAuthContext().sslPeerCertificate ?? {};
  return { address: call.getPeer(), subjectAltNames: subjectaltname.split(', ').filter((name) => name !== '') };
}

/** A socket file that nobody serves is left over from a process that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  const isServed = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
  if (isServed) throw new AppError('ERR_ADS_LISTEN', `cannot serve xDS on ${path}: another process does`);
  await rm(path, { force: true });
}
