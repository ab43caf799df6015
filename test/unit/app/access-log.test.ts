import { describe, expect, test } from '@jest/globals';
import { formatAccessLogEntry, gatewayReason, parseAccessLogLine } from '../../../src/app/gateway/access-log.js';

describe('the reason of a refusal in the access log', () => {
  test.each([
    [{ status: 400, details: 'direct_response' }, 'non_canonical_path'],
    [{ status: 400, details: 'direct_response', reason: 'non_canonical_path' }, 'non_canonical_path'],
    [
      { status: 503, details: 'upstream_reset_before_response_started', flags: 'UF', decision: 'allow', reason: 'ok' },
      'backend_unavailable',
    ],
    [{ status: 503, details: 'direct_response', decision: 'allow', reason: 'ok' }, 'backend_unavailable'],
    [{ status: 404, details: 'route_not_found', flags: 'NR' }, 'not_found'],
    [{ status: 413, details: 'request_payload_too_large' }, 'body_too_large'],
    [{ status: 503, details: 'ext_authz_error', flags: 'UAEX' }, 'authorizer_unavailable'],
    [
      { status: 503, details: 'upstream_reset_before_response_started{connection_termination}', flags: 'UC' },
      'backend_unavailable',
    ],
    [{ status: 504, details: 'response_timeout', flags: 'UT' }, 'backend_timeout'],
    [{ status: 400, details: 'http1.codec_error', flags: 'DPE' }, 'malformed_request'],
    [{ status: 426, details: 'low_version' }, 'malformed_request'],
    [{ status: 0, flags: 'DC' }, 'client_closed'],
    [{ status: 500, details: 'never_seen_before' }, 'other'],
  ])('%j is %s', (entry, reason) => {
    expect(gatewayReason(entry)).toBe(reason);
    expect(parseAccessLogLine(JSON.stringify(entry))).toEqual({
      entry: { ...entry, decision: 'deny', reason },
      refusedBy: reason,
    });
  });

  test.each([
    [{ status: 401, details: 'ext_authz_denied', decision: 'deny', reason: 'bad_signature' }],
    [{ status: 404, details: 'via_upstream', decision: 'allow' }],
    [{ status: 200, details: 'via_upstream' }],
    [{ status: 200, details: 'direct_response' }],
  ])('%j is not of the gateway: the authorizer or the backend answered', (entry) => {
    expect(gatewayReason(entry)).toBeUndefined();
    expect(parseAccessLogLine(JSON.stringify(entry))?.entry).toEqual(entry);
  });

  test('takes no other line for an entry', () => {
    expect(parseAccessLogLine('starting')).toBeUndefined();
    expect(parseAccessLogLine('[1]')).toBeUndefined();
  });
});

test('a terminal gets one short line without control characters', () => {
  const entry = {
    time: '2026-01-02T03:04:05.678Z',
    method: 'GET',
    path: '/a\u001b[2Jb',
    status: 401,
    reason: 'bad_signature',
    duration_ms: 3,
    key_id: 'AK1',
  };
  expect(formatAccessLogEntry(entry)).toBe('03:04:05 GET /a?[2Jb 401 bad_signature 3ms key=AK1');
});
