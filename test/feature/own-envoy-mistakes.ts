/** Ways to get an Envoy of one's own wrong: what is changed, a request, and what comes of it. */

type Json = { [name: string]: unknown };

/** The parts of a connection manager that mistakes are made in. */
export interface Hcm extends Json {
  http_filters: { name: string; typed_config: Json; disabled?: boolean }[];
  route_config: Json & { virtual_hosts: (Json & { name: string })[] };
}

export interface Misconfiguration {
  /** Of the listener that has it. */
  readonly name: string;
  /** The mistake as docs/own-envoy.md has it, which tells the same outcome; `undefined`: it is none. */
  readonly row: string | undefined;
  /** Refused as unsafe | refused for another reason | nothing lost | unseen: the authorizer cannot know. */
  readonly outcome: 'unsafe_gateway' | 'refused' | 'harmless' | 'unseen';
  readonly change: (hcm: Hcm) => void;
  /** Changes to a signed GET of /orders/v1. */
  readonly request?: {
    readonly method?: string;
    readonly target?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    /** Address of the caller; default 127.0.0.1, which Envoy treats as itself. */
    readonly from?: string;
  };
  /** One of them. */
  readonly status: number | readonly number[];
  /** Of the authorizer; absent where it was not asked or its answer did not count. */
  readonly reason?: string;
  /** Path with which the request reached the backend of the API. */
  readonly forwarded?: string;
  /** Who the backend is told that the caller is, where that is not the caller. */
  readonly identity?: string;
  /** Whether the caller sees the credentials that the backend echoes. */
  readonly echoed?: boolean;
}

const EXT_AUTHZ = 'envoy.filters.http.ext_authz';
const check = (hcm: Hcm): Json => hcm.http_filters.find(({ name }) => name === EXT_AUTHZ)!.typed_config;
const ours = (hcm: Hcm): Json => hcm.route_config.virtual_hosts.find(({ name }) => name !== 'mine')!;

/** Calls `visit` with every object inside. */
function walk(value: unknown, visit: (object: Json) => void): void {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) visit(value as Json);
  for (const each of Object.values(value)) walk(each, visit);
}
/** Settings per route of the routes that ask the authorizer. */
const perRoute = (hcm: Hcm, change: (settings: Json) => void): void =>
  walk(ours(hcm), (object) => {
    if (object['check_settings']) change(object['check_settings'] as Json);
  });
const routeAction = (hcm: Hcm, change: (action: Json) => void): void =>
  walk(ours(hcm), (object) => {
    if (object['cluster']) change(object);
  });
const withoutGuard = (hcm: Hcm): void => {
  (ours(hcm)['matcher'] as { matcher_list: { matchers: unknown[] } }).matcher_list.matchers.splice(0, 1);
};

const UNSAFE = { outcome: 'unsafe_gateway', status: 503, reason: 'unsafe_gateway' } as const;
const POST = { method: 'POST', body: 'text' } as const;
const ALLOWED = { status: 200, reason: 'ok', forwarded: '/v1' } as const;

export const misconfigurations: readonly Misconfiguration[] = [
  {
    name: 'encode_raw_headers off',
    row: '`encode_raw_headers` off',
    ...UNSAFE,
    change: (hcm) => (check(hcm)['encode_raw_headers'] = false),
  },
  {
    name: 'pack_as_bytes off at the filter',
    row: '`pack_as_bytes` off at the filter',
    ...UNSAFE,
    change: (hcm) => (check(hcm)['with_request_body'] = { max_request_bytes: 1 }),
    request: POST,
  },
  {
    name: 'no context_extensions',
    row: 'no `context_extensions`, or no settings per route',
    ...UNSAFE,
    change: (hcm) => perRoute(hcm, (each) => delete each['context_extensions']),
  },
  {
    name: 'no settings per route at all',
    row: 'no `context_extensions`, or no settings per route',
    ...UNSAFE,
    change: (hcm) =>
      walk(ours(hcm), (object) => {
        const filters = object['typed_per_filter_config'] as Json | undefined;
        if ((filters?.[EXT_AUTHZ] as Json | undefined)?.['check_settings']) delete filters![EXT_AUTHZ];
      }),
  },
  {
    name: 'a route of another folder or time',
    row: 'routes of another folder, or of an earlier time',
    outcome: 'refused',
    change: (hcm) => perRoute(hcm, (each) => (each['context_extensions'] = { route: '000000000000000000000000' })),
    status: 503,
    reason: 'route_mismatch',
  },
  {
    name: 'use_remote_address off',
    row: '`use_remote_address` off',
    ...UNSAFE,
    change: (hcm) => (hcm['use_remote_address'] = false),
  },
  {
    name: 'use_remote_address off and a caller that forges its address',
    row: '`use_remote_address` off',
    ...UNSAFE,
    change: (hcm) => (hcm['use_remote_address'] = false),
    request: { from: '127.0.0.2', headers: { 'X-Forwarded-For': '198.51.100.9' } },
  },
  {
    name: 'use_remote_address off and a caller that claims to be inside',
    row: '`use_remote_address` off',
    ...UNSAFE,
    change(hcm) {
      hcm['use_remote_address'] = false;
      hcm['internal_address_config'] = { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] };
    },
    request: { headers: { 'X-Forwarded-For': '10.0.0.1' } },
  },
  {
    name: 'use_remote_address off and a caller on the same machine that names an address',
    row: '`use_remote_address` off',
    outcome: 'unseen',
    change: (hcm) => (hcm['use_remote_address'] = false),
    request: { headers: { 'X-Forwarded-For': '198.51.100.9' } },
    ...ALLOWED,
  },
  {
    name: 'internal_address_config that lists no address',
    row: '`internal_address_config` that lists callers, or lists nothing',
    ...UNSAFE,
    change: (hcm) => (hcm['internal_address_config'] = { unix_sockets: false }),
  },
  {
    name: 'internal_address_config that trusts callers',
    row: '`internal_address_config` that lists callers, or lists nothing',
    ...UNSAFE,
    change: (hcm) => (hcm['internal_address_config'] = { cidr_ranges: [{ address_prefix: '0.0.0.0', prefix_len: 0 }] }),
  },
  {
    name: 'internal_address_config left out, as Envoy 1.40 reads it',
    row: undefined,
    outcome: 'harmless',
    change: (hcm) => delete hcm['internal_address_config'],
    ...ALLOWED,
  },
  {
    name: 'allowed_headers',
    row: '`allowed_headers`',
    ...UNSAFE,
    change: (hcm) =>
      (check(hcm)['allowed_headers'] = { patterns: ['authorization', 'date', 'source'].map((exact) => ({ exact })) }),
  },
  {
    name: 'disallowed_headers that hide what is signed',
    row: '`disallowed_headers`',
    outcome: 'refused',
    change: (hcm) => (check(hcm)['disallowed_headers'] = { patterns: [{ exact: 'date' }] }),
    status: 401,
    reason: 'missing_signed_header',
  },
  {
    name: 'disallowed_headers that hide what is not signed',
    row: '`disallowed_headers`',
    outcome: 'unseen',
    change: (hcm) => (check(hcm)['disallowed_headers'] = { patterns: [{ exact: 'x-mine' }] }),
    request: { headers: { 'X-Mine': 'hidden' } },
    ...ALLOWED,
  },
  {
    name: 'with_request_body left out',
    row: '`with_request_body` left out, filter and routes',
    ...UNSAFE,
    change(hcm) {
      delete check(hcm)['with_request_body'];
      perRoute(hcm, (each) => delete each['with_request_body']);
    },
    request: POST,
  },
  {
    name: 'with_request_body left out, a body without a length',
    row: '`with_request_body` left out, filter and routes',
    outcome: 'unseen',
    change(hcm) {
      delete check(hcm)['with_request_body'];
      perRoute(hcm, (each) => delete each['with_request_body']);
    },
    request: { method: 'POST', headers: { 'Transfer-Encoding': 'chunked' } },
    ...ALLOWED,
  },
  {
    name: 'with_request_body left out per route',
    row: '`with_request_body` left out on a route',
    outcome: 'refused',
    change: (hcm) => perRoute(hcm, (each) => delete each['with_request_body']),
    request: POST,
    status: 413,
  },
  {
    name: 'allow_partial_message',
    row: '`allow_partial_message`',
    outcome: 'refused',
    change: (hcm) =>
      perRoute(hcm, (each) => (each['with_request_body'] = { max_request_bytes: 2, allow_partial_message: true })),
    request: POST,
    status: 413,
    reason: 'body_too_large',
  },
  {
    name: 'http_service in place of grpc_service',
    row: '`http_service` instead of `grpc_service`',
    outcome: 'refused',
    change(hcm) {
      delete check(hcm)['grpc_service'];
      check(hcm)['http_service'] = { server_uri: { uri: 'http://authz', cluster: 'countersign-authz', timeout: '1s' } };
    },
    // What answers is a gRPC server: an HTTP error, or none in time.
    status: [415, 503],
  },
  {
    name: 'without the guard',
    row: 'the guard left out',
    outcome: 'refused',
    change: withoutGuard,
    request: { target: '/orders/%2e%2e/v1' },
    status: 400,
    reason: 'non_canonical_path',
  },
  {
    name: 'normalize_path on',
    row: '`normalize_path`, `merge_slashes`, `path_with_escaped_slashes_action`',
    outcome: 'harmless',
    change(hcm) {
      hcm['normalize_path'] = true;
      hcm['merge_slashes'] = true;
    },
    // What is judged is what is forwarded; schemes that sign the path refuse what was changed on the way.
    request: { target: '/orders/x/..//v1' },
    ...ALLOWED,
  },
  {
    name: 'path_with_escaped_slashes_action UNESCAPE_AND_FORWARD',
    row: '`normalize_path`, `merge_slashes`, `path_with_escaped_slashes_action`',
    outcome: 'harmless',
    change: (hcm) => (hcm['path_with_escaped_slashes_action'] = 'UNESCAPE_AND_FORWARD'),
    request: { target: '/orders%2Fv1' },
    ...ALLOWED,
  },
  {
    name: 'a rewrite on our route',
    row: 'a rewrite, `request_headers_to_add`, mirroring or retries on our routes',
    outcome: 'unseen',
    change: (hcm) =>
      routeAction(hcm, (action) => (action['regex_rewrite'] = { pattern: { regex: '/v1' }, substitution: '/else' })),
    status: 200,
    reason: 'ok',
    forwarded: '/else',
  },
  {
    name: 'request_headers_to_add on our virtual host',
    row: 'a rewrite, `request_headers_to_add`, mirroring or retries on our routes',
    outcome: 'unseen',
    change(hcm) {
      const header = { key: 'x-countersign-key-id', value: 'somebody' };
      ours(hcm)['request_headers_to_add'] = [{ header, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }];
    },
    ...ALLOWED,
    identity: 'somebody',
  },
  {
    name: 'clear_route_cache',
    row: '`clear_route_cache`',
    outcome: 'unseen',
    change: (hcm) => (check(hcm)['clear_route_cache'] = true),
    status: 404,
    reason: 'ok',
  },
  {
    name: 'ext_authz disabled on our routes',
    row: 'ext_authz `disabled` on our routes',
    outcome: 'unseen',
    change: (hcm) =>
      walk(ours(hcm), (object) => {
        const filters = object['typed_per_filter_config'] as Json | undefined;
        const settings = filters?.[EXT_AUTHZ] as Json | undefined;
        if (!settings?.['check_settings']) return;
        delete settings['check_settings'];
        settings['disabled'] = true;
      }),
    request: { headers: { Authorization: 'none' } },
    status: 200,
    forwarded: '/orders/v1',
  },
  {
    name: 'a filter after ext_authz',
    row: 'a filter between ext_authz and the router',
    outcome: 'unseen',
    change(hcm) {
      const mine = hcm.http_filters.shift()!;
      const header = { key: 'x-countersign-key-id', value: 'somebody' };
      mine.typed_config['mutations'] = {
        request_mutations: [{ append: { header, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' } }],
      };
      hcm.http_filters.splice(-1, 0, mine);
    },
    ...ALLOWED,
    identity: 'somebody',
  },
  {
    name: 'decoder_header_mutation_rules',
    row: '`decoder_header_mutation_rules`',
    outcome: 'unseen',
    change: (hcm) => (check(hcm)['decoder_header_mutation_rules'] = { disallow_all: true }),
    request: { headers: { 'x-countersign-key-id': 'somebody' } },
    status: 200,
    reason: 'ok',
    forwarded: '/orders/v1',
    identity: 'somebody',
  },
  {
    name: 'failure_mode_allow and no authorizer',
    row: '`failure_mode_allow`, `shadow_mode`, `filter_enabled` below 100 %',
    outcome: 'unseen',
    change(hcm) {
      check(hcm)['failure_mode_allow'] = true;
      check(hcm)['grpc_service'] = { envoy_grpc: { cluster_name: 'away' }, timeout: '0.2s' };
    },
    request: { headers: { Authorization: 'none' } },
    status: 200,
    forwarded: '/orders/v1',
  },
  {
    name: 'shadow_mode',
    row: '`failure_mode_allow`, `shadow_mode`, `filter_enabled` below 100 %',
    outcome: 'unseen',
    change: (hcm) => (check(hcm)['shadow_mode'] = true),
    request: { headers: { Authorization: 'none' } },
    status: 200,
    reason: 'unsupported_scheme',
    forwarded: '/orders/v1',
  },
  {
    name: 'filter_enabled for none',
    row: '`failure_mode_allow`, `shadow_mode`, `filter_enabled` below 100 %',
    outcome: 'unseen',
    change: (hcm) => (check(hcm)['filter_enabled'] = { default_value: { numerator: 0 } }),
    request: { headers: { Authorization: 'none' } },
    status: 200,
    forwarded: '/orders/v1',
  },
  {
    name: 'the header_mutation filter left out',
    row: 'the header_mutation filter left out',
    outcome: 'unseen',
    change: (hcm) =>
      (hcm.http_filters = hcm.http_filters.filter(
        ({ typed_config: { '@type': type }, name }) => name === 'mine' || !String(type).endsWith('HeaderMutation'),
      )),
    ...ALLOWED,
    echoed: true,
  },
];
