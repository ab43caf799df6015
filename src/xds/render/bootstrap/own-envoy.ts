/**
 * What somebody's own Envoy needs to have beside its own listeners, routes and clusters. The same messages as in
 * ours, so that nothing here is a second truth; what would touch other routes of the listener is narrowed to ours.
 */
import { create } from '@bufbuild/protobuf';
import type { Cluster } from '../../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema, type Listener } from '../../../gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '../../../gen/envoy/config/route/v3/route_pb.js';
import { RouteSchema, type Route } from '../../../gen/envoy/config/route/v3/route_components_pb.js';
import {
  HttpConnectionManagerSchema,
  type HttpConnectionManager,
} from '../../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { DiscoveryResponse } from '../../../gen/envoy/service/discovery/v3/discovery_pb.js';
import type { Model } from '../../../model/model.js';
import { EXT_AUTHZ_FILTER, HEADER_MUTATION_FILTER } from '../../names.js';
import { authzCluster } from '../clusters/authz-cluster.js';
import { renderClusters } from '../clusters/cluster.js';
import { noExtAuthz } from '../routes/ext-authz.js';
import { headerMutationPerRoute, idleHeaderMutationFilter } from '../routes/header-mutation.js';
import { httpFilters } from '../listeners/http-filters.js';
import { connectionSettings, CONNECTION_BUFFER_BYTES } from '../listeners/listener.js';
import { localReplies, toHosts } from '../listeners/local-reply.js';
import type { AuthorizerAddress, RenderOptions, XdsTlsFiles } from '../options.js';
import { renderRouteConfiguration } from '../routes/routes.js';
import { AUTHORIZER_SECRETS, xdsSecrets, xdsTls } from '../clusters/xds-tls.js';

export interface OwnEnvoyOptions extends Pick<RenderOptions, 'authz' | 'trustedHops' | 'caBundlePath'> {
  readonly authorizers: readonly AuthorizerAddress[];
  /** mTLS to authorizers on the network. */
  readonly tls: OwnEnvoyTls | undefined;
}

export interface OwnEnvoyTls extends XdsTlsFiles {
  /** Where the two secret files will be. */
  readonly certificateSecretPath: string;
  readonly validationSecretPath: string;
}

/** Messages that hold only what is to be pasted. */
export interface OwnEnvoy {
  readonly listener: Listener;
  /** Without name, routes and access log, which stay the owner's. */
  readonly connectionManager: HttpConnectionManager;
  readonly routes: RouteConfiguration;
  /** What every other route of the listener needs. */
  readonly otherRoute: Route;
  readonly clusters: readonly Cluster[];
  readonly secrets: { readonly certificate: DiscoveryResponse; readonly validation: DiscoveryResponse } | undefined;
}

export function renderForOwnEnvoy(model: Model, options: OwnEnvoyOptions): OwnEnvoy {
  const { tls } = options;
  const routes = renderRouteConfiguration(model);
  routes.name = '';
  for (const host of routes.virtualHosts) host.typedPerFilterConfig[HEADER_MUTATION_FILTER] = headerMutationPerRoute;
  const hostnames = routes.virtualHosts.flatMap(({ domains }) => domains);
  const [serverName = ''] = tls?.serverNames ?? [];
  return {
    listener: create(ListenerSchema, { perConnectionBufferLimitBytes: CONNECTION_BUFFER_BYTES }),
    connectionManager: create(HttpConnectionManagerSchema, {
      ...connectionSettings(options),
      ...(hostnames.length === 0 ? {} : { localReplyConfig: localReplies([toHosts(hostnames)]) }),
      httpFilters: [...httpFilters(options, idleHeaderMutationFilter)],
    }),
    routes,
    otherRoute: create(RouteSchema, { typedPerFilterConfig: { [EXT_AUTHZ_FILTER]: noExtAuthz } }),
    clusters: [
      authzCluster(
        options.authorizers,
        tls && xdsTls({ ...tls, serverName: serverName.includes('://') ? '' : serverName }, AUTHORIZER_SECRETS),
      ),
      ...renderClusters(model, options.caBundlePath),
    ],
    secrets: tls && xdsSecrets(tls, AUTHORIZER_SECRETS),
  };
}
