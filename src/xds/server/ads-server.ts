/**
 * Delta ADS over gRPC: one address, one plane of resources per kind of client. The first type that a client asks
 * for chooses its plane; what its certificate admits is judged for every type. Standby servers refuse streams.
 */
import { Server, ServerCredentials, status as grpcStatus, type sendUnaryData } from '@grpc/grpc-js';
import { chmod, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import type { DeltaDiscoveryRequest } from '../../gen/envoy/service/discovery/v3/discovery_pb.js';
import { AppError, errorMessage } from '../../lib/errors.js';
import { HEALTH_SERVICE, healthService, type HealthCall } from './health-service.js';
import { createPlane, type Peer, type Plane, type PlaneOptions, type SnapshotPlane } from './plane.js';
import { aggregatedDiscoveryService, type DeltaCall } from './service.js';

export interface AdsListenerOptions {
  readonly planes: readonly Plane[];
  readonly credentials?: ServerCredentials;
  /** Streams are refused and health says NOT_SERVING until `setServing(true)`; default: serves at once. */
  readonly serving?: boolean;
}

export interface AdsListener {
  /** `unix:/path` or `host:port`. Answers what clients connect to, with the port in place of 0. */
  listen(address: string): Promise<string>;
  /** `false` ends all streams and refuses new ones: clients try another replica. */
  setServing(serving: boolean): void;
  /** Ends all streams and connections; clients come back and show their certificates to what counts now. */
  endConnections(): void;
  /** Ends all streams. */
  close(): Promise<void>;
}

/** For clients to read why their streams ended, before the connection goes. */
const GOODBYE_MS = 1_000;

/** What a replica that stands by answers: it lives, and another leads or will. */
export const NOT_LEADING = 'this replica does not lead';

/** A client that vanished without a word is noticed within a minute. */
const KEEPALIVE = { 'grpc.keepalive_time_ms': 30_000, 'grpc.keepalive_timeout_ms': 20_000 };

export function createAdsListener({ planes, credentials, serving = true }: AdsListenerOptions): AdsListener {
  const server = new Server(KEEPALIVE);
  let isServing = serving;
  let boundTo: string | undefined;

  function accept(call: DeltaCall): void {
    const refuse = (code: grpcStatus, details: string): void => void call.emit('error', { code, details });
    // Clients that found a replica which does not lead go on to the next.
    if (!isServing) return refuse(grpcStatus.UNAVAILABLE, NOT_LEADING);
    call.on('error', () => undefined);
    call.once('data', (first: DeltaDiscoveryRequest) => {
      const plane = planes.find(({ types }) => types.some(({ typeUrl }) => typeUrl === first.typeUrl));
      if (!plane) return refuse(grpcStatus.INVALID_ARGUMENT, `no resources of type ${first.typeUrl} here`);
      if (!isServing) return refuse(grpcStatus.UNAVAILABLE, NOT_LEADING);
      plane.serve(call, peerOf(call), first);
    });
  }

  server.addService(aggregatedDiscoveryService, { deltaAggregatedResources: accept });
  server.addService(healthService, {
    check(call: HealthCall, callback: sendUnaryData<boolean>) {
      if (call.request !== HEALTH_SERVICE && call.request !== '')
        return callback({ code: grpcStatus.NOT_FOUND, details: 'no such service' });
      callback(null, isServing);
    },
  });

  return {
    async listen(address) {
      const socketPath = /^unix:(.*)$/.exec(address)?.[1];
      if (socketPath !== undefined) await removeStaleSocket(socketPath);
      const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync(address, credentials ?? ServerCredentials.createInsecure(), (error, bound) =>
          error
            ? reject(
                new AppError('ERR_ADS_LISTEN', `cannot serve xDS on ${address}: ${errorMessage(error)}`, {
                  cause: error,
                }),
              )
            : resolve(bound),
        );
      });
      if (socketPath === undefined) return (boundTo = address.replace(/:\d+$/, `:${port}`));
      await chmod(socketPath, 0o600);
      return address;
    },
    setServing(next) {
      isServing = next;
      if (!next) for (const plane of planes) plane.endStreams();
    },
    endConnections() {
      for (const plane of planes) plane.endStreams();
      // A socket file has no certificates.
      if (boundTo !== undefined) server.drain(boundTo, GOODBYE_MS);
    },
    async close() {
      // Streams never end by themselves; clients keep what they have and come back.
      server.forceShutdown();
    },
  };
}

export interface AdsServerOptions extends PlaneOptions {
  readonly credentials?: ServerCredentials;
}

/** A listener with one plane. */
export interface AdsServer extends SnapshotPlane, Pick<AdsListener, 'listen' | 'close'> {}

export function createAdsServer({ credentials, ...options }: AdsServerOptions = {}): AdsServer {
  const plane = createPlane(options);
  const listener = createAdsListener({ planes: [plane], ...(credentials ? { credentials } : {}) });
  return {
    listen: (address) => listener.listen(address),
    close: () => listener.close(),
    get snapshot() {
      return plane.snapshot;
    },
    setSnapshot: (snapshot) => plane.setSnapshot(snapshot),
    hold: (isHeld) => plane.hold(isHeld),
    acknowledged: (version, waiterOptions) => plane.acknowledged(version, waiterOptions),
    get nodes() {
      return plane.nodes;
    },
    holders: (typeUrls, extent) => plane.holders(typeUrls, extent),
  };
}

function peerOf(call: DeltaCall): Peer {
  const { subjectaltname = '' } = call.getAuthContext().sslPeerCertificate ?? {};
  return { address: call.getPeer(), subjectAltNames: subjectAltNames(subjectaltname) };
}

/**
 * `DNS:a, URI:b` as a list. Node quotes a name that holds a comma or a quote: a certificate with such a name could
 * only mean to be taken for another, and has none here.
 */
export const subjectAltNames = (text: string): readonly string[] =>
  text.includes('"') ? [] : text.split(', ').filter((name) => name !== '');

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
