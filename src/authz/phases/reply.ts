/**
 * Phase 6: the one place where a decision is made from what the phases found. There is no default: an outcome
 * is allowed only by `allowed`, everything else is a denial with a reason from the closed list.
 */
import { reasonRow } from '../../lib/reason.js';
import { dialectByName } from '../../signature/dialects.js';
import type { DialectName } from '../../signature/dialect.js';
import { headerValue } from '../../signature/wire.js';
import type { Allow, Deny, HeaderPair } from '../decision.js';
import type { Limited } from './limit.js';
import { UNKNOWN_SCOPE, type Refused, type Scope } from './refused.js';
import type { CheckRequest } from '../request.js';
import type { Signed } from './sign.js';

/** Scheme words for `WWW-Authenticate` (RFC 9110 §11.6.1). */
const CHALLENGES: { readonly [Name in DialectName]: string } = {
  JDCloud: 'JDCLOUD2-HMAC-SHA256',
  Huawei: 'SDK-HMAC-SHA256',
  Tencent: 'hmac',
  TencentApplication: 'hmac',
};
const REQUEST_ID = 'x-request-id';

const CONTROL = /[^\t\P{Cc}]/u;
const CONTROLS = new RegExp(CONTROL, 'gu');

/** CR, LF and other controls would end the header or make Envoy refuse the whole answer. */
function clean(headers: Iterable<HeaderPair>): HeaderPair[] {
  const cleaned: HeaderPair[] = [];
  for (const header of headers) {
    cleaned.push(CONTROL.test(header[1]) ? [header[0], header[1].replace(CONTROLS, ' ')] : header);
  }
  return cleaned;
}

/** The request goes on. */
export function allowed(request: CheckRequest, signed: Signed, limited: Limited, scope: Scope): Allow {
  return {
    outcome: 'allow',
    setHeaders: clean(signed.setHeaders),
    removeHeaders: signed.removeHeaders,
    responseHeaders: clean([...limited.headers, [REQUEST_ID, request.requestId]]),
    facts: scope.facts,
  };
}

/** The caller's dialect where it can be told, else the first one that the API lists. */
function dialectOf(request: CheckRequest, refused: Refused, dialects: readonly DialectName[]): DialectName | undefined {
  if (refused.dialect) return refused.dialect;
  const authorization = headerValue(request, 'authorization');
  const spoken = authorization && dialects.find((name) => dialectByName(name).detect(authorization));
  return spoken || dialects[0];
}

interface Text {
  readonly status: number;
  readonly headers: readonly HeaderPair[];
  readonly body: string;
}

function uniformText({ refused }: Refused, requestId: string): Text {
  const { status, code, message } = reasonRow(refused);
  return {
    status,
    headers: [['content-type', 'application/json']],
    body: JSON.stringify({ code, message, requestId }),
  };
}

function textOf(request: CheckRequest, refused: Refused, { errors, dialects }: Scope): Text {
  const dialect = errors === 'Vendor' ? dialectOf(request, refused, dialects) : undefined;
  if (!dialect) return uniformText(refused, request.requestId);
  const { refused: reason, subject, retryAfterSeconds } = refused;
  return dialectByName(dialect).vendorReply(
    {
      reason,
      ...(subject === undefined ? {} : { subject }),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    },
    request.requestId,
  );
}

/** The request ends here. Status, text and shape by the group's `errors`. */
export function denied(request: CheckRequest, refused: Refused, scope: Scope): Deny {
  const { status, headers, body } = textOf(request, refused, scope);
  const all = new Map<string, string>();
  for (const [name, value] of headers) all.set(name.toLowerCase(), value);
  for (const [name, value] of refused.headers ?? []) all.set(name, value);
  if (refused.retryAfterSeconds !== undefined) all.set('retry-after', String(refused.retryAfterSeconds));
  if (status === 401 && !all.has('www-authenticate')) {
    const schemes = new Set(scope.dialects.map((name) => CHALLENGES[name]));
    if (schemes.size > 0) all.set('www-authenticate', [...schemes].join(', '));
  }
  all.set(REQUEST_ID, request.requestId);
  return { outcome: 'deny', reason: refused.refused, status, headers: clean(all), body, facts: scope.facts };
}

/** The answer when a phase threw: it must not be able to throw itself, so it uses nothing of the table or a dialect. */
export function internalError(requestId: string): Deny {
  const { status, headers, body } = uniformText({ refused: 'internal_error' }, requestId);
  return {
    outcome: 'deny',
    reason: 'internal_error',
    status,
    headers: clean(requestId === '' ? headers : [...headers, [REQUEST_ID, requestId]]),
    body,
    facts: UNKNOWN_SCOPE.facts,
  };
}
