/** Listeners and their HTTP connection manager. Field choices: envoy.md §1, §5 and security-and-reliability §1.3. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ListenerSchema, type Listener } from '../../../gen/envoy/config/listener/v3/listener_pb.js';
import { HttpProtocolOptions_HeadersWithUnderscoresAction } from '../../../gen/envoy/config/core/v3/protocol_pb.js';
import {
  HttpConnectionManagerSchema,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManager_ServerHeaderTransformation,
} from '../../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { UuidRequestIdConfigSchema } from '../../../gen/envoy/extensions/request_id/uuid/v3/uuid_pb.js';
import { HTTP_LISTENER, HTTPS_LISTENER, ROUTE_CONFIGURATION } from '../../names.js';
import { accessLog } from './access-log.js';
import { adsSource } from '../clusters/config-source.js';
import { httpFilters } from './http-filters.js';
import { localReplyConfig } from './local-reply.js';
import { any, duration, socketAddress } from '../messages.js';
import type { ListenAddress, RenderOptions } from '../options.js';
import { downstreamTls } from '../clusters/tls.js';

/** Signed requests carry long header lists; an attacker's cost to us stays bounded. */
const MAX_HEADERS_KB = 96;
/** Slow senders: headers must be complete by then. */
const HEADERS_TIMEOUT_MS = 10_000;
/** Nothing in either direction; routes set their own once one is chosen. */
const STREAM_IDLE_MS = 300_000;
const CONNECTION_IDLE_MS = 300_000;
export const CONNECTION_BUFFER_BYTES = 1024 * 1024;

/** The broadcast address is never a peer. */
const NOBODY = { addressPrefix: '255.255.255.255', prefixLen: 32 };

const HTTP2 = {
  maxConcurrentStreams: 100,
  initialStreamWindowSize: 64 * 1024,
  initialConnectionWindowSize: 1024 * 1024,
};

export function renderListeners(options: RenderOptions): readonly Listener[] {
  const listeners: Listener[] = [];
  if (options.http) listeners.push(listener(HTTP_LISTENER, options.http, options));
  if (options.https) {
    const https = listener(HTTPS_LISTENER, options.https, options);
    https.filterChains[0]!.transportSocket = downstreamTls;
    listeners.push(https);
  }
  return listeners;
}

function listener(name: string, { address, port }: ListenAddress, options: RenderOptions): Listener {
  return create(ListenerSchema, {
    name,
    address: socketAddress(address, port),
    perConnectionBufferLimitBytes: CONNECTION_BUFFER_BYTES,
    filterChains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            configType: { case: 'typedConfig', value: connectionManager(name, options) },
          },
        ],
      },
    ],
  });
}

const connectionManager = (statPrefix: string, options: RenderOptions) =>
  any(HttpConnectionManagerSchema, {
    statPrefix,
    routeSpecifier: { case: 'rds', value: { routeConfigName: ROUTE_CONFIGURATION, configSource: adsSource } },
    httpFilters: [...httpFilters(options)],
    accessLog: [accessLog],
    localReplyConfig,
    ...connectionSettings(options),
  });

/** What is read from the wire and believed, alike in every Envoy in front of an authorizer. */
export const connectionSettings = (options: Pick<RenderOptions, 'trustedHops'>) =>
  ({
    // Byte for byte: what is signed, matched and forwarded is what arrived. The guard refuses the rest.
    normalizePath: false,
    mergeSlashes: false,
    pathWithEscapedSlashesAction: HttpConnectionManager_PathWithEscapedSlashesAction.KEEP_UNCHANGED,

    // We are the edge: nobody's x-forwarded-proto, x-envoy-* or request id is believed. With an empty list Envoy would
    // trust every private address, hence every pod; without one it trusts none, but later versions may: so the list
    // names nobody.
    useRemoteAddress: true,
    xffNumTrustedHops: options.trustedHops,
    internalAddressConfig: { unixSockets: false, cidrRanges: [NOBODY] },
    generateRequestId: true,
    preserveExternalRequestId: false,
    alwaysSetRequestIdInResponse: true,
    requestIdExtension: {
      // A plain random UUID: without it a digit of the id tells whether the request is traced.
      typedConfig: any(UuidRequestIdConfigSchema, { packTraceReason: false, useRequestIdForTraceSampling: false }),
    },

    serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
    maxRequestHeadersKb: MAX_HEADERS_KB,
    requestHeadersTimeout: duration(HEADERS_TIMEOUT_MS),
    streamIdleTimeout: duration(STREAM_IDLE_MS),
    commonHttpProtocolOptions: {
      idleTimeout: duration(CONNECTION_IDLE_MS),
      // Clients sign headers with underscores; the authorizer refuses those that look like ours.
      headersWithUnderscoresAction: HttpProtocolOptions_HeadersWithUnderscoresAction.ALLOW,
    },
    http2ProtocolOptions: HTTP2,
  }) satisfies MessageInitShape<typeof HttpConnectionManagerSchema>;
