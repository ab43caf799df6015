/** The resource types a client may subscribe to, as data: policy types for authorizers are further rows. */

export interface ResourceType {
  readonly typeUrl: string;
  /**
   * How long a removed resource stays before its removal is sent. Requests that picked a route before a change
   * still need its cluster while the authorizer and a slow upload hold them.
   */
  readonly removalDelayMs?: number;
}

const typeUrl = (name: string): string => `type.googleapis.com/${name}`;

export const CLUSTER_TYPE = typeUrl('envoy.config.cluster.v3.Cluster');
export const SECRET_TYPE = typeUrl('envoy.extensions.transport_sockets.tls.v3.Secret');
export const LISTENER_TYPE = typeUrl('envoy.config.listener.v3.Listener');
export const ROUTE_TYPE = typeUrl('envoy.config.route.v3.RouteConfiguration');

/** In the order in which additions go out: what others refer to comes first. Removals go the other way. */
export const ENVOY_RESOURCE_TYPES: readonly ResourceType[] = [
  { typeUrl: CLUSTER_TYPE, removalDelayMs: 15_000 },
  { typeUrl: SECRET_TYPE },
  { typeUrl: LISTENER_TYPE },
  { typeUrl: ROUTE_TYPE },
];
