/**
 * The authorizer's connection to the controllers: one delta ADS stream over mTLS to the replica that leads. While
 * there is none, what was received last stays in use. Applying is `PolicyStaging`'s; here are stream and retries.
 */
import { create } from '@bufbuild/protobuf';
import { Client, credentials, status as grpcStatus, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
} from '../../gen/envoy/service/discovery/v3/discovery_pb.js';
import { createBackoff } from '../../lib/backoff.js';
import { errorMessage } from '../../lib/errors.js';
import type { Model } from '../../model/model.js';
import type { Epoch } from '../../policy/decode.js';
import { EPOCH_TYPE, POLICY_RESOURCE_TYPES } from '../../policy/resource-types.js';
import type { PolicyStaging, StagingResult } from '../../policy/staging.js';
import type { Logger } from '../../telemetry/logger.js';
import { NOT_LEADING } from '../../xds/server/ads-server.js';
import { aggregatedDiscoveryService } from '../../xds/server/service.js';
import type { TlsFiles } from '../../xds/server/tls-files.js';

export interface PolicyClientOptions {
  /** A name may stand for several replicas. */
  readonly controller: { readonly host: string; readonly port: number } | { readonly socketPath: string };
  /** Absent: no TLS, for sockets in a private folder. */
  readonly tls?: { readonly files: Pick<TlsFiles, 'channelCredentials' | 'onRenewal'>; readonly serverName: string };
  readonly nodeId: string;
  /** Told to the controller, for its status. */
  readonly version: string;
  /** It answers at a port, to Envoys that do not connect to the controller. */
  readonly atPort?: boolean;
  readonly staging: PolicyStaging;
  /** Serves the model before it returns; the epoch is acknowledged then. Throwing refuses the epoch. */
  readonly onPolicy: (model: Model, epoch: Epoch) => void;
  readonly onConnected?: (connected: boolean, message: string) => void;
  readonly log: Logger;
  readonly backoff?: { readonly initialMs: number; readonly maxMs: number };
  /** How long, while replicas stand by, `close` waits for one that leads and hears the goodbye. */
  readonly leaveWithinMs?: number;
}

export interface PolicyClient {
  start(): void;
  readonly connected: boolean;
  /** Tells the controller that this node leaves, then ends the stream. */
  close(): Promise<void>;
}

/** A response is at most 1 MiB but for a single larger resource; a group of 1000 APIs is well below. */
const MAX_RESPONSE_BYTES = 32 * 1024 * 1024;
/** A controller that hangs is left after a quarter of a minute. */
const KEEPALIVE = { 'grpc.keepalive_time_ms': 10_000, 'grpc.keepalive_timeout_ms': 5_000 };
/** From the attempt to the first response. */
const FIRST_RESPONSE_MS = 5_000;
/** For the controller to take the goodbye and to end the stream. */
const GOODBYE_MS = 2_000;
/** More than a Lease that was released takes to be taken, and less than pods have to end. */
const LEAVE_WITHIN_MS = 10_000;
const BACKOFF = { initialMs: 250, maxMs: 5_000 };
const WILDCARD = '*';

/** How a stream ended. */
interface Ended {
  /** The replica answered as one that leads does. */
  readonly served: boolean;
  /** It answered that it does not lead. */
  readonly standsBy: boolean;
  readonly message: string;
}

export function createPolicyClient(options: PolicyClientOptions): PolicyClient {
  const { controller, tls, nodeId, version, atPort = false, staging, onPolicy, onConnected, log } = options;
  const backoff = createBackoff(options.backoff ?? BACKOFF);
  const closing = new AbortController();
  const leaveWithinMs = options.leaveWithinMs ?? LEAVE_WITHIN_MS;
  let waiting = new AbortController();
  let running: Promise<void> | undefined;
  let connected = false;
  let lastMessage = '';
  let isLeaving = false;
  let sayGoodbye: (() => void) | undefined;
  let endSearch: (() => void) | undefined;
  let closed: Promise<void> | undefined;

  async function targets(): Promise<readonly string[]> {
    if ('socketPath' in controller) return [`unix:${controller.socketPath}`];
    const { host, port } = controller;
    const addresses = isIP(host) ? [host] : (await lookup(host, { all: true })).map(({ address }) => address);
    return addresses.map((address) => (isIP(address) === 6 ? `ipv6:[${address}]:${port}` : `ipv4:${address}:${port}`));
  }

  async function run(): Promise<void> {
    while (!isLeaving) {
      let message = '';
      let standsBy = false;
      try {
        // Replicas that do not lead refuse at once: the next one is asked without delay.
        for (const target of await targets()) {
          const ended = await follow(target);
          message = ended.message;
          standsBy ||= ended.standsBy;
          if (ended.served) backoff.reset();
          if (ended.served || isLeaving) break;
        }
      } catch (error) {
        message = errorMessage(error);
      }
      // Whoever came back after the goodbye would be expected again.
      if (isLeaving) return;
      setConnected(false, message);
      if (!standsBy) endSearch?.();
      const signal = AbortSignal.any([closing.signal, waiting.signal]);
      await delay(backoff.next(), undefined, { signal }).catch(() => undefined);
    }
  }

  /**
   * Between two leaders nobody hears a goodbye, and the next one would wait for this node as for one that was lost.
   * Resolves with a connection, when no controller is there any more, or after `leaveWithinMs`.
   */
  async function searchLeader(): Promise<void> {
    const searched = new Promise<void>((resolve) => (endSearch = resolve));
    const late = setTimeout(() => endSearch?.(), leaveWithinMs);
    backoff.reset();
    waiting.abort();
    waiting = new AbortController();
    await searched;
    clearTimeout(late);
  }

  function setConnected(next: boolean, message: string): void {
    // Each obstacle is told once, not at each attempt.
    if (next === connected && message === lastMessage) return;
    connected = next;
    lastMessage = message;
    if (next) log.info(message);
    else log.warn(`no controller: ${message}; ${staging.revision > 0 ? 'the last policy stays in use' : 'waiting'}`);
    onConnected?.(next, message);
  }

  /** One stream from its start to its end. Never rejects. */
  function follow(target: string): Promise<Ended> {
    const client = new Client(target, tls?.files.channelCredentials(tls.serverName) ?? credentials.createInsecure(), {
      ...KEEPALIVE,
      // Without it the address would be sent as the server name, which TLS does not permit.
      ...(tls ? { 'grpc.ssl_target_name_override': tls.serverName } : {}),
      'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
      // A closed client must leave nothing behind, and a new one must see renewed certificates.
      'grpc.use_local_subchannel_pool': 1,
    });
    const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.deltaAggregatedResources;
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    let served = false;
    return new Promise<Ended>((resolve) => {
      let reason: string | undefined;
      const timer = setTimeout(() => leave(`${target} does not answer`), FIRST_RESPONSE_MS);
      const onAbort = (): void => leave('closing');
      closing.signal.addEventListener('abort', onAbort);
      // Whom the old authority vouched for need not be the controller any more.
      const forgetRenewal = tls?.files.onRenewal(() => leave('the certificates were renewed'));

      function leave(why: string): void {
        reason ??= why;
        call.cancel();
      }
      function finish(message: string, standsBy = false): void {
        clearTimeout(timer);
        forgetRenewal?.();
        closing.signal.removeEventListener('abort', onAbort);
        sayGoodbye = undefined;
        client.close();
        resolve({ served, standsBy, message: reason ?? message });
      }

      call.on('data', (response: DeltaDiscoveryResponse) => {
        if (reason !== undefined) return;
        if (!served) {
          served = true;
          clearTimeout(timer);
          setConnected(true, `connected to the controller at ${target}`);
          endSearch?.();
        }
        receive(call, response, leave);
      });
      call.on('error', ({ code, details }: ServiceError) =>
        finish(`${grpcStatus[code]} ${details}`, details === NOT_LEADING),
      );
      call.on('end', () => finish('the controller ended the stream'));
      subscribe(call);
      sayGoodbye = () => {
        send(call, { typeUrl: EPOCH_TYPE, resourceNamesUnsubscribe: [WILDCARD] });
        call.end();
      };
    });
  }

  type Call = ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

  const send = (call: Call, fields: Parameters<typeof create<typeof DeltaDiscoveryRequestSchema>>[1]): void =>
    void call.write(create(DeltaDiscoveryRequestSchema, fields));

  /** In the order of the types, the epoch last: the server sends in the order in which it is asked. */
  function subscribe(call: Call): void {
    for (const { typeUrl } of POLICY_RESOURCE_TYPES)
      send(call, {
        node: { id: nodeId, cluster: 'authorizer', metadata: { version, revision: staging.revision, atPort } },
        typeUrl,
        initialResourceVersions: { ...staging.initialVersions(typeUrl) },
      });
  }

  function receive(call: Call, response: DeltaDiscoveryResponse, leave: (why: string) => void): void {
    const { typeUrl, nonce } = response;
    const refuse = (message: string): void =>
      send(call, { typeUrl, responseNonce: nonce, errorDetail: { code: grpcStatus.INVALID_ARGUMENT, message } });
    const result = apply(response);
    switch (result.outcome) {
      case 'staged':
        return send(call, { typeUrl, responseNonce: nonce });
      case 'switch':
        try {
          onPolicy(result.model, result.epoch);
        } catch (error) {
          log.error({ error: errorMessage(error) }, 'the policy could not be taken into use; the last one stays');
          return refuse('internal error');
        }
        log.debug({ revision: result.epoch.revision }, 'policy in use');
        return send(call, { typeUrl, responseNonce: nonce });
      case 'refused':
        log.error({ type: typeUrl.slice(typeUrl.lastIndexOf('.') + 1) }, `policy refused: ${result.error}`);
        refuse(result.error);
        if (!result.restart) return;
        staging.clear();
        return leave(result.error);
    }
  }

  const apply = ({ typeUrl, resources, removedResources }: DeltaDiscoveryResponse): StagingResult =>
    staging.apply({
      typeUrl,
      removed: removedResources,
      resources: resources.map(({ name, version: resourceVersion, resource }) => ({
        name,
        version: resourceVersion,
        typeUrl: resource?.typeUrl ?? '',
        value: resource?.value ?? new Uint8Array(),
      })),
    });

  async function endWithGoodbye(): Promise<void> {
    // Whoever had no policy yet is expected by nobody.
    if (running && !connected && staging.revision > 0) await searchLeader();
    isLeaving = true;
    if (sayGoodbye) {
      sayGoodbye();
      // A stream that is cancelled at once can overtake the goodbye where the controller is busy.
      const late = delay(GOODBYE_MS, undefined, { signal: closing.signal }).catch(() => undefined);
      await Promise.race([running, late]);
    }
    closing.abort();
    await running;
  }

  return {
    start() {
      running ??= run();
    },
    get connected() {
      return connected;
    },
    close: () => (closed ??= endWithGoodbye()),
  };
}
