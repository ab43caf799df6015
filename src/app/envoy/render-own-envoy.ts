/** What somebody's own Envoy needs, as named sections of plain data for `countersign render --for envoy`. */
import type { JsonObject } from '@bufbuild/protobuf';
import { join } from 'node:path';
import type { Config } from '../../config/settings.js';
import { ClusterSchema } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '../../gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../gen/envoy/config/route/v3/route_pb.js';
import { RouteSchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import { HttpConnectionManagerSchema } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { DiscoveryResponseSchema } from '../../gen/envoy/service/discovery/v3/discovery_pb.js';
import type { Model } from '../../model/model.js';
import { EXT_AUTHZ_FILTER } from '../../xds/names.js';
import { toEnvoyJson } from '../../xds/registry.js';
import type { AuthorizerAddress } from '../../xds/render/options.js';
import { renderForOwnEnvoy } from '../../xds/render/bootstrap/own-envoy.js';
import { renderOptions } from '../context.js';

export type OwnEnvoyPart = 'listener' | 'filter' | 'routes' | 'clusters' | 'secrets';

export interface OwnEnvoyPlaces {
  readonly authorizers: readonly AuthorizerAddress[];
  /** Folder of the two secret files, where Envoy runs. */
  readonly secretFolder: string;
}

export const CERTIFICATE_FILE = 'authorizer-certificate.yaml';
export const VALIDATION_FILE = 'authorizer-validation.yaml';

const EXPLICIT_MANAGER = {
  merge_slashes: false,
  path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
  preserve_external_request_id: false,
};
const EXPLICIT_CHECK = { failure_mode_allow: false, clear_route_cache: false };

const withExplicit = (filter: JsonObject): JsonObject =>
  filter['name'] === EXT_AUTHZ_FILTER
    ? { ...filter, typed_config: { ...(filter['typed_config'] as JsonObject), ...EXPLICIT_CHECK } }
    : filter;

/** Section name → content, in the order in which they are printed; each section belongs to one part. */
export function renderOwnEnvoy(
  model: Model,
  config: Config,
  { authorizers, secretFolder }: OwnEnvoyPlaces,
): Readonly<Record<OwnEnvoyPart, JsonObject>> {
  const { authz, trustedHops, caBundlePath } = renderOptions(config);
  const isOnNetwork = authorizers.some((each) => 'host' in each);
  const { listener, connectionManager, routes, otherRoute, clusters, secrets } = renderForOwnEnvoy(model, {
    authz,
    trustedHops,
    caBundlePath,
    authorizers,
    tls:
      isOnNetwork && config.authzTls === 'on'
        ? {
            certificatePath: config.xdsCert,
            privateKeyPath: config.xdsKey,
            caPath: config.xdsCa,
            serverNames: config.authorizerNames,
            certificateSecretPath: join(secretFolder, CERTIFICATE_FILE),
            validationSecretPath: join(secretFolder, VALIDATION_FILE),
          }
        : undefined,
  });
  const { http_filters, ...manager } = toEnvoyJson(HttpConnectionManagerSchema, connectionManager) as JsonObject;
  return {
    listener: {
      listener: toEnvoyJson(ListenerSchema, listener),
      // Written out although they are the defaults: what is pasted over must win.
      http_connection_manager: { normalize_path: false, ...EXPLICIT_MANAGER, ...manager },
    },
    filter: { http_filters: (http_filters as JsonObject[]).map(withExplicit) },
    routes: {
      route_config: toEnvoyJson(RouteConfigurationSchema, routes),
      other_routes: toEnvoyJson(RouteSchema, otherRoute),
    },
    clusters: { clusters: clusters.map((cluster) => toEnvoyJson(ClusterSchema, cluster)) },
    secrets: secrets
      ? {
          secret_files: {
            [CERTIFICATE_FILE]: toEnvoyJson(DiscoveryResponseSchema, secrets.certificate),
            [VALIDATION_FILE]: toEnvoyJson(DiscoveryResponseSchema, secrets.validation),
          },
        }
      : {},
  };
}
