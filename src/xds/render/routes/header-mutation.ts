/**
 * Fields that nobody signs or that nobody outside may see. Request trailers: no scheme covers them, and a backend
 * that merges them into the headers would take a caller's for ours. Responses: a backend that echoes its request
 * headers would hand our signature, for Basic the very secret, to the caller.
 */
import { create } from '@bufbuild/protobuf';
import {
  HeaderMutationSchema as MutationSchema,
  type HeaderMutation as Mutation,
} from '../../../gen/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js';
import type { Any } from '@bufbuild/protobuf/wkt';
import {
  HeaderMutationPerRouteSchema,
  HeaderMutationSchema,
} from '../../../gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js';
import { HEADER_MUTATION_FILTER } from '../../names.js';
import { any, extension } from '../messages.js';

const removePrefix = (prefix: string): Mutation =>
  create(MutationSchema, {
    action: {
      case: 'removeOnMatch',
      value: { keyMatcher: { matchPattern: { case: 'prefix', value: prefix }, ignoreCase: true } },
    },
  });
const remove = (name: string): Mutation => create(MutationSchema, { action: { case: 'remove', value: name } });
const removeAll = (): Mutation =>
  create(MutationSchema, {
    action: {
      case: 'removeOnMatch',
      value: { keyMatcher: { matchPattern: { case: 'safeRegex', value: { regex: '.*' } } } },
    },
  });

const ownAndCredential = [remove('authorization'), removePrefix('x-countersign-')];

const mutations = {
  requestTrailersMutations: [removeAll()],
  responseMutations: ownAndCredential,
  responseTrailersMutations: ownAndCredential,
};

export const headerMutationFilter = extension(HEADER_MUTATION_FILTER, HeaderMutationSchema, { mutations });

/** For a listener that serves others too: the filter does nothing by itself, and this where it is set. */
export const idleHeaderMutationFilter = extension(HEADER_MUTATION_FILTER, HeaderMutationSchema, {});
export const headerMutationPerRoute: Any = any(HeaderMutationPerRouteSchema, { mutations });
