/**
 * The reference transport: ext_authz on @grpc/grpc-js. Messages pass as bytes and are read and written by
 * `messages.ts`. A Check that cannot be read, or a `check` that rejects, is answered with a denial: a gRPC
 * error would be one too, but only as long as Envoy's failure_mode_allow is off.
 */
import {
  Server,
  ServerCredentials,
  status as GrpcStatus,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { hostPort } from '../../lib/host-port.js';
import { internalError } from '../phases/reply.js';
import { decodeCheckRequest, encodeDecision } from './messages.js';
import { clearStaleSocket, removeSocket, restrictSocket } from './socket-file.js';
import { createTlsListener, type TlsListener } from './tls-listener.js';
import type { Transport, TransportAddress, TransportOptions } from './transport.js';

/** Largest `maxBodySize` (16 MiB) and room for headers. */
const MAX_RECEIVE_BYTES = 17 * 1024 * 1024;

/** For calls of connections that end because certificates were renewed; longer than Envoy waits for a check. */
const RENEWAL_MS = 10_000;

/** Metadata that Envoy may send with each Check to say which node it is. */
const NODE_METADATA = 'x-countersign-node';

const bytes = (value: Buffer): Buffer => value;

const unary = (path: string) => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
const AUTHORIZATION = { check: unary('/envoy.service.auth.v3.Authorization/Check') } satisfies ServiceDefinition;
const HEALTH = { check: unary('/grpc.health.v1.Health/Check') } satisfies ServiceDefinition;

/** `grpc.health.v1.HealthCheckResponse` */
const SERVING = Buffer.from([0x08, 1]);
const NOT_SERVING = Buffer.from([0x08, 2]);

const target = (address: TransportAddress): string =>
  'socketPath' in address ? `unix:${address.socketPath}` : hostPort(address.host, address.port);

/** A server for one address. */
export function createGrpcTransport({
  address,
  check,
  ready,
  onError,
  onUnsafe,
  tls,
  trustsProxies = false,
}: TransportOptions): Transport {
  let draining = false;
  const server = new Server({
    'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
    'grpc.max_send_message_length': -1,
  });

  async function answer(call: ServerUnaryCall<Buffer, Buffer>): Promise<Buffer> {
    let requestId = '';
    let seen = { method: '', target: '', authority: '' };
    try {
      const [node] = call.metadata.get(NODE_METADATA);
      const request = decodeCheckRequest(call.request, typeof node === 'string' ? node : '', trustsProxies);
      ({ requestId } = request);
      seen = request;
      if (request.gatewayFault !== undefined) onUnsafe?.(request.gatewayFault);
      return encodeDecision(await check(request), request);
    } catch (error) {
      onError?.(error);
      return encodeDecision(internalError(requestId), seen);
    }
  }

  server.addService(AUTHORIZATION, {
    check(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) {
      answer(call).then(
        (response) => callback(null, response),
        () => callback({ code: GrpcStatus.INTERNAL }),
      );
    },
  });
  server.addService(HEALTH, {
    check(_call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) {
      callback(null, ready() && !draining ? SERVING : NOT_SERVING);
    },
  });

  let listener: TlsListener | undefined;

  const bind = (): Promise<number> => {
    if (tls && !('socketPath' in address)) {
      // TLS is ended here and not by the library, which shows a client's certificate only per call.
      const connections = server.createConnectionInjector(ServerCredentials.createInsecure());
      listener = createTlsListener(
        tls,
        (socket) => connections.injectConnection(socket),
        () => connections.drain(RENEWAL_MS),
      );
      return listener.listen(address.host, address.port);
    }
    return new Promise((resolve, reject) => {
      server.bindAsync(target(address), ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
  };

  async function forgetSocket(): Promise<void> {
    if ('socketPath' in address) await removeSocket(address.socketPath);
  }

  return {
    async listen() {
      if ('socketPath' in address) await clearStaleSocket(address.socketPath);
      const port = await bind();
      if (!('socketPath' in address)) return { host: address.host, port };
      await restrictSocket(address.socketPath);
      return address;
    },
    async drain(deadlineMs) {
      draining = true;
      listener?.close();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          server.forceShutdown();
          resolve();
        }, deadlineMs);
        server.tryShutdown(() => {
          clearTimeout(timer);
          resolve();
        });
      });
      await forgetSocket();
    },
    close() {
      draining = true;
      listener?.close();
      server.forceShutdown();
      void forgetSocket();
    },
  };
}
