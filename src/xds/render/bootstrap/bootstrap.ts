/** What Envoy starts with: how it reaches the controller and the authorizers, and its own limits. */
import { create } from '@bufbuild/protobuf';
import { isIP } from 'node:net';
import { BootstrapSchema, type Bootstrap } from '../../../gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { ClusterSchema, Cluster_DiscoveryType, type Cluster } from '../../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ApiConfigSource_ApiType, ApiVersion } from '../../../gen/envoy/config/core/v3/config_source_pb.js';
import { DownstreamConnectionsConfigSchema } from '../../../gen/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.js';
import { XDS_CLUSTER } from '../../names.js';
import { authzCluster, endpoint, http2 } from '../clusters/authz-cluster.js';
import { adsSource } from '../clusters/config-source.js';
import { any, duration, pipeAddress, socketAddress } from '../messages.js';
import type { BootstrapOptions, XdsAddress } from '../options.js';
import { adminCluster, statsListener } from '../listeners/stats-listener.js';
import { xdsTls } from '../clusters/xds-tls.js';

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
    staticResources: {
      listeners: options.stats ? [statsListener(options.stats)] : [],
      clusters: [
        xdsCluster(options.xds),
        authzCluster(options.authorizerSocketPaths.map((socketPath) => ({ socketPath }))),
        ...(options.stats ? [adminCluster(options.adminSocketPath)] : []),
      ],
    },
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
