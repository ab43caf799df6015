/**
 * Names of counters and markers: hashes of what they count, so that no text of a user reaches the store.
 * Named by plan, limit and key id, never by object identity: recreating a plan or a key keeps its counters.
 * Changing a name here resets every counter in the field.
 */
import { hash } from 'node:crypto';
import type { LimitScope, ResourceKey } from '../model/model.js';
import type { Verified } from '../signature/dialect.js';

const HASH_LENGTH = 32;

/** JSON keeps the parts apart: no two lists have the same text. */
const nameOf = (...parts: readonly string[]): string =>
  hash('sha256', JSON.stringify(parts), 'hex').slice(0, HASH_LENGTH);

/** The `{tag}` of all counters of a caller. */
export const keySubject = (keyId: string): string => nameOf('key', keyId);

/** The `{tag}` of a counter that all callers of a plan share. */
export const planSubject = (plan: ResourceKey): string => nameOf('plan', plan);

export interface CounterScope {
  readonly plan: ResourceKey;
  readonly limit: string;
  readonly scope: LimitScope;
  readonly keyId: string;
  /** `namespace/group/api`. */
  readonly api: string;
  readonly environment: string;
}

/** Name of one limit's counter. `kind` keeps a rate and a quota of the same name apart. */
export function counterName(
  kind: 'rate' | 'quota',
  { plan, limit, scope, keyId, api, environment }: CounterScope,
): string {
  switch (scope) {
    case 'Key':
      return nameOf(kind, plan, limit, 'Key', keyId);
    case 'KeyAndApi':
      return nameOf(kind, plan, limit, 'KeyAndApi', keyId, api, environment);
    case 'Plan':
      return nameOf(kind, plan, limit, 'Plan');
  }
}

/** Marker of a signed nonce, or of the decoded MAC: its text has several spellings, its bytes have one. */
export const replayMarker = (signature: Verified, by: 'nonce' | 'signature'): string =>
  by === 'nonce'
    ? nameOf('nonce', signature.keyId, signature.nonce ?? '')
    : nameOf('signature', signature.keyId, Buffer.from(signature.mac).toString('hex'));

/** What lets a Check that Envoy sends again pass its own marker. */
export const tokenName = (streamToken: string): string => nameOf('token', streamToken);
