/**
 * Refuses, before any route and without the authorizer, what two servers could read differently: non-canonical
 * paths, and the methods TRACE (echoes the signed request) and CONNECT. Spec: envoy.md §1.2.
 */
import { create } from '@bufbuild/protobuf';
import { RouteSchema, type Route } from '../../../gen/envoy/config/route/v3/route_components_pb.js';
import { HttpRequestHeaderMatchInputSchema } from '../../../gen/envoy/type/matcher/v3/http_inputs_pb.js';
import {
  Matcher_MatcherList_FieldMatcherSchema,
  type Matcher_MatcherList_FieldMatcher,
} from '../../../gen/xds/type/matcher/v3/matcher_pb.js';
import type { DenyReason } from '../../../lib/reason.js';
import { reasonRow } from '../../../lib/reason.js';
import { EXT_AUTHZ_FILTER, METADATA_NAMESPACE } from '../../names.js';
import { noExtAuthz } from './ext-authz.js';
import { any, extension } from '../messages.js';

/**
 * Empty segment, backslash, escaped slash, backslash or NUL, and dot segments also when written with escapes or
 * followed by `;parameters`. `:path` includes the query, which may hold any of them.
 */
export const NON_CANONICAL_PATH = '^[^?]*(//|\\\\|%2[fF]|%5[cC]|%00|/(\\.|%2[eE]){1,2}(;[^/?]*)?(/|\\?|$)).*';
const REFUSED_METHOD = 'TRACE|CONNECT';

export const headerInput = (name: string) => extension(name, HttpRequestHeaderMatchInputSchema, { headerName: name });

function refuse(name: string, reason: DenyReason): Route {
  return create(RouteSchema, {
    name,
    // Also a path without a leading slash (`*`): the guard is the last word.
    match: { pathSpecifier: { case: 'prefix', value: '' } },
    action: { case: 'directResponse', value: { status: reasonRow(reason).status } },
    metadata: { filterMetadata: { [METADATA_NAMESPACE]: { reason } } },
    typedPerFilterConfig: { [EXT_AUTHZ_FILTER]: noExtAuthz },
  });
}

function rule(header: string, regex: string, route: Route): Matcher_MatcherList_FieldMatcher {
  return create(Matcher_MatcherList_FieldMatcherSchema, {
    predicate: {
      matchType: {
        case: 'singlePredicate',
        value: {
          input: headerInput(header),
          matcher: {
            case: 'valueMatch',
            value: {
              matchPattern: { case: 'safeRegex', value: { regex, engineType: { case: 'googleRe2', value: {} } } },
            },
          },
        },
      },
    },
    onMatch: { onMatch: { case: 'action', value: { name: route.name, typedConfig: any(RouteSchema, route) } } },
  });
}

export const guardRules: readonly Matcher_MatcherList_FieldMatcher[] = [
  rule(':path', NON_CANONICAL_PATH, refuse('non-canonical-path', 'non_canonical_path')),
  rule(':method', REFUSED_METHOD, refuse('refused-method', 'method_not_allowed')),
];
