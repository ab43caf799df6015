/** The HTTP filters, in the only order that is safe. */
import { create } from '@bufbuild/protobuf';
import { RouterSchema } from '../../../gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  HttpFilterSchema,
  type HttpFilter,
} from '../../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { ROUTER_FILTER } from '../../names.js';
import { corsFilter } from '../routes/cors.js';
import { headerMutationFilter } from '../routes/header-mutation.js';
import { extAuthzFilter } from '../routes/ext-authz.js';
import { extension } from '../messages.js';
import type { RenderOptions } from '../options.js';

/** @param headerMutation where the listener serves others too, one that does nothing by itself. */
export const httpFilters = (
  { authz }: Pick<RenderOptions, 'authz'>,
  headerMutation = headerMutationFilter,
): readonly HttpFilter[] =>
  [
    // First: a preflight carries no credential, and the headers it promises belong on denials too.
    corsFilter,
    // Touches trailers and responses only, so its place among the requests' filters does not matter.
    headerMutation,
    // Directly before the router: nothing after it may change what was verified and signed.
    extAuthzFilter(authz.timeoutMs),
    // Last by definition. No x-envoy-* headers of its own: they would reach the backend unsigned.
    extension(ROUTER_FILTER, RouterSchema, { suppressEnvoyHeaders: true }),
  ].map(({ name, typedConfig }) =>
    create(HttpFilterSchema, { name, configType: { case: 'typedConfig', value: typedConfig } }),
  );
