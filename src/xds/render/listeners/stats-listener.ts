/**
 * Envoy's metrics on a port, for a Prometheus that cannot reach the admin socket. One page of the admin interface and
 * nothing else of it: the others drain, stop and lay open the whole configuration.
 */
import { create } from '@bufbuild/protobuf';
import { ClusterSchema, Cluster_DiscoveryType, type Cluster } from '../../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema, type Listener } from '../../../gen/envoy/config/listener/v3/listener_pb.js';
import { RouterSchema } from '../../../gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  HttpConnectionManager_CodecType,
  HttpConnectionManagerSchema,
} from '../../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { ADMIN_CLUSTER, ROUTER_FILTER, STATS_LISTENER } from '../../names.js';
import { endpoint } from '../clusters/authz-cluster.js';
import { connectionSettings } from './listener.js';
import { any, duration, pipeAddress, socketAddress } from '../messages.js';
import type { ListenAddress } from '../options.js';

const PAGE = '/stats/prometheus';
const TIMEOUT_MS = 10_000;

const exactly = (name: string, exact: string) => ({
  name,
  headerMatchSpecifier: {
    case: 'stringMatch' as const,
    value: { matchPattern: { case: 'exact' as const, value: exact } },
  },
});

export const statsListener = ({ address, port }: ListenAddress): Listener =>
  create(ListenerSchema, {
    name: STATS_LISTENER,
    address: socketAddress(address, port),
    perConnectionBufferLimitBytes: 32 * 1024,
    filterChains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            configType: {
              case: 'typedConfig',
              value: any(HttpConnectionManagerSchema, {
                statPrefix: STATS_LISTENER,
                codecType: HttpConnectionManager_CodecType.HTTP1,
                ...connectionSettings({ trustedHops: 0 }),
                routeSpecifier: {
                  case: 'routeConfig',
                  value: {
                    name: STATS_LISTENER,
                    virtualHosts: [
                      {
                        name: STATS_LISTENER,
                        domains: ['*'],
                        routes: [
                          {
                            name: STATS_LISTENER,
                            // The whole `:path` as it came, so that there is no query either: parameters filter by
                            // expressions and choose formats, on the thread that also takes up configuration.
                            match: {
                              pathSpecifier: { case: 'path', value: PAGE },
                              headers: [exactly(':path', PAGE), exactly(':method', 'GET')],
                            },
                            action: {
                              case: 'route',
                              value: {
                                clusterSpecifier: { case: 'cluster', value: ADMIN_CLUSTER },
                                timeout: duration(TIMEOUT_MS),
                              },
                            },
                          },
                        ],
                      },
                    ],
                  },
                },
                httpFilters: [
                  {
                    name: ROUTER_FILTER,
                    configType: { case: 'typedConfig', value: any(RouterSchema, { suppressEnvoyHeaders: true }) },
                  },
                ],
              }),
            },
          },
        ],
      },
    ],
  });

/** A page of many backends takes a while to make: who asks for it all the time waits, and Envoy does not. */
export const adminCluster = (adminSocketPath: string): Cluster =>
  create(ClusterSchema, {
    name: ADMIN_CLUSTER,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: duration(1_000),
    loadAssignment: {
      clusterName: ADMIN_CLUSTER,
      endpoints: [{ lbEndpoints: [endpoint(pipeAddress(adminSocketPath))] }],
    },
    circuitBreakers: { thresholds: [{ maxConnections: 2, maxPendingRequests: 8, maxRequests: 8 }] },
  });
