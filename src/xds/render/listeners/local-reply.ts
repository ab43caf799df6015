/**
 * Gives Envoy's own refusals the Uniform shape and leaves the authorizer's alone:
 * those are local replies too, told apart by the dynamic metadata `decision: deny` that they carry.
 */
import { create } from '@bufbuild/protobuf';
import {
  AccessLogFilterSchema,
  ComparisonFilter_Op,
  type AccessLogFilter,
} from '../../../gen/envoy/config/accesslog/v3/accesslog_pb.js';
import {
  LocalReplyConfigSchema,
  ResponseMapperSchema,
  type LocalReplyConfig,
} from '../../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { REASONS, type UniformCode } from '../../../lib/reason.js';
import { EXT_AUTHZ_FILTER } from '../../names.js';
import { NON_CANONICAL_PATH } from '../routes/guard.js';
import { escapeRegex } from '../routes/regex.js';

interface Reply {
  readonly when: readonly AccessLogFilter[];
  readonly code: UniformCode;
  readonly message: string;
}

const status = (op: ComparisonFilter_Op, value: number): AccessLogFilter =>
  create(AccessLogFilterSchema, {
    filterSpecifier: {
      case: 'statusCodeFilter',
      value: { comparison: { op, value: { defaultValue: value, runtimeKey: `countersign.local_reply.${value}` } } },
    },
  });
const is = (value: number): AccessLogFilter => status(ComparisonFilter_Op.EQ, value);
const atLeast = (value: number): AccessLogFilter => status(ComparisonFilter_Op.GE, value);

/** The authorizer allowed the request; where it was not asked, `unasked`. */
const decided = (unasked: boolean): AccessLogFilter =>
  create(AccessLogFilterSchema, {
    filterSpecifier: {
      case: 'metadataFilter',
      value: {
        matcher: {
          filter: EXT_AUTHZ_FILTER,
          path: [{ segment: { case: 'key', value: 'decision' } }],
          value: { matchPattern: { case: 'stringMatch', value: { matchPattern: { case: 'exact', value: 'allow' } } } },
        },
        matchIfKeyNotFound: unasked,
      },
    },
  });

/** True unless the authorizer refused: it has not been asked, it failed, or it allowed and Envoy refused later. */
const notDenied = decided(true);

const headerMatches = (name: string, regex: string): AccessLogFilter =>
  create(AccessLogFilterSchema, {
    filterSpecifier: {
      case: 'headerFilter',
      value: {
        header: {
          name,
          headerMatchSpecifier: {
            case: 'stringMatch',
            value: { matchPattern: { case: 'safeRegex', value: { regex } } },
          },
        },
      },
    },
  });

const nonCanonicalPath = headerMatches(':path', NON_CANONICAL_PATH);

/** First match wins. */
const REPLIES: readonly Reply[] = [
  { when: [is(400), nonCanonicalPath], code: 'BadRequest', message: REASONS.non_canonical_path.message },
  { when: [is(403)], code: 'Forbidden', message: 'The API does not offer this protocol upgrade.' },
  { when: [is(404)], code: 'NotFound', message: REASONS.not_found.message },
  { when: [is(405)], code: 'MethodNotAllowed', message: REASONS.method_not_allowed.message },
  { when: [is(408)], code: 'BadRequest', message: 'The request did not arrive in time.' },
  { when: [is(413)], code: 'PayloadTooLarge', message: REASONS.body_too_large.message },
  { when: [is(426)], code: 'BadRequest', message: 'HTTP/1.1 or HTTP/2 is required.' },
  { when: [is(431)], code: 'BadRequest', message: 'The request headers are too large.' },
  { when: [is(504)], code: 'Unavailable', message: 'The backend did not answer in time.' },
  { when: [atLeast(500)], code: 'Unavailable', message: REASONS.internal_error.message },
  { when: [atLeast(400)], code: 'BadRequest', message: 'The request is malformed.' },
];

/**
 * No format for the rest: without a mapper Envoy keeps body and content type of the reply. `among` narrows the mappers to
 * some requests of a listener that serves others too.
 */
export const localReplies = (among: readonly AccessLogFilter[]): LocalReplyConfig =>
  create(LocalReplyConfigSchema, {
    mappers: REPLIES.map(({ when, code, message }) =>
      create(ResponseMapperSchema, {
        filter: { filterSpecifier: { case: 'andFilter', value: { filters: [...when, notDenied, ...among] } } },
        bodyFormatOverride: {
          format: { case: 'jsonFormat', value: { code, message, requestId: '%REQ(X-REQUEST-ID)%' } },
        },
      }),
    ),
  });

export const localReplyConfig: LocalReplyConfig = localReplies([]);

/**
 * Requests to these hosts, by the `:authority` that the caller sent, and those the authorizer allowed: it may have
 * given them another one. `*.example.com` is any host below.
 */
export function toHosts(hostnames: readonly string[]): AccessLogFilter {
  const names = hostnames.map((name) => (name.startsWith('*') ? `.+${escapeRegex(name.slice(1))}` : escapeRegex(name)));
  const byName = headerMatches(':authority', `(?i)(${names.join('|')})(:[0-9]+)?`);
  return create(AccessLogFilterSchema, {
    filterSpecifier: { case: 'orFilter', value: { filters: [byName, decided(false)] } },
  });
}
