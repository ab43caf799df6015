/**
 * Phase 2: who signed the request. The dialects judge the signature; here a key id becomes a key, and a key
 * that may not be used becomes a reason that only the holder of its secret ever causes.
 */
import type { DenyReason } from '../../lib/reason.js';
import type { CallerKey } from '../../model/model.js';
import type { KeyLookup, Verified, WireRequest } from '../../signature/dialect.js';
import { verifyRequest } from '../../signature/verify.js';
import type { Matched } from './match.js';
import type { Passed, Refused } from './refused.js';
import type { CheckRequest } from '../request.js';
import { admitsNamespace, type Table } from '../table/table.js';

/** `undefined` members where the API asks for no signature. */
export interface Caller extends Passed {
  readonly key: CallerKey | undefined;
  readonly signature: Verified | undefined;
}

export type VerifyRefused = Refused & {
  /** Key the credential named, only where the table has it. */
  readonly keyId?: string;
};

const ANONYMOUS: Caller = { key: undefined, signature: undefined };

/** Why `key` may not be used for an API of `namespace` now. */
function unusable(key: CallerKey, namespace: string, nowMs: number): DenyReason | undefined {
  if (key.state !== 'Enabled') return 'key_disabled';
  if (key.secrets.length === 0) return 'key_not_ready';
  // Written so that a time which is not a number refuses.
  if (key.notBeforeMs !== undefined && !(nowMs >= key.notBeforeMs)) return 'key_not_yet_valid';
  if (key.expirationMs !== undefined && !(nowMs < key.expirationMs)) return 'key_expired';
  if (!admitsNamespace(key.admits, namespace)) return 'key_not_permitted';
  return undefined;
}

/** Verifies the caller's signature against the settings of the API. */
export function verify(request: CheckRequest, matched: Matched, table: Table, nowMs: number): Caller | VerifyRefused {
  const { api, group } = matched;
  if (api.access.authentication === 'None') return ANONYMOUS;

  let named: CallerKey | undefined;
  const lookup: KeyLookup = (keyId) => {
    named = table.keysById.get(keyId);
    if (!named) return undefined;
    const reason = unusable(named, group.group.namespace, nowMs);
    return { keyId: named.keyId, secrets: named.secrets, ...(reason === undefined ? {} : { unusable: reason }) };
  };
  const wire: WireRequest = {
    method: request.method,
    target: request.target,
    headers: request.headers,
    body: matched.body,
  };
  const verdict = verifyRequest(wire, api.verification, matched.verificationContext, lookup, nowMs);
  if (!verdict.ok) {
    return {
      refused: verdict.reason,
      ...(verdict.subject === undefined ? {} : { subject: verdict.subject }),
      ...(verdict.dialect === undefined ? {} : { dialect: verdict.dialect }),
      ...(named === undefined ? {} : { keyId: named.keyId }),
    };
  }
  // The verdict must be about the key that was looked up: anything else is a bug, and a bug refuses.
  if (named?.keyId !== verdict.keyId) return { refused: 'internal_error' };
  return { key: named, signature: verdict };
}
