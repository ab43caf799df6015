/** The ext_authz filter and its settings per route. Field choices: envoy.md §2, §3 and §7. */
import type { Any } from '@bufbuild/protobuf/wkt';
import { ApiVersion } from '../../../gen/envoy/config/core/v3/config_source_pb.js';
import {
  ExtAuthzPerRouteSchema,
  ExtAuthzSchema,
} from '../../../gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.js';
import { PreviousHostsPredicateSchema } from '../../../gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { StatusCode } from '../../../gen/envoy/type/v3/http_status_pb.js';
import { AUTHZ_CLUSTER, EXT_AUTHZ_FILTER, ROUTE_CONTEXT_KEY } from '../../names.js';
import { any, duration, extension, type Extension } from '../messages.js';

/** Another authorizer may answer what one that is going away could not; a Check has no effect until it is answered. */
const RETRY_ON = 'connect-failure,refused-stream,reset,unavailable,cancelled';

const RETRY_BASE_MS = 10;

export const previousHosts: Extension = extension(
  'envoy.retry_host_predicates.previous_hosts',
  PreviousHostsPredicateSchema,
  {},
);

export const extAuthzFilter = (timeoutMs: number): Extension =>
  extension(EXT_AUTHZ_FILTER, ExtAuthzSchema, {
    transportApiVersion: ApiVersion.V3,
    services: {
      case: 'grpcService',
      value: {
        targetSpecifier: { case: 'envoyGrpc', value: { clusterName: AUTHZ_CLUSTER } },
        timeout: duration(timeoutMs),
        retryPolicy: {
          retryOn: RETRY_ON,
          numRetries: 2,
          // The default starts at a second: measured, no retry came within the timeout. Envoy also takes the
          // maximum as the timeout of each try, which a large body may need whole.
          retryBackOff: { baseInterval: duration(RETRY_BASE_MS), maxInterval: duration(timeoutMs) },
          retryHostPredicate: [
            { name: previousHosts.name, configType: { case: 'typedConfig', value: previousHosts.typedConfig } },
          ],
          hostSelectionRetryMaxAttempts: 3n,
        },
      },
    },
    // Only carries packAsBytes, which Envoy reads here and nowhere else; each route says what it buffers.
    withRequestBody: { maxRequestBytes: 1, packAsBytes: true },
    failureModeAllow: false,
    // The default 403 would hide an outage as a denial.
    statusOnError: { code: StatusCode.ServiceUnavailable },
    encodeRawHeaders: true,
    validateMutations: true,
    // A rewritten path must not pick another route than the one that was authorized.
    clearRouteCache: false,
    emitFilterStateStats: true,
  });

/** `maxBodyBytes` undefined = the authorizer does not see the body. */
export const extAuthzRoute = (routeId: string, maxBodyBytes: number | undefined): Any =>
  any(ExtAuthzPerRouteSchema, {
    override: {
      case: 'checkSettings',
      value: {
        contextExtensions: { [ROUTE_CONTEXT_KEY]: routeId },
        ...(maxBodyBytes === undefined
          ? { disableRequestBodyBuffering: true }
          : { withRequestBody: { maxRequestBytes: maxBodyBytes, packAsBytes: true } }),
      },
    },
  });

export const noExtAuthz: Any = any(ExtAuthzPerRouteSchema, { override: { case: 'disabled', value: true } });
