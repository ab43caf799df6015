/** The resource types a client may subscribe to, as data: policy types for authorizers are further rows. */

export interface ResourceType {
  readonly typeUrl: string;
  /**
   * `AfterAdditions` (default): additions of all types go first, then removals in reverse order of the types, so
   * that nothing in use loses what it refers to. `BeforeLaterTypes`: a removal counts like an addition; later
   * types wait for it. Policy types need that: a revoked key is gone before the epoch that closes the change.
   */
  readonly removal?: 'AfterAdditions' | 'BeforeLaterTypes';
  /**
   * How long a removed resource stays once nothing refers to it. Requests that picked a route before a change
   * still need its cluster while the authorizer or a slow upload holds them.
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
