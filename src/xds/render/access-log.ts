/**
 * One JSON line per request on stdout. No header value, no query and no body: what a caller can put a
 * credential into is never logged. Absent values are left out.
 */
import { create, type JsonObject } from '@bufbuild/protobuf';
import { AccessLogSchema, type AccessLog } from '../../gen/envoy/config/accesslog/v3/accesslog_pb.js';
import { StdoutAccessLogSchema } from '../../gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { EXT_AUTHZ_FILTER, METADATA_NAMESPACE } from '../names.js';
import { any } from './messages.js';

const decided = (field: string): string => `%DYNAMIC_METADATA(${EXT_AUTHZ_FILTER}:${field})%`;

const FIELDS: JsonObject = {
  time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  path: '%PATH(NQ)%',
  authority: '%REQ(:AUTHORITY)%',
  protocol: '%PROTOCOL%',
  status: '%RESPONSE_CODE%',
  flags: '%RESPONSE_FLAGS%',
  details: '%RESPONSE_CODE_DETAILS%',
  duration_ms: '%DURATION%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_failure: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  route: '%ROUTE_NAME%',
  request_id: '%REQ(X-REQUEST-ID)%',
  source: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  decision: decided('decision'),
  reason: decided('reason'),
  api: decided('api'),
  environment: decided('environment'),
  key_id: decided('key_id'),
  plan: decided('plan'),

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
