/**
 * Envoy's access log as it passes through: one JSON line per request. Refusals that Envoy made by itself carry
 * no reason from the authorizer; they get theirs here, so that every refusal has one word in log and metric.
 */
import type { DenyReason } from '../../lib/reason.js';

/** A line of the access log; the renderer of the listener decides the fields. */
export interface AccessLogEntry {
  readonly method?: string;
  readonly path?: string;
  readonly status?: number;
  readonly flags?: string;
  readonly details?: string;
  readonly duration_ms?: number;
  readonly decision?: string;
  readonly reason?: string;
  readonly api?: string;
  readonly key_id?: string;
  readonly [field: string]: unknown;
}

/** Reasons of Envoy's own refusals, with what they mean; a closed list, as they are metric labels. */
export const GATEWAY_REASONS = {
  non_canonical_path: 'The guard in front of the routes refused the path.',
  method_not_allowed: 'No API is offered by such a method.',
  not_found: 'No group serves this host and path.',
  body_too_large: 'The body is larger than the route buffers.',
  headers_too_large: 'The request headers are too large.',
  malformed_request: 'The request is not valid HTTP.',
  request_timeout: 'The request did not arrive in time.',
  upgrade_refused: 'The API offers no such protocol upgrade.',
  authorizer_unavailable: 'The authorizer did not answer in time, or not at all.',
  backend_unavailable: 'The backend cannot be reached, or closed the connection.',
  backend_timeout: 'The backend did not answer in time.',
  overloaded: 'The gateway is at one of its own limits.',
  client_closed: 'The caller went away before the answer.',
  other: 'Something else; `details` of the access log says what.',
} as const satisfies Partial<Record<DenyReason, string>> & Record<string, string>;

export type GatewayReason = keyof typeof GATEWAY_REASONS;

/** First match wins: response code details of Envoy 1.40, then its response flags, then the status. */
const RULES: readonly (readonly [pattern: RegExp, reason: GatewayReason])[] = [
  [/^ext_authz_(error|invalid)/, 'authorizer_unavailable'],
  [/^route_not_found/, 'not_found'],
  [/^request_payload_too_large/, 'body_too_large'],
  [/^request_headers_too_large|^http[12]\..*headers_too_large/, 'headers_too_large'],
  [/^upgrade_failed/, 'upgrade_refused'],
  [/^(request_overall_timeout|stream_idle_timeout|request_header_timeout)/, 'request_timeout'],
  [/^(upstream_response_timeout|upstream_per_try_timeout|response_timeout)/, 'backend_timeout'],
  [/^(upstream_reset|no_healthy_upstream|cluster_not_found|upstream_)/, 'backend_unavailable'],
  [/^(overload|maximum_)/, 'overloaded'],
  [/^downstream_(remote_disconnect|local_disconnect)/, 'client_closed'],
  [/^(missing_host|missing_path|low_version|http1\.|http2\.|http3\.|invalid_|path_normalization)/, 'malformed_request'],
];
const FLAGS: readonly (readonly [flag: string, reason: GatewayReason])[] = [
  ['UAEX', 'authorizer_unavailable'],
  ['NR', 'not_found'],
  ['UT', 'backend_timeout'],
  ['UF', 'backend_unavailable'],
  ['UC', 'backend_unavailable'],
  ['URX', 'backend_unavailable'],
  ['UH', 'backend_unavailable'],
  ['NC', 'backend_unavailable'],
  ['UO', 'overloaded'],
  ['OM', 'overloaded'],
  ['DPE', 'malformed_request'],
  ['DC', 'client_closed'],
];
const STATUSES: Readonly<Record<number, GatewayReason>> = {
  400: 'malformed_request',
  404: 'not_found',
  408: 'request_timeout',
  413: 'body_too_large',
  426: 'malformed_request',
  431: 'headers_too_large',
  504: 'backend_timeout',
};

/** The reason of a refusal that Envoy made by itself; `undefined` when authorizer or backend answered, or it is no refusal. */
export function gatewayReason(entry: AccessLogEntry): GatewayReason | undefined {
  const { details = '', flags = '', status = 0, reason, decision } = entry;
  // The authorizer's reasons come with its decision, those of our own routes without.
  if (decision === undefined && reason !== undefined && Object.hasOwn(GATEWAY_REASONS, reason))
    return reason as GatewayReason;
  if (reason !== undefined && reason !== '' && reason !== 'ok') return undefined;
  if (details === 'via_upstream' || details.startsWith('ext_authz_denied')) return undefined;
  if (status !== 0 && status < 400) return undefined;
  // Our routes answer by themselves in two cases: the guard, and an API whose backend is not resolved.
  if (details === 'direct_response') return status === 400 ? 'non_canonical_path' : 'backend_unavailable';
  const byDetails = RULES.find(([pattern]) => pattern.test(details));
  if (byDetails) return byDetails[1];
  const set = flags.split(',');
  return FLAGS.find(([flag]) => set.includes(flag))?.[1] ?? STATUSES[status] ?? 'other';
}

export type ParsedLine = { readonly entry: AccessLogEntry; readonly refusedBy: GatewayReason | undefined };

/** Reads a line and completes its reason; `undefined` for a line that is no access log entry. */
export function parseAccessLogLine(line: string): ParsedLine | undefined {
  let entry: AccessLogEntry;
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    entry = value as AccessLogEntry;
  } catch {
    return undefined;
  }
  const refusedBy = gatewayReason(entry);
  return { entry: refusedBy ? { ...entry, decision: 'deny', reason: refusedBy } : entry, refusedBy };
}

/** `12:30:45 POST /orders/v1 401 bad_signature 3ms`, for a terminal. */
export function formatAccessLogEntry({
  time,
  method,
  path,
  status,
  reason,
  duration_ms,
  key_id,
}: AccessLogEntry): string {
  const words = [typeof time === 'string' ? time.slice(11, 19) : '', method ?? '-', path ?? '-', String(status ?? '-')];
  if (reason !== undefined && reason !== '' && reason !== 'ok') words.push(reason);
  if (duration_ms !== undefined) words.push(`${String(duration_ms)}ms`);
  if (key_id) words.push(`key=${key_id}`);
  // Paths are a caller's text: no control characters reach a terminal.
  return words.join(' ').replace(/\p{Cc}/gu, '?');
}
