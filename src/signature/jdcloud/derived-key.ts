import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { terminatorOf, type JdcloudCredential } from './credential.js';

type Scope = Pick<JdcloudCredential, 'keyId' | 'version' | 'date' | 'region' | 'service'>;

const MAX_KEYS = 8192;
const MAX_SCOPES = 1024;

/** Oldest use goes first. */
class BoundedMap<V> {
  readonly #entries = new Map<string, V>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#limit) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }

  deleteWhere(matches: (value: V) => boolean): void {
    for (const [key, value] of this.#entries) if (matches(value)) this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
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
  if (trustedScopes.get(place) === undefined) return derive(scope, secret);
  const name = `${place}/${secret}`;
  const known = derivedKeys.get(name);
  if (known) return known.key;
  const key = derive(scope, secret);
  derivedKeys.set(name, { keyId: scope.keyId, key });
  return key;
}

/** From now on the keys of this scope are kept. */
export const trustScope = (scope: Scope): void => trustedScopes.set(scopeText(scope), true);

/** Drops the derived keys of one key id, or all of them. */
export function forgetDerivedKeys(keyId?: string): void {
  if (keyId === undefined) derivedKeys.clear();
  else derivedKeys.deleteWhere((entry) => entry.keyId === keyId);
}
