/** What `render --for envoy` says beside the configuration: which settings are mandatory, and what goes wrong without. */

/** Above everything. */
export const HEAD = ` What an Envoy of your own needs so that Countersign's authorizer decides about these routes. Each section says where
 it goes; docs/own-envoy.md has the checklist and a whole example. MUST: without it requests pass that should not, or
 are changed after they were verified. "Seen": the authorizer notices and answers 503 unsafe_gateway. "Unseen": it
 cannot, so it is your duty. SHOULD: without it requests fail or look different. No secret is in here. After a
 change of hostnames, base paths, environments, backends, timeouts or body settings render again: until then such
 requests get 503 route_mismatch. Other edits (keys, grants, plans, APIs of the same backend) need nothing here.`;

/** Path of keys → comment above the last of them. `*` is every element of a list. */
export const NOTES: readonly (readonly [path: string, note: string])[] = [
  ['listener', ' Into your listener. SHOULD: bounds what a slow or large request costs.'],
  [
    'http_connection_manager',
    ' Into the http_connection_manager. These count for all routes of the listener: give Countersign a listener of its\n own where your other routes need something else. Names, access log, tracing and http_protocol settings stay yours.',
  ],
  [
    'http_connection_manager.normalize_path',
    ' MUST, unseen: clients sign the bytes they send; changed before they are verified, good signatures fail.',
  ],
  ['http_connection_manager.merge_slashes', ' MUST, unseen: as above; so is the next.'],
  [
    'http_connection_manager.use_remote_address',
    ' MUST, seen: otherwise callers choose their own address and set x-envoy-* headers that the router obeys.',
  ],
  [
    'http_connection_manager.internal_address_config',
    ' MUST, seen: no caller is one of its own. An empty list means every private address.',
  ],
  [
    'http_connection_manager.local_reply_config',
    " SHOULD: Envoy's own refusals on our hosts in the shape of the authorizer's. Your other hosts are left alone.",
  ],
  [
    'http_connection_manager.generate_request_id',
    ' SHOULD: the request id that refusals show is made here, and nobody outside chooses it.',
  ],
  [
    'http_connection_manager.common_http_protocol_options.headers_with_underscores_action',
    ' SHOULD: clients sign such headers. The authorizer refuses those that look like ours.',
  ],
  [
    'http_filters',
    ' Into http_filters, in this order. MUST, unseen: nothing but the router comes after ext_authz, since it would change\n what was verified and signed. Filters of your own go first.',
  ],
  [
    'http_filters.envoy.filters.http.cors',
    ' Only for groups with cors: answers preflights. No effect on routes without a policy.',
  ],
  [
    'http_filters.envoy.filters.http.header_mutation',
    ' MUST, unseen. Does nothing by itself: our virtual hosts say what it removes.',
  ],
  [
    'http_filters.envoy.filters.http.ext_authz',
    ' MUST. Do not set `disabled`, failure_mode_allow, allow_partial_message, allowed_headers, disallowed_headers,\n decoder_header_mutation_rules, clear_route_cache, filter_enabled, shadow_mode or http_service.',
  ],
  [
    'http_filters.envoy.filters.http.ext_authz.typed_config.with_request_body',
    ' MUST, seen: carries pack_as_bytes, which Envoy reads here alone. How much is buffered each route says.',
  ],
  [
    'http_filters.envoy.filters.http.ext_authz.typed_config.encode_raw_headers',
    ' MUST, seen: headers as they came, each line by itself.',
  ],
  [
    'http_filters.envoy.filters.http.ext_authz.typed_config.status_on_error',
    ' SHOULD: an authorizer that is away is an outage (503), not a denial (403).',
  ],
  [
    'http_filters.envoy.filters.http.router',
    ' Your router. SHOULD: without suppress_envoy_headers backends get x-envoy-* headers that nobody signed.',
  ],
  ['route_config', ' Into your route_config, or as the route configuration of your RDS.'],
  [
    'route_config.ignore_port_in_host_matching',
    ' MUST: api.example.com:8443 is the same host. Otherwise such requests go to whatever `*` means in your routes.',
  ],
  [
    'route_config.virtual_hosts',
    ' Whole, as they are. MUST, unseen: no rewrite, no request_headers_to_add, no retries on responses, no mirroring on\n these or above them. context_extensions names the route for the authorizer (seen when absent or unknown) and\n with_request_body belongs to it (seen for most requests). The first matchers are the guard: they refuse paths that\n two servers could read differently. For a path of your own on one of these hosts add a key to prefix_match_map,\n with what other_routes says.',
  ],
  [
    'other_routes',
    ' Into every other route or virtual host of the listener: the authorizer knows nothing of them and would refuse.',
  ],
  ['clusters', ' Into static_resources.clusters, or to your CDS.'],
  [
    'clusters.countersign-authz',
    ' Each worker of an authorizer is an endpoint. Health checks, ejection and max_retries keep requests from failing\n while one restarts.',
  ],
  [
    'secret_files',
    ' Two files beside Envoy, at the paths that the cluster names. Envoy reads the certificates again when their folder\n changes; in the cluster itself it would read them once.',
  ],
];
