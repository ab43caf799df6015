import { createHmac } from 'node:crypto';
import { terminatorOf, type JdcloudCredential } from './credential.js';

type Scope = Pick<JdcloudCredential, 'keyId' | 'version' | 'date' | 'region' | 'service'>;

const MAX_SECRETS = 8192;
const MAX_SCOPES = 1024;
/** One key is used in few scopes: yesterday's and today's day, a handful of regions and services. */
const MAX_SCOPES_OF_SECRET = 32;

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
  readonly scope: Scope;
  readonly key: Uint8Array;
}

/**
 * Keys derived per (day, region, service), by secret. Only scopes in which some MAC has matched are kept: a caller
 * chooses the scope freely, so that otherwise junk would push out the keys in use, and the time of a first request
 * in a new scope would tell whether its key exists.
 */
const derivedKeys = new BoundedMap<DerivedKey[]>(MAX_SECRETS);
const trustedScopes = new BoundedMap<true>(MAX_SCOPES);
/** Most requests come in the scope of the one before. */
let lastTrusted: Scope | undefined;

const dayOf = ({ date }: Scope): string => date.slice(0, 8);
const scopeText = (scope: Scope): string => `${scope.version}/${dayOf(scope)}/${scope.region}/${scope.service}`;

const isSameScope = (a: Scope, b: Scope): boolean =>
  a.version === b.version && a.service === b.service && a.region === b.region && dayOf(a) === dayOf(b);

const hmac = (key: string | Uint8Array, text: string): Buffer =>
  createHmac('sha256', key).update(text, 'utf8').digest();

/** Specs JD Cloud §3.3: HMAC chain over day, region, service, terminator; the secret as UTF-8. */
function derive(scope: Scope, secret: string): Uint8Array {
  const day = hmac(`JDCLOUD${scope.version}${secret}`, dayOf(scope));
  return hmac(hmac(hmac(day, scope.region), scope.service), terminatorOf(scope.version));
}

/** The key for the MAC; kept if the scope is trusted. */
export function derivedKey(scope: Scope, secret: string): Uint8Array {
  const kept = derivedKeys.get(secret);
  if (kept) {
    // Not by key id: the stand-in for unknown keys has to be found under every id, or its refusal would cost more.
    for (const known of kept) if (isSameScope(known.scope, scope)) return known.key;
  }
  const key = derive(scope, secret);
  if (!isTrusted(scope)) return key;
  const entry = { scope: copyOf(scope), key };
  if (kept && kept.length < MAX_SCOPES_OF_SECRET) kept.push(entry);
  else derivedKeys.set(secret, [entry]);
  return key;
}

// A credential holds on to its request.
const copyOf = ({ keyId, version, date, region, service }: Scope): Scope => ({ keyId, version, date, region, service });

const isTrusted = (scope: Scope): boolean =>
  (lastTrusted !== undefined && isSameScope(lastTrusted, scope)) || trustedScopes.get(scopeText(scope)) === true;

/** From now on the keys of this scope are kept. */
export function trustScope(scope: Scope): void {
  if (lastTrusted !== undefined && isSameScope(lastTrusted, scope)) return;
  trustedScopes.set(scopeText(scope), true);
  lastTrusted = copyOf(scope);
}

/** Drops the derived keys of these key ids, or all of them. */
export function forgetDerivedKeys(keyIds?: ReadonlySet<string>): void {
  if (keyIds === undefined) derivedKeys.clear();
  else derivedKeys.deleteWhere((entries) => entries.some(({ scope }) => keyIds.has(scope.keyId)));
}
