/** How Envoy reaches the authorizers: sockets of its own machine, or ports on the network. */
import { create } from '@bufbuild/protobuf';
import { isIP } from 'node:net';
import { ClusterSchema, Cluster_DiscoveryType, type Cluster } from '../../../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Address } from '../../../gen/envoy/config/core/v3/address_pb.js';
import { LbEndpointSchema, type LbEndpoint } from '../../../gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { HttpProtocolOptionsSchema } from '../../../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { TransportSocket } from '../../../gen/envoy/config/core/v3/base_pb.js';
import { AUTHZ_CLUSTER } from '../../names.js';
import { DNS, HTTP_PROTOCOL_OPTIONS } from './cluster.js';
import { any, duration, pipeAddress, socketAddress } from '../messages.js';
import type { AuthorizerAddress } from '../options.js';

export const endpoint = (address: Address): LbEndpoint =>
  create(LbEndpointSchema, { hostIdentifier: { case: 'endpoint', value: { address } } });

export const http2 = (keepaliveMs: number) => ({
  [HTTP_PROTOCOL_OPTIONS]: any(HttpProtocolOptionsSchema, {
    upstreamProtocolOptions: {
      case: 'explicitHttpConfig',
      value: {
        protocolConfig: {
          case: 'http2ProtocolOptions',
          value: { connectionKeepalive: { interval: duration(keepaliveMs), timeout: duration(keepaliveMs / 5) } },
        },
      },
    },
  }),
});

const SOCKET_CONNECT_MS = 100;
/** With a TLS handshake, and below the time a check has in all, so that another authorizer can be tried. */
const PORT_CONNECT_MS = 250;

/**
 * Measured together in envoy.md §7: with these settings and the filter's retries no request fails while an
 * authorizer restarts. The default `max_retries: 3` alone would undo it.
 */
export function authzCluster(authorizers: readonly AuthorizerAddress[], transportSocket?: TransportSocket): Cluster {
  const isDns = authorizers.some((each) => 'host' in each && isIP(each.host) === 0);
  return create(ClusterSchema, {
    name: AUTHZ_CLUSTER,
    clusterDiscoveryType: isDns ? DNS : { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: duration(authorizers.some((each) => 'host' in each) ? PORT_CONNECT_MS : SOCKET_CONNECT_MS),
    loadAssignment: {
      clusterName: AUTHZ_CLUSTER,
      endpoints: [
        {
          lbEndpoints: authorizers.map((each) =>
            endpoint('host' in each ? socketAddress(each.host, each.port) : pipeAddress(each.socketPath)),
          ),
        },
      ],
    },
    // By default a change of health within a second of another waits up to a second on its way to the threads that
    // choose an authorizer. When two were restarted in a row they knew only the one that had just closed.
    // And by default Envoy sends Checks to all as soon as fewer than half serve: every other request failed then. All
    // are tried only when none is known to serve, so that a single one is found again before its next health check.
    commonLbConfig: { updateMergeWindow: duration(0), healthyPanicThreshold: { value: 1 } },
    circuitBreakers: { thresholds: [{ maxRequests: 10_000, maxPendingRequests: 10_000, maxRetries: 1_000 }] },
    outlierDetection: {
      consecutive5xx: 3,
      splitExternalLocalOriginErrors: true,
      consecutiveLocalOriginFailure: 2,
      interval: duration(1_000),
      baseEjectionTime: duration(5_000),
      maxEjectionPercent: 50,
    },
    // A worker that leaves is told from one that serves before it closes, and one that came back is no longer
    // ejected as soon as it answers: workers can be restarted one after the other.
    healthChecks: [
      {
        timeout: duration(1_000),
        interval: duration(1_000),
        noTrafficInterval: duration(1_000),
        unhealthyThreshold: 2,
        healthyThreshold: 1,
        healthChecker: { case: 'grpcHealthCheck', value: {} },
      },
    ],
    typedExtensionProtocolOptions: http2(5_000),
    ...(transportSocket ? { transportSocket } : {}),
  });
}
