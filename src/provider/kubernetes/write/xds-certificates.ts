/**
 * The Secrets of generated xDS certificates, in the operator's own namespace. The leader writes what is due, each
 * Secret whole and only over the version that was judged; replicas read their own. A Secret that does not carry our
 * label is never read for its content nor overwritten.
 */
import type { KeyPair } from '../../../certificates/issue.js';
import {
  planCertificates,
  type CertificateNames,
  type CertificateSecret,
  type Change,
  type Lifetimes,
} from '../../../certificates/plan.js';
import { readServed } from '../../../certificates/read.js';
import { PARTS, ROLES, secretName, type Part } from '../../../certificates/roles.js';
import type { Clock } from '../../../lib/clock.js';
import { AppError } from '../../../lib/errors.js';
import { Redacted } from '../../../lib/redacted.js';
import { hasStatus, type KubeApi, type RawObject } from '../kube-api.js';
import { apiVersionOf, SECRET, SELF_SUBJECT_REVIEW } from '../resource-types.js';

/** What of the API server this needs. */
export type CertificateApi = Pick<KubeApi, 'get' | 'create' | 'replace'>;

export interface XdsCertificateSecretsOptions {
  readonly api: CertificateApi;
  readonly namespace: string;
  /** `countersign` makes `countersign-ca`, `countersign-controller-tls`, … */
  readonly prefix: string;
  readonly names: CertificateNames;
  /** Asked before every write. */
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly lifetimes?: Lifetimes;
  /** A Secret was written. */
  readonly onWritten?: (secretName: string, change: Pick<Change, 'reason' | 'breaksTrust'>) => void;
  /** A Secret cannot be used as it is; the rest goes on. Told at each reconciliation. */
  readonly onFault?: (message: string) => void;
}

/** The controller's own certificate, PEM. */
export type ServedCertificate = KeyPair & { readonly trust: string };

export interface XdsCertificateSecrets {
  /**
   * Writes what is due if this replica leads. Resolves with the controller's own certificate, `undefined` while there
   * is none to use. @throws AppError when the API server cannot be asked or refuses.
   */
  reconcile(signal?: AbortSignal): Promise<ServedCertificate | undefined>;
}

const TYPE = 'kubernetes.io/tls';
const MANAGED_BY = 'app.kubernetes.io/managed-by';
const LABELS = { [MANAGED_BY]: 'countersign', 'app.kubernetes.io/part-of': 'countersign' };
/** Another replica that thinks it leads is overtaken by reading again; more than a few times in a row is no race. */
const MAX_ATTEMPTS = 4;

interface Stored {
  readonly raw: RawObject;
  readonly content: CertificateSecret;
}

export function createXdsCertificateSecrets(options: XdsCertificateSecretsOptions): XdsCertificateSecrets {
  const { api, namespace, prefix, names, isLeader, clock, lifetimes, onWritten, onFault } = options;

  /** `undefined` when there is none, `foreign` when it is not ours. */
  async function read(part: Part, signal: AbortSignal | undefined): Promise<Stored | 'foreign' | undefined> {
    const name = secretName(prefix, part);
    let raw: RawObject;
    try {
      raw = await api.get({ type: SECRET, namespace, name }, signal);
    } catch (error) {
      if (hasStatus(error, 404)) return undefined;
      throw error;
    }
    if (isOurs(raw)) return { raw, content: contentOf(raw) };
    onFault?.(
      `Secret ${namespace}/${name} is not one of type ${TYPE} with the label ${MANAGED_BY}: countersign, so it is ` +
        'neither used nor overwritten; delete it, or choose another --xds-secret-prefix',
    );
    return 'foreign';
  }

  /** @returns whether all that was due is written; `false` when another writer was faster. */
  async function writeDue(signal: AbortSignal | undefined): Promise<boolean> {
    const stored = new Map<Part, Stored>();
    const foreign = new Set<Part>();
    for (const part of PARTS) {
      const found = await read(part, signal);
      if (found === 'foreign') foreign.add(part);
      else if (found) stored.set(part, found);
    }
    // Without the key of the authority nothing can be signed, and another one would be trusted by nobody.
    if (foreign.has('ca')) return true;
    const present = Object.fromEntries([...stored].map(([part, { content }]) => [part, content]));
    const wanted = Object.fromEntries(ROLES.filter((role) => !foreign.has(role)).map((role) => [role, names[role]]));
    const plan = await planCertificates(present, clock(), {
      names: wanted,
      ...(lifetimes && { lifetimes }),
    });
    for (const change of plan) {
      if (!isLeader()) return true;
      if (!(await write(change, stored.get(change.part)?.raw, signal))) return false;
    }
    return true;
  }

  async function write(change: Change, over: RawObject | undefined, signal: AbortSignal | undefined): Promise<boolean> {
    const name = secretName(prefix, change.part);
    try {
      if (over) await api.replace(SECRET, secretOf(name, change.content, over), signal);
      else await api.create(SECRET, secretOf(name, change.content, undefined, await findOwner(signal)), signal);
    } catch (error) {
      // Created, changed or deleted by another since we looked.
      if (hasStatus(error, 409) || (over && hasStatus(error, 404))) return false;
      throw error;
    }
    onWritten?.(name, change);
    return true;
  }

  /**
   * The operator's service account: what is generated for an installation goes with it. Asked of the server, since a
   * pod does not know the uid; none for whoever is no service account of this namespace.
   */
  async function findOwner(signal: AbortSignal | undefined): Promise<OwnerReference | undefined> {
    const review = { apiVersion: apiVersionOf(SELF_SUBJECT_REVIEW), kind: SELF_SUBJECT_REVIEW.kind };
    let answer: RawObject;
    try {
      answer = await api.create(SELF_SUBJECT_REVIEW, review, signal);
    } catch (error) {
      // Servers before 1.28.
      if (hasStatus(error, 404) || hasStatus(error, 403)) return undefined;
      throw error;
    }
    const { userInfo } = answer['status'] as { userInfo?: { username?: string; uid?: string } };
    const start = `system:serviceaccount:${namespace}:`;
    if (!userInfo?.username?.startsWith(start) || !userInfo.uid) return undefined;
    return { apiVersion: 'v1', kind: 'ServiceAccount', name: userInfo.username.slice(start.length), uid: userInfo.uid };
  }

  function secretOf(
    name: string,
    { data, annotations }: CertificateSecret,
    over: RawObject | undefined,
    owner?: OwnerReference,
  ): RawObject {
    const metadata = (over?.['metadata'] ?? {}) as Metadata;
    const kept = Object.entries(metadata.annotations ?? {}).filter(([key]) => !isOurAnnotation(key));
    return {
      apiVersion: 'v1',
      kind: 'Secret',
      type: TYPE,
      // With the version that was judged, as a precondition.
      metadata: {
        ...metadata,
        name,
        namespace,
        labels: { ...metadata.labels, ...LABELS },
        annotations: { ...Object.fromEntries(kept), ...annotations },
        ...(owner && { ownerReferences: [owner] }),
      },
      data: Object.fromEntries(
        Object.entries(data).map(([key, value]) => [key, Buffer.from(value.reveal(), 'utf8').toString('base64')]),
      ),
    };
  }

  async function readOwn(signal: AbortSignal | undefined): Promise<ServedCertificate | undefined> {
    const own = await read('controller', signal);
    if (own === undefined || own === 'foreign') return undefined;
    const served = readServed(own.content.data);
    if ('value' in served) return served.value;
    onFault?.(`Secret ${namespace}/${secretName(prefix, 'controller')} ${served.fault}`);
    return undefined;
  }

  return {
    async reconcile(signal) {
      for (let attempt = 1; isLeader(); attempt++) {
        if (await writeDue(signal)) break;
        if (attempt === MAX_ATTEMPTS)
          throw new AppError('ERR_XDS_CERTIFICATES', `the Secrets ${prefix}-… keep being changed by somebody else`);
      }
      return readOwn(signal);
    },
  };
}

interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

interface Metadata {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

const isOurAnnotation = (key: string): boolean => key.startsWith('countersign.dev/');

function isOurs(raw: RawObject): boolean {
  const { labels } = (raw['metadata'] ?? {}) as Metadata;
  return raw['type'] === TYPE && labels?.[MANAGED_BY] === LABELS[MANAGED_BY];
}

function contentOf(raw: RawObject): CertificateSecret {
  const { annotations = {} } = (raw['metadata'] ?? {}) as Metadata;
  const data = Object.entries((raw['data'] ?? {}) as Readonly<Record<string, string>>);
  return {
    annotations,
    data: Object.fromEntries(
      data.map(([key, value]) => [key, new Redacted(Buffer.from(value, 'base64').toString('utf8'))]),
    ),
  };
}
