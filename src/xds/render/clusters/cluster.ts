/** One cluster per backend. */
import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { isIP } from 'node:net';
import { ClusterSchema, Cluster_DiscoveryType, type Cluster } from '../../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { LbEndpointSchema } from '../../../gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { DnsLookupFamily } from '../../../gen/envoy/extensions/clusters/common/dns/v3/dns_pb.js';
import { DnsClusterSchema } from '../../../gen/envoy/extensions/clusters/dns/v3/dns_cluster_pb.js';
import { HttpProtocolOptionsSchema } from '../../../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { compareText } from '../../../lib/compare-text.js';
import type { Backend, Group, Model } from '../../../model/model.js';
import { clusterName } from '../../names.js';
import { any, duration, socketAddress } from '../messages.js';
import { upstreamTls } from './tls.js';

export const HTTP_PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const CONNECT_TIMEOUT_MS = 5_000;
/** Below the keep-alive of common servers (Node closes after 5 s), so that no request meets a closing connection. */
const UPSTREAM_IDLE_MS = 4_000;
/** The default of 1024 would refuse traffic that the backend and its usage plans admit. */
const LIMIT = 100_000;
const CIRCUIT_BREAKERS = {
  thresholds: [{ maxConnections: LIMIT, maxPendingRequests: LIMIT, maxRequests: LIMIT, maxRetries: 1_000 }],
};

/** Each backend that a route uses, once, by id. */
export function backendsOf(model: Model): readonly Backend[] {
  const backends = new Map<string, Backend>();
  for (const group of model.groups) for (const backend of backendsOfGroup(group)) backends.set(backend.id, backend);
  return [...backends.values()].sort((a, b) => compareText(a.id, b.id));
}

/** A group that did not change uses what it did. */
const backendsByGroup = new WeakMap<Group, readonly Backend[]>();

function backendsOfGroup(group: Group): readonly Backend[] {
  let backends = backendsByGroup.get(group);
  if (!backends) {
    const routes = group.environments.flatMap(({ route, apis }) => [route, ...apis.map((api) => api.route)]);
    const used = new Map(routes.flatMap(({ backend }) => (backend ? [[backend.id, backend]] : [])));
    backendsByGroup.set(group, (backends = [...used.values()]));
  }
  return backends;
}

export const renderClusters = (model: Model, caBundlePath: string): readonly Cluster[] =>
  backendsOf(model).map((backend) => renderCluster(backend, caBundlePath));

/** A backend with a name among its endpoints is resolved by Envoy, again and again. */
export const isDnsBackend = (cluster: Cluster): boolean => cluster.clusterDiscoveryType.case === 'clusterType';

export function renderCluster(backend: Backend, caBundlePath: string): Cluster {
  const name = clusterName(backend.id);
  const isDns = backend.endpoints.some(({ host }) => isIP(host) === 0);
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: isDns ? DNS : STATIC,
    connectTimeout: duration(CONNECT_TIMEOUT_MS),
    loadAssignment: {
      clusterName: name,
      endpoints: [
        {
          lbEndpoints: backend.endpoints.map(({ host, port }) =>
            create(LbEndpointSchema, {
              hostIdentifier: { case: 'endpoint', value: { address: socketAddress(host, port) } },
            }),
          ),
        },
      ],
    },
    circuitBreakers: CIRCUIT_BREAKERS,
    typedExtensionProtocolOptions: { [HTTP_PROTOCOL_OPTIONS]: protocolOptions[backend.protocol] },
    ...(backend.tls ? { transportSocket: upstreamTls(backend.tls, backend.protocol, caBundlePath) } : {}),
  });
}

const STATIC: Cluster['clusterDiscoveryType'] = { case: 'type', value: Cluster_DiscoveryType.STATIC };
/** A name that is resolved again and again, each of its addresses an endpoint. */
export const DNS = {
  case: 'clusterType' as const,
  value: {
    name: 'envoy.cluster.dns',
    typedConfig: any(DnsClusterSchema, { respectDnsTtl: true, dnsLookupFamily: DnsLookupFamily.V4_PREFERRED }),
  },
};

const commonHttpProtocolOptions = { idleTimeout: duration(UPSTREAM_IDLE_MS) };
const explicit = (protocolConfig: 'httpProtocolOptions' | 'http2ProtocolOptions'): Any =>
  any(HttpProtocolOptionsSchema, {
    commonHttpProtocolOptions,
    upstreamProtocolOptions: {
      case: 'explicitHttpConfig',
      value: { protocolConfig: { case: protocolConfig, value: {} } },
    },
  });
const protocolOptions: Record<Backend['protocol'], Any> = {
  HTTP1: explicit('httpProtocolOptions'),
  HTTP2: explicit('http2ProtocolOptions'),
};
