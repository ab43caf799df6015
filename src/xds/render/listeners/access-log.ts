/**
 * One JSON line per request on stdout. No header value, no query and no body: what a caller can put a
 * credential into is never logged. Absent values are left out.
 */
import { create, type JsonObject } from '@bufbuild/protobuf';
import { AccessLogSchema, type AccessLog } from '../../../gen/envoy/config/accesslog/v3/accesslog_pb.js';
import { StdoutAccessLogSchema } from '../../../gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { EXT_AUTHZ_FILTER, METADATA_NAMESPACE } from '../../names.js';
import { any } from '../messages.js';

interface Operator {
  readonly command: string;
  readonly param: string;
}

const fromAuthorizer = (key: string): Operator => ({
  command: 'DYNAMIC_METADATA',
  param: `${EXT_AUTHZ_FILTER}:${key}`,
});
const fromRoute = (key: string): Operator => ({ command: 'METADATA', param: `ROUTE:${METADATA_NAMESPACE}:${key}` });

const value = ({ command, param }: Operator): string => `%${command}(${param})%`;
/** The first that has a value. */
const firstOf = (...operators: readonly Operator[]): string => `%COALESCE(${JSON.stringify({ operators })})%`;

const FIELDS: JsonObject = {
  time: '%START_TIME%',
  // When the line is written the authorizer may have rewritten both; it says what the client sent.
  method: firstOf(fromAuthorizer('method'), { command: 'REQ', param: ':METHOD' }),
  path: firstOf(fromAuthorizer('path'), { command: 'PATH', param: 'NQ' }),
  authority: firstOf(fromAuthorizer('authority'), { command: 'REQ', param: ':AUTHORITY' }),
  protocol: '%PROTOCOL%',
  status: '%RESPONSE_CODE%',
  flags: '%RESPONSE_FLAGS%',
  details: '%RESPONSE_CODE_DETAILS%',
  duration_ms: '%DURATION%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  upstream_host: '%UPSTREAM_HOST%',
  route: '%ROUTE_NAME%',
  request_id: '%REQ(X-REQUEST-ID)%',
  source: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  decision: value(fromAuthorizer('decision')),
  // Of the guard where the authorizer was not asked; for Envoy's other refusals `details` says why.
  reason: firstOf(fromAuthorizer('reason'), fromRoute('reason')),
  api: value(fromAuthorizer('api')),
  environment: value(fromAuthorizer('environment')),
  key_id: value(fromAuthorizer('key_id')),
  plan: value(fromAuthorizer('plan')),
};

export const accessLog: AccessLog = create(AccessLogSchema, {
  name: 'envoy.access_loggers.stdout',
  configType: {
    case: 'typedConfig',
    value: any(StdoutAccessLogSchema, {
      accessLogFormat: {
        case: 'logFormat',
        value: { format: { case: 'jsonFormat', value: FIELDS }, omitEmptyValues: true },
      },
    }),
  },
});
