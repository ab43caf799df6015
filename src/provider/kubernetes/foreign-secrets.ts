/**
 * Secrets that a key names and that are not of our type: only that they exist and their type is asked for, so that
 * the condition can tell a wrong type from a missing Secret, as a folder of manifests does. Their data never comes here.
 */
import type { SignatureKey } from '../../api/types.js';
import { SecretResource } from '../../resources/core-resources.js';
import { resourceKey } from '../../resources/resource-set.js';
import type { KubeApi } from './kube-api.js';
import { createWriteQueue } from './write-queue.js';

export interface ForeignSecrets {
  /** By `namespace/name`, without data. */
  readonly found: ReadonlyMap<string, SecretResource>;
  /** Asks for the Secrets that keys name and `known` lacks; forgets the others. */
  follow(keys: Iterable<SignatureKey>, known: ReadonlyMap<string, unknown>): void;
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

export function createForeignSecrets({ api, onChange, recheckMs = RECHECK_MS }: ForeignSecretsOptions): ForeignSecrets {
  let found = new Map<string, SecretResource>();
  const wanted = new Map<string, { readonly namespace: string; readonly name: string; timer?: NodeJS.Timeout }>();
  const queue = createWriteQueue({ write: ask, onError: () => undefined, perSecond: ASKS_PER_SECOND, concurrency: 2 });

  async function ask(key: string): Promise<void> {
    const asked = wanted.get(key);
    if (!asked) return;
    const { namespace, name } = asked;
    const type = await api.secretType(namespace, name);
    if (wanted.get(key) !== asked) return;
    if (found.get(key)?.type !== type) {
      found = new Map(found);
      if (type === undefined) found.delete(key);
      else found.set(key, new SecretResource({ namespace, name }, type, new Map()));
      onChange();
    }
    asked.timer = setTimeout(() => queue.add(key), recheckMs);
    asked.timer.unref();
  }

  function forget(key: string): void {
    clearTimeout(wanted.get(key)?.timer);
    wanted.delete(key);
    if (!found.has(key)) return;
    found = new Map(found);
    found.delete(key);
  }

  return {
    get found() {
      return found;
    },
    follow(keys, known) {
      const present = new Set<string>();
      for (const { spec, metadata } of keys) {
        if (!spec.secretRef) continue;
        const { name } = spec.secretRef;
        const key = resourceKey(metadata.namespace, name);
        if (known.has(key)) continue;
        present.add(key);
        if (wanted.has(key)) continue;
        wanted.set(key, { namespace: metadata.namespace, name });
        queue.add(key);
      }
      for (const key of wanted.keys()) if (!present.has(key)) forget(key);
    },
    async close() {
      for (const { timer } of wanted.values()) clearTimeout(timer);
      wanted.clear();
      await queue.close();
    },
  };
}
