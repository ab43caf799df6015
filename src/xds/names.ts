/**
 * Every generated name. Dashboards, access logs and NACKs show them, so they are public: stable under
 * reordering, derived from namespace/name or from a content hash, never from a position.
 */
import type { ResourceKey } from '../model/model.js';

export const ROUTE_CONFIGURATION = 'countersign';
export const HTTP_LISTENER = 'http';
export const HTTPS_LISTENER = 'https';
/** Secret resource that names the certificate files of the https listener; it holds no key material. */
export const HTTPS_CERTIFICATE = 'https-certificate';

/** Static clusters of the bootstrap. */
export const AUTHZ_CLUSTER = 'countersign-authz';
export const XDS_CLUSTER = 'countersign-xds';
export const ADMIN_CLUSTER = 'countersign-admin';
/** Static listener of the bootstrap. */
export const STATS_LISTENER = 'countersign-stats';

/** Key of `context_extensions` under which the authorizer finds the route. */
export const ROUTE_CONTEXT_KEY = 'route';
/** Namespace of route metadata that the access log reads. */
export const METADATA_NAMESPACE = 'countersign';

export const EXT_AUTHZ_FILTER = 'envoy.filters.http.ext_authz';
export const HEADER_MUTATION_FILTER = 'envoy.filters.http.header_mutation';
export const CORS_FILTER = 'envoy.filters.http.cors';
export const ROUTER_FILTER = 'envoy.filters.http.router';

export const clusterName = (backendId: string): string => `backend/${backendId}`;

/** Hosts with equal routes share a virtual host; the first in order names it. */
export const virtualHostName = (hostnames: readonly string[]): string => hostnames[0]!;

export const mountRouteName = (group: ResourceKey, environment: string): string => `${group}/${environment}`;
export const apiRouteName = (group: ResourceKey, environment: string, api: string): string =>
  `${group}/${environment}/${api}`;

/** Route id and name of requests that choose no environment of the group: the authorizer answers `unknown_environment`. */
export const unknownEnvironmentRoute = (group: ResourceKey): string => `unknown-environment:${group}`;
