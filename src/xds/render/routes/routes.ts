/** RouteConfiguration, virtual hosts and routes. No route rewrites anything: the authorizer sets what it signed. */
import { create, fromBinary, toBinary, type MessageInitShape, type UnknownField } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Any } from '@bufbuild/protobuf/wkt';
import { RouteConfigurationSchema, type RouteConfiguration } from '../../../gen/envoy/config/route/v3/route_pb.js';
import {
  DirectResponseActionSchema,
  HeaderMatcherSchema,
  RouteActionSchema,
  RouteListSchema,
  RouteMatchSchema,
  RouteSchema,
  VirtualHostSchema,
  type HeaderMatcher,
  type Route as RouteMessage,
  type RouteAction,
  type RouteMatch,
  type VirtualHost,
} from '../../../gen/envoy/config/route/v3/route_components_pb.js';
import { RegexMatcherSchema, type RegexMatcher } from '../../../gen/envoy/type/matcher/v3/regex_pb.js';
import { StringMatcherSchema, type StringMatcher } from '../../../gen/envoy/type/matcher/v3/string_pb.js';
import {
  Matcher_MatcherTree_MatchMapSchema,
  Matcher_OnMatchSchema,
} from '../../../gen/xds/type/matcher/v3/matcher_pb.js';
import { sameItems } from '../../../lib/same-items.js';
import type { Cors, Model, Route } from '../../../model/model.js';
import { clusterName, CORS_FILTER, EXT_AUTHZ_FILTER, ROUTE_CONFIGURATION, virtualHostName } from '../../names.js';
import { corsPolicy } from './cors.js';
import { extAuthzRoute, previousHosts } from './ext-authz.js';
import { guardRules, headerInput } from './guard.js';
import { any, duration } from '../messages.js';
import { hostsOf, type Entry, type Host, type Mount } from './mounts.js';
import { templateRegex } from './regex.js';
import { familiesOf, leavesOf, type Leaf } from './route-tree.js';

/** Header that chooses an environment with `match: {type: Header}`. */
const STAGE_HEADER = 'x-stage';

/** A backend may take its whole timeout before the first byte; only then is the stream idle. */
const IDLE_MARGIN_MS = 5_000;
/** Streams (gRPC, WebSocket) are checked once, at their start: the cap bounds how long a revoked key goes on. */
const STREAM_IDLE_MS = 300_000;
const STREAM_MAX_MS = 3_600_000;

/** Fields of an entry of any map on the wire. */
const MAP_KEY = 1;
const MAP_VALUE = 2;

/** As a message to look into; to send one see `packRouteConfiguration`. */
export const renderRouteConfiguration = (model: Model): RouteConfiguration =>
  fromBinary(RouteConfigurationSchema, packRouteConfiguration(model));

/** As bytes: what did not change since the last time is not encoded again. */
export function packRouteConfiguration(model: Model): Uint8Array<ArrayBuffer> {
  const render = new RouteRenderer();
  const partOf = (init: MessageInitShape<typeof RouteConfigurationSchema>): Uint8Array =>
    toBinary(RouteConfigurationSchema, create(RouteConfigurationSchema, init));
  // In the order of field numbers, as a whole message would be written.
  return joined([
    partOf({ name: ROUTE_CONFIGURATION }),
    ...hostsOf(model).flatMap((host) => render.packedHost(host)),
    // `api.example.com:8443` is the same host; the port stays in what is signed and forwarded.
    partOf({ ignorePortInHostMatching: true }),
  ]);
}

/** Once, and no larger than it is: there may be megabytes of it at each change. */
function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, end);
    end += chunk.length;
  }
  return bytes;
}

/**
 * What was made of mounts and entries, found by the first of them: those of a group that did not change are the same
 * objects. Only bytes are kept; those of leaves stand in their message as fields unknown to us, which are written as
 * they are.
 */
type Packed<K extends object, V> = WeakMap<K, { readonly of: readonly unknown[]; readonly value: V }>;
const packedHosts: Packed<Mount, readonly Uint8Array[]> = new WeakMap();
const packedFamilies: Packed<Mount, readonly UnknownField[]> = new WeakMap();
const packedLeaves: Packed<Entry, UnknownField> = new WeakMap();

function packedBy<K extends object, V>(packed: Packed<K, V>, first: K, of: readonly unknown[], pack: () => V): V {
  const known = packed.get(first);
  if (known && sameItems(known.of, of)) return known.value;
  const value = pack();
  packed.set(first, { of, value });
  return value;
}

/** Packs what many routes share only once. */
class RouteRenderer {
  readonly #routes = new Map<Entry, RouteMessage>();
  readonly #checks = new Map<string, Any>();
  readonly #cors = new Map<Cors, Any>();
  readonly #actions = new Map<Route, RouteAction>();

  /** In pieces. */
  packedHost({ hostnames, mounts }: Host): readonly Uint8Array[] {
    const families = familiesOf(mounts);
    const pack = () => {
      const bytes = toBinary(VirtualHostSchema, this.#virtualHost(hostnames, families));
      const { number } = RouteConfigurationSchema.field.virtualHosts;
      return [new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(bytes.length).finish(), bytes];
    };
    // Of many families one changes: its host is put together again. Of many hosts most stay whole.
    return families.length > 1 ? pack() : packedBy(packedHosts, mounts[0]!, [...mounts, ...hostnames], pack);
  }

  #virtualHost(hostnames: readonly string[], families: readonly (readonly Mount[])[]): VirtualHost {
    const leaves = create(Matcher_MatcherTree_MatchMapSchema);
    leaves.$unknown = families.flatMap((family) => this.#packedFamily(family));
    return create(VirtualHostSchema, {
      name: virtualHostName(hostnames),
      domains: [...hostnames],
      matcher: {
        matcherType: { case: 'matcherList', value: { matchers: [...guardRules] } },
        onNoMatch: {
          onMatch: {
            case: 'matcher',
            value: {
              matcherType: {
                case: 'matcherTree',
                value: {
                  input: headerInput(':path'),
                  treeType: { case: 'prefixMatchMap', value: leaves },
                },
              },
            },
          },
        },
      },
      // A request that may have reached the backend is never sent twice: nonces, quotas and side effects.
      retryPolicy: {
        retryOn: 'connect-failure,refused-stream',
        numRetries: 2,
        retryHostPredicate: [
          { name: previousHosts.name, configType: { case: 'typedConfig', value: previousHosts.typedConfig } },
        ],
        hostSelectionRetryMaxAttempts: 3n,
      },
    });
  }

  #packedFamily(family: readonly Mount[]): readonly UnknownField[] {
    return packedBy(packedFamilies, family[0]!, family, () => leavesOf(family).map((leaf) => this.#packedLeaf(leaf)));
  }

  /** An entry of the map from keys. */
  #packedLeaf({ key, entries }: Leaf): UnknownField {
    return packedBy(packedLeaves, entries[0]!, [key, ...entries], () => {
      const typedConfig = any(RouteListSchema, { routes: entries.map((entry) => this.#route(entry)) });
      const onMatch = create(Matcher_OnMatchSchema, { onMatch: { case: 'action', value: { name: key, typedConfig } } });
      const data = new BinaryWriter()
        .fork()
        .tag(MAP_KEY, WireType.LengthDelimited)
        .string(key)
        .tag(MAP_VALUE, WireType.LengthDelimited)
        .bytes(toBinary(Matcher_OnMatchSchema, onMatch))
        .join()
        .finish();
      const { number } = Matcher_MatcherTree_MatchMapSchema.field.map;
      return { no: number, wireType: WireType.LengthDelimited, data };
    });
  }

  #route(entry: Entry): RouteMessage {
    const known = this.#routes.get(entry);
    if (known) return known;
    const { target, cors } = entry;
    const route = create(RouteSchema, {
      name: entry.name,
      match: matchOf(entry),
      action: this.#action(target),
      typedPerFilterConfig: {
        ...(cors ? { [CORS_FILTER]: this.#corsOf(cors) } : {}),
        [EXT_AUTHZ_FILTER]: this.#checkOf(target),
      },
    });
    this.#routes.set(entry, route);
    return route;
  }

  #action(target: Entry['target']): RouteMessage['action'] {
    // The authorizer has answered before these are reached; should it not have, nothing is forwarded.
    if (target.type === 'UnknownEnvironment') return { case: 'directResponse', value: DIRECT_404 };
    if (!target.route.backend) return { case: 'directResponse', value: DIRECT_503 };
    let action = this.#actions.get(target.route);
    if (!action) this.#actions.set(target.route, (action = forward(target.route, target.route.backend.id)));
    return { case: 'route', value: action };
  }

  #checkOf(target: Entry['target']): Any {
    const [id, maxBodyBytes] =
      target.type === 'Route' ? [target.route.id, target.route.maxBodyBytes] : [target.id, undefined];
    let check = this.#checks.get(id);
    if (!check) this.#checks.set(id, (check = extAuthzRoute(id, maxBodyBytes)));
    return check;
  }

  #corsOf(cors: Cors): Any {
    let policy = this.#cors.get(cors);
    if (!policy) this.#cors.set(cors, (policy = corsPolicy(cors)));
    return policy;
  }
}

const DIRECT_404 = create(DirectResponseActionSchema, { status: 404 });
const DIRECT_503 = create(DirectResponseActionSchema, { status: 503 });

function forward(route: Route, backendId: string): RouteAction {
  const streamed = route.maxBodyBytes === undefined;
  return create(RouteActionSchema, {
    clusterSpecifier: { case: 'cluster', value: clusterName(backendId) },
    ...(streamed
      ? {
          timeout: duration(0),
          idleTimeout: duration(Math.max(STREAM_IDLE_MS, route.timeoutMs)),
          maxStreamDuration: { maxStreamDuration: duration(Math.max(STREAM_MAX_MS, route.timeoutMs)) },
          upgradeConfigs: [{ upgradeType: 'websocket' }],
        }
      : { timeout: duration(route.timeoutMs), idleTimeout: duration(route.timeoutMs + IDLE_MARGIN_MS) }),
  });
}

function matchOf({ path, methods, stage }: Entry): RouteMatch {
  const headers: HeaderMatcher[] = [];
  if (stage.type === 'Exact') headers.push(headerIs(STAGE_HEADER, { case: 'exact', value: stage.value }));
  if (stage.type === 'Present')
    headers.push(
      create(HeaderMatcherSchema, { name: STAGE_HEADER, headerMatchSpecifier: { case: 'presentMatch', value: true } }),
    );
  const method = methodMatcher(methods);
  if (method) headers.push(method);
  return create(RouteMatchSchema, { pathSpecifier: pathSpecifier(path), headers });
}

function pathSpecifier(path: Entry['path']): RouteMatch['pathSpecifier'] {
  switch (path.type) {
    case 'Exact':
      return { case: 'path', value: path.value };
    case 'Template':
      return { case: 'safeRegex', value: regexMatcher(templateRegex(path.segments)) };
    case 'Prefix':
      return path.value === '/' ? { case: 'prefix', value: '/' } : { case: 'pathSeparatedPrefix', value: path.value };
  }
}

function methodMatcher(methods: Entry['methods']): HeaderMatcher | undefined {
  if (methods === 'All') return undefined;
  if (methods === 'AllButOptions') return headerIs(':method', { case: 'exact', value: 'OPTIONS' }, true);
  const [only] = methods;
  return methods.length === 1
    ? headerIs(':method', { case: 'exact', value: only! })
    : headerIs(':method', { case: 'safeRegex', value: regexMatcher([...methods].sort().join('|')) });
}

const regexMatcher = (regex: string): RegexMatcher => create(RegexMatcherSchema, { regex });

const headerIs = (name: string, matchPattern: StringMatcher['matchPattern'], invertMatch = false): HeaderMatcher =>
  create(HeaderMatcherSchema, {
    name,
    headerMatchSpecifier: { case: 'stringMatch', value: create(StringMatcherSchema, { matchPattern }) },
    invertMatch,
  });
