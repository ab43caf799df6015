/** What Envoy starts with: how it reaches the controller and the authorizers, and its own limits. */
import { create } from '@bufbuild/protobuf';
import { isIP } from 'node:net';
import { BootstrapSchema, type Bootstrap } from '../../gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { ClusterSchema, Cluster_DiscoveryType, type Cluster } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Address } from '../../gen/envoy/config/core/v3/address_pb.js';
import { ApiConfigSource_ApiType, ApiVersion } from '../../gen/envoy/config/core/v3/config_source_pb.js';
import { LbEndpointSchema, type LbEndpoint } from '../../gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { DownstreamConnectionsConfigSchema } from '../../gen/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.js';
import { HttpProtocolOptionsSchema } from '../../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { AUTHZ_CLUSTER, XDS_CLUSTER } from '../names.js';
import { HTTP_PROTOCOL_OPTIONS } from './cluster.js';
import { adsSource } from './config-source.js';
import { any, duration, pipeAddress, socketAddress } from './messages.js';
import type { BootstrapOptions, XdsAddress } from './options.js';
import { xdsTls } from './xds-tls.js';

/** Read and written by the owner alone: the admin interface can drain and stop Envoy. */
const ADMIN_SOCKET_MODE = 0o600;

export function renderBootstrap(options: BootstrapOptions): Bootstrap {
  return create(BootstrapSchema, {
    node: { id: options.nodeId, cluster: options.nodeCluster },
    admin: { address: pipeAddress(options.adminSocketPath, ADMIN_SOCKET_MODE) },
    dynamicResources: {
      ldsConfig: adsSource,
      cdsConfig: adsSource,
      adsConfig: {
        apiType: ApiConfigSource_ApiType.DELTA_GRPC,
        transportApiVersion: ApiVersion.V3,
        setNodeOnFirstMessageOnly: true,
        grpcServices: [
          {
            targetSpecifier: {
              case: 'envoyGrpc',
              value: {
                clusterName: XDS_CLUSTER,
                // The default goes up to 30 s; a controller that comes back is wanted sooner.
                retryPolicy: { retryBackOff: { baseInterval: duration(250), maxInterval: duration(5_000) } },
              },
            },
          },
        ],
      },
    },
    staticResources: { clusters: [xdsCluster(options.xds), authzCluster(options.authorizerSocketPaths)] },
    overloadManager: {
      resourceMonitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          configType: {
            case: 'typedConfig',
            value: any(DownstreamConnectionsConfigSchema, {
              maxActiveDownstreamConnections: BigInt(options.maxDownstreamConnections),
            }),
          },
        },
      ],
    },
    // Statistics of a cluster exist once it is used: thousands of backends would cost hundreds of megabytes.
    deferredStatOptions: { enableDeferredCreationStats: true },
  });
}

const endpoint = (address: Address): LbEndpoint =>
  create(LbEndpointSchema, { hostIdentifier: { case: 'endpoint', value: { address } } });

const http2 = (keepaliveMs: number) => ({
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

function xdsCluster(xds: BootstrapOptions['xds']): Cluster {
  const isStatic = 'socketPath' in xds || isIP(xds.host) !== 0;
  const address = 'socketPath' in xds ? pipeAddress(xds.socketPath) : socketAddress(xds.host, xds.port);
  return create(ClusterSchema, {
    name: XDS_CLUSTER,
    clusterDiscoveryType: {
      case: 'type',
      value: isStatic ? Cluster_DiscoveryType.STATIC : Cluster_DiscoveryType.STRICT_DNS,
    },
    connectTimeout: duration(1_000),
    loadAssignment: { clusterName: XDS_CLUSTER, endpoints: [{ lbEndpoints: [endpoint(address)] }] },
    typedExtensionProtocolOptions: http2('socketPath' in xds ? 30_000 : 10_000),
    ...('socketPath' in xds ? {} : leaderOnly(xds)),
  });
}

/** Replicas that do not lead are not healthy, and one healthy host of many is enough. */
const leaderOnly = ({ healthService, tls }: XdsAddress) => ({
  commonLbConfig: { healthyPanicThreshold: { value: 0 } },
  healthChecks: [
    {
      timeout: duration(1_000),
      interval: duration(1_000),
      noTrafficInterval: duration(1_000),
      unhealthyThreshold: 1,
      healthyThreshold: 1,
      healthChecker: { case: 'grpcHealthCheck' as const, value: { serviceName: healthService } },
    },
  ],
  transportSocket: xdsTls(tls),
});

/**
 * Measured together in envoy.md §7: with these settings and the filter's retries no request fails while an
 * authorizer restarts. The default `max_retries: 3` alone would undo it.
 */
function authzCluster(socketPaths: readonly string[]): Cluster {
  return create(ClusterSchema, {
    name: AUTHZ_CLUSTER,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: duration(100),
    loadAssignment: {
      clusterName: AUTHZ_CLUSTER,
      endpoints: [{ lbEndpoints: socketPaths.map((path) => endpoint(pipeAddress(path))) }],
    },
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
  });
}
