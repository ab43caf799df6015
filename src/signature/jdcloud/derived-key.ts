import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { terminatorOf, type JdcloudCredential } from './credential.js';

type Scope = Pick<JdcloudCredential, 'keyId' | 'version' | 'date' | 'region' | 'service'>;

const MAX_KEYS = 8192;
const MAX_SCOPES = 1024;

/**
 * Two generations: what was used since the last turn survives the next one. A hit in the young generation, the usual
 * case, moves nothing.
 */
class BoundedMap<V> {
  #young = new Map<string, V>();
  #old = new Map<string, V>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: string): V | undefined {
    const value = this.#young.get(key);
    if (value !== undefined) return value;
    const aged = this.#old.get(key);
    if (aged !== undefined) this.set(key, aged);
    return aged;
  }

  set(key: string, value: V): void {
    this.#young.set(key, value);
    if (this.#young.size * 2 <= this.#limit) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  deleteWhere(matches: (value: V) => boolean): void {
    for (const generation of [this.#young, this.#old]) {
      for (const [key, value] of generation) if (matches(value)) generation.delete(key);
    }
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}

interface DerivedKey {
  readonly keyId: string;
  readonly key: KeyObject;
}

/**
 * Keys derived per (secret, day, region, service). Only scopes in which some MAC has matched are kept: a caller
 * chooses the scope freely, so that otherwise junk would push out the keys in use, and the time of a first request
 * in a new scope would tell whether its key exists.
 */
const derivedKeys = new BoundedMap<DerivedKey>(MAX_KEYS);
const trustedScopes = new BoundedMap<true>(MAX_SCOPES);

const scopeText = ({ version, date, region, service }: Scope): string =>
  `${version}/${date.slice(0, 8)}/${region}/${service}`;

const hmac = (key: string | Uint8Array, text: string): Buffer =>
  createHmac('sha256', key).update(text, 'utf8').digest();

/** Specs JD Cloud §3.3: HMAC chain over day, region, service, terminator; the secret as UTF-8. */
function derive(scope: Scope, secret: string): KeyObject {
  const day = hmac(`JDCLOUD${scope.version}${secret}`, scope.date.slice(0, 8));
  return createSecretKey(hmac(hmac(hmac(day, scope.region), scope.service), terminatorOf(scope.version)));
}

/** The key for the MAC; kept if the scope is trusted. */
export function derivedKey(scope: Scope, secret: string): KeyObject {
  const place = scopeText(scope);
  const name = `${place}/${secret}`;
  const known = derivedKeys.get(name);
  if (known) return known.key;
  const key = derive(scope, secret);
  if (trustedScopes.get(place)) derivedKeys.set(name, { keyId: scope.keyId, key });
  return key;
}

/** From now on the keys of this scope are kept. */
export function trustScope(scope: Scope): void {
  const place = scopeText(scope);
  if (!trustedScopes.get(place)) trustedScopes.set(place, true);
}

/** Drops the derived keys of one key id, or all of them. */
export function forgetDerivedKeys(keyId?: string): void {
  if (keyId === undefined) derivedKeys.clear();
  else derivedKeys.deleteWhere((entry) => entry.keyId === keyId);
}
