/**
 * Secrets that a key names and that are not of our type: only that they exist and their type is asked for, so that
 * the condition can tell a wrong type from a missing Secret, as a folder of manifests does. Their data never comes here.
 */
import { KEY_SECRET_TYPE, type SignatureKey } from '../../api/types.js';
import { SecretResource } from '../../resources/core-resources.js';
import { resourceKey } from '../../resources/resource-set.js';
import type { KubeApi } from './kube-api.js';
import { createWriteQueue } from './write/write-queue.js';

export interface ForeignSecrets {
  /** By `namespace/name`, without data. */
  readonly found: ReadonlyMap<string, SecretResource>;
  /** Asks for the Secrets that keys name, or suspect, and `known` lacks; forgets the others. */
  follow(keys: Iterable<SignatureKey>, known: ReadonlyMap<string, unknown>): void;
  /** A Secret that could not be generated, since one of its name is there. `key`: `namespace/name` of its SignatureKey. */
  suspect(key: string, secretName: string): void;
  close(): Promise<void>;
}

export interface ForeignSecretsOptions {
  readonly api: KubeApi;
  /** `found` is another one. */
  readonly onChange: () => void;
  readonly recheckMs?: number;
}

/** Thousands of keys may wait for their Secrets; this is a help for people and must not load the server. */
const ASKS_PER_SECOND = 20;
/** A type never changes, but the Secret may go. */
const RECHECK_MS = 30_000;
/** Soon at first: key and Secret come with one apply, in any order. */
const FIRST_RECHECK_MS = 500;

interface Wanted {
  readonly namespace: string;
  readonly name: string;
  recheckMs: number;
  timer?: NodeJS.Timeout;
}

export function createForeignSecrets({ api, onChange, recheckMs = RECHECK_MS }: ForeignSecretsOptions): ForeignSecrets {
  let found = new Map<string, SecretResource>();
  /** By `namespace/name` of the SignatureKey. */
  const suspects = new Map<string, string>();
  const wanted = new Map<string, Wanted>();
  const queue = createWriteQueue({ write: ask, onError: () => undefined, perSecond: ASKS_PER_SECOND, concurrency: 2 });

  async function ask(key: string): Promise<void> {
    const asked = wanted.get(key);
    if (!asked) return;
    const { namespace, name } = asked;
    const stored = await api.secretType(namespace, name);
    // Those of our type are watched, with their data and their owners.
    const type = stored === KEY_SECRET_TYPE ? undefined : stored;
    if (wanted.get(key) !== asked) return;
    if (found.get(key)?.type !== type) {
      found = new Map(found);
      if (type === undefined) found.delete(key);
      else found.set(key, new SecretResource({ namespace, name }, type, new Map()));
      onChange();
    }
    asked.timer = setTimeout(() => queue.add(key), asked.recheckMs);
    asked.recheckMs = type === undefined ? Math.min(2 * asked.recheckMs, recheckMs) : recheckMs;
    asked.timer.unref();
  }

  /** What to ask for; watched Secrets are no foreign ones. */
  function want(namespace: string, name: string): void {
    const key = resourceKey(namespace, name);
    if (wanted.has(key)) return;
    wanted.set(key, { namespace, name, recheckMs: Math.min(FIRST_RECHECK_MS, recheckMs) });
    queue.add(key);
  }

  function forget(key: string): void {
    clearTimeout(wanted.get(key)?.timer);
    wanted.delete(key);
    if (!found.has(key)) return;
    found = new Map(found);
    found.delete(key);
    onChange();
  }

  return {
    get found() {
      return found;
    },
    follow(keys, known) {
      const present = new Set<string>();
      const owners = new Set<string>();
      for (const { spec, metadata } of keys) {
        const owner = resourceKey(metadata.namespace, metadata.name);
        owners.add(owner);
        const name = spec.secretRef?.name ?? suspects.get(owner);
        if (name === undefined) continue;
        const key = resourceKey(metadata.namespace, name);
        if (known.has(key)) {
          suspects.delete(owner);
          continue;
        }
        present.add(key);
        want(metadata.namespace, name);
      }
      for (const owner of suspects.keys()) if (!owners.has(owner)) suspects.delete(owner);
      for (const key of wanted.keys()) if (!present.has(key)) forget(key);
    },
    suspect(owner, name) {
      suspects.set(owner, name);
      want(owner.slice(0, owner.indexOf('/')), name);
    },
    async close() {
      for (const { timer } of wanted.values()) clearTimeout(timer);
      wanted.clear();
      await queue.close();
    },
  };
}
