/**
 * Fields that nobody signs or that nobody outside may see. Request trailers: no scheme covers them, and a backend
 * that merges them into the headers would take a caller's for ours. Responses: a backend that echoes its request
 * headers would hand our signature, for Basic the very secret, to the caller.
 */
import { create } from '@bufbuild/protobuf';
import {
  HeaderMutationSchema as MutationSchema,
  type HeaderMutation as Mutation,
} from '../../gen/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js';
import { HeaderMutationSchema } from '../../gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js';
import { HEADER_MUTATION_FILTER } from '../names.js';
import { extension } from './messages.js';

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

export const headerMutationFilter = extension(HEADER_MUTATION_FILTER, HeaderMutationSchema, {
  mutations: {
    requestTrailersMutations: [removeAll()],
    responseMutations: ownAndCredential,
    responseTrailersMutations: ownAndCredential,
  },
});
