/**
 * Writes the Secrets of keys without `secretRef`. One request creates or rotates a Secret whole, so a crash leaves
 * the old one or the new one; the Secret is the truth and nothing is remembered. Only what belongs to the key is
 * ever changed: a Secret of the same name without our owner reference is left alone.
 */
import type { ObjectReference } from '../../../api/problem.js';
import { API_VERSION, KEY_SECRET_TYPE, type SignatureKey } from '../../../api/types.js';
import { errorMessage } from '../../../lib/errors.js';
import type { Redacted } from '../../../lib/redacted.js';
import type { SecretResource } from '../../../resources/core-resources.js';
import { resourceKey, type ResourceSet } from '../../../resources/resource-set.js';
import { hasStatus, type KubeApi, type RawObject } from '../kube-api.js';
import { SECRET } from '../resource-types.js';
import type { LiveObject } from '../stored-objects.js';
import { createWriteQueue } from './write-queue.js';

/** What is due for a key; translation's `generatedKeyRequests` answers these. */
export interface SecretRequest {
  /** `namespace/name` of the SignatureKey. */
  readonly key: string;
  readonly namespace: string;
  readonly secretName: string;
  readonly kind: 'create' | 'rotate';
  readonly generation: number;
}

export interface GeneratedSecretsOptions<Request extends SecretRequest> {
  readonly api: KubeApi;
  readonly live: (object: ObjectReference) => LiveObject | undefined;
  readonly leader: { readonly isLeader: boolean; readonly signal: AbortSignal | undefined };
  readonly requestsOf: (resources: ResourceSet) => readonly Request[];
  /** Fresh data; `present` is the Secret to rotate. */
  readonly dataOf: (
    request: Request,
    present: SecretResource | undefined,
  ) => Readonly<Record<string, Redacted<string>>>;
  /** A key was generated or rotated; names only. */
  readonly onGenerated?: (request: Request) => void;
  /** A Secret of that name is there and is not read as one of this key; it is tried again and never overwritten. */
  readonly onTaken?: (request: Request) => void;
  /** The Secret could not be written; it is tried again. The message holds no datum. */
  readonly onFault: (request: Request, message: string) => void;
  readonly writesPerSecond?: number;
}

export interface GeneratedSecrets {
  /** The newest resources: writes what is due. */
  reconcile(resources: ResourceSet): void;
  /** After gaining leadership. */
  resync(): void;
  readonly pending: number;
  close(): Promise<void>;
}

/** So long the watch may take to bring what was written; then it is tried again, which is harmless. */
const SETTLE_MS = 5000;
/** Keys do not work before; thousands at once come from a first start. */
const WRITES_PER_SECOND = 400;

export function createGeneratedSecrets<Request extends SecretRequest>(
  options: GeneratedSecretsOptions<Request>,
): GeneratedSecrets {
  const { api, live, leader, requestsOf, dataOf, onGenerated, onTaken, onFault } = options;
  let resources: ResourceSet | undefined;
  let due = new Map<string, Request>();
  /** Written, and not yet seen again: what was asked for, and when. */
  const written = new Map<string, { readonly asked: string; readonly atMs: number }>();
  const queue = createWriteQueue({
    write,
    onError: (id, error) => {
      const request = due.get(id);
      if (!request) return;
      // Secrets of a namespace that is being deleted may go before their keys.
      if (isOfGoingNamespace(error)) return;
      if (!hasStatus(error, 409)) onFault(request, errorMessage(error));
      // A rotation that lost a race finds out from the watch what there is to do.
      else if (request.kind === 'create') onTaken?.(request);
    },
    initialRetryMs: 500,
    perSecond: options.writesPerSecond ?? WRITES_PER_SECOND,
    concurrency: 32,
  });

  async function write(id: string): Promise<void> {
    const request = due.get(id);
    if (!request || !resources || !leader.isLeader || isFresh(id, request)) return;
    const key = resources.SignatureKey.get(request.key);
    const uid = key && live(referenceOf(key))?.uid;
    // Judged by the newest, not by what was there when the request was made: the key may be another one by now.
    if (!key || uid === undefined || uid !== key.metadata.uid) return;
    if (request.kind === 'create') await create(request, key, uid);
    else if (!(await rotate(request, uid))) return;
    written.set(id, { asked: textOf(request), atMs: performance.now() });
    onGenerated?.(request);
  }

  async function create(request: Request, key: SignatureKey, uid: string): Promise<void> {
    const { namespace, secretName: name } = request;
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name,
        namespace,
        labels: { 'app.kubernetes.io/managed-by': 'countersign' },
        // No blockOwnerDeletion: it would need a right on the key's finalizers.
        ownerReferences: [
          { apiVersion: API_VERSION, kind: 'SignatureKey', name: key.metadata.name, uid, controller: true },
        ],
      },
      type: KEY_SECRET_TYPE,
      data: encode(dataOf(request, undefined)),
    };
    await api.create(SECRET, secret, leader.signal);
  }

  /** @returns whether it was ours to rotate. */
  async function rotate(request: Request, uid: string): Promise<boolean> {
    const { namespace, secretName: name } = request;
    const present = resources?.Secret.get(resourceKey(namespace, name));
    const resourceVersion = present?.metadata.resourceVersion;
    const stored = live({ kind: 'Secret', namespace, name });
    if (!present || resourceVersion === undefined || stored?.ownerUid !== uid) return false;
    const data = encode(dataOf(request, present));
    const body = {
      // The very Secret whose data became `previousSecret`.
      metadata: { resourceVersion },
      data: { previousSecret: null, previousNotAfter: null, ...data },
    };
    await api.patch({ type: SECRET, namespace, name }, body, { patchType: 'Merge', signal: leader.signal });
    return true;
  }

  function isFresh(id: string, request: Request): boolean {
    const last = written.get(id);
    return last?.asked === textOf(request) && performance.now() - last.atMs < SETTLE_MS;
  }

  return {
    reconcile(next) {
      resources = next;
      const before = due;
      due = new Map(requestsOf(next).map((request) => [resourceKey(request.namespace, request.secretName), request]));
      for (const id of written.keys()) if (!due.has(id)) written.delete(id);
      if (!leader.isLeader) return;
      for (const [id, request] of due) {
        // One that failed comes again by itself; one that changed, at once.
        const old = before.get(id);
        if (!old || textOf(old) !== textOf(request)) queue.add(id, due.size <= 100);
        else if (!queue.has(id) && !isFresh(id, request)) queue.add(id);
      }
    },
    resync() {
      queue.clear();
      written.clear();
      due = new Map();
      if (resources) this.reconcile(resources);
    },
    get pending() {
      return queue.size;
    },
    close: () => queue.close(),
  };
}

const isOfGoingNamespace = (error: unknown): boolean =>
  hasStatus(error, 403) && errorMessage(error).includes('because it is being terminated');

const referenceOf = ({ kind, metadata: { namespace, name } }: SignatureKey): ObjectReference => ({
  kind,
  namespace,
  name,
});

const textOf = ({ key, kind, generation }: SecretRequest): string => `${kind} ${key} ${String(generation)}`;

const encode = (data: Readonly<Record<string, Redacted<string>>>): RawObject =>
  Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, Buffer.from(value.reveal(), 'utf8').toString('base64')]),
  );
