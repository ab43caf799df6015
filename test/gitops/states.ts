/**
 * Objects of every kind in every state that a GitOps tool meets, made by the code that makes them in a cluster:
 * translation, summary of the data plane, status with times.
 */
import { parseAllDocuments } from 'yaml';
import { crdSchema } from '../../src/api/crd.js';
import type { Kind } from '../../src/api/types.js';
import { parseManifest } from '../../src/provider/file/manifest.js';
import { readObjects } from '../../src/provider/file/manifest-objects.js';
import { refusedStatuses, withTimes } from '../../src/provider/kubernetes/write/status-writer.js';
import { createResourceSet } from '../../src/resources/resource-set.js';
import { type ProgrammedOutcome, withLimiter, withProgrammed } from '../../src/translate/statuses/status.js';
import { translate } from '../../src/translate/translate.js';

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly generation: number;
    readonly deletionTimestamp?: string;
  };
  readonly spec: object;
  readonly status?: Readonly<Record<string, unknown>>;
}

/** A line of `states.yaml`. */
export interface State {
  readonly name: string;
  /** What it is about, for readers. */
  readonly about: string;
  /** The object in question, `Kind/name`; the other objects of `base.yaml` and `with` are around it. */
  readonly object: string;
  /** Merged into the object's spec; `null` removes a field. */
  readonly spec?: Readonly<Record<string, unknown>>;
  /** Objects of `base.yaml` that are not there, `Kind/name`. */
  readonly without?: readonly string[];
  readonly outcome?: ProgrammedOutcome;
  /** `New`: as the API server makes it, nobody looked yet. `None`: the same without a status. `Behind`: the spec changed since. `Refused`: the provider refused the stored object. */
  readonly look?: 'New' | 'None' | 'Behind' | 'Refused';
  readonly deleting?: boolean;
  readonly argo: { readonly status: string; readonly message: string };
  readonly kstatus: string;
  readonly flux: string;
}

const NOW = '2027-01-01T00:00:00.000Z';

/** The object of a state as `kubectl get -o yaml` would show it, less what the API server adds. */
export async function objectOf(state: State, base: string): Promise<KubernetesObject> {
  const wanted = parseAllDocuments(base)
    .map((document) => document.toJS() as KubernetesObject)
    .filter((each) => !(state.without ?? []).includes(nameOf(each)))
    .map((each) => ({ ...each, metadata: { ...each.metadata, generation: 3 } }));
  const subject = wanted.find((each) => nameOf(each) === state.object);
  if (!subject) throw new Error(`base.yaml has no ${state.object}`);
  const changed: KubernetesObject = { ...subject, spec: merged(subject.spec, state.spec ?? {}) };
  const stored: KubernetesObject = {
    ...changed,
    metadata: {
      ...changed.metadata,
      generation: state.look === 'Behind' ? 4 : 3,
      ...(state.deleting && { deletionTimestamp: NOW }),
    },
  };
  if (state.look === 'None') return stored;
  if (state.look === 'New') return { ...stored, status: defaultStatus(stored.kind as Kind) };
  const objects = wanted.map((each) => (each === subject ? changed : each));
  return { ...stored, status: await statusOf(objects, changed, state) };
}

async function statusOf(
  objects: readonly KubernetesObject[],
  { kind, metadata: { namespace, name, generation } }: KubernetesObject,
  { outcome = { type: 'Programmed' }, look }: State,
): Promise<Readonly<Record<string, unknown>>> {
  const manifest = await parseManifest(objects.map((object) => JSON.stringify(object)).join('\n---\n'));
  if (!manifest.ok) throw new Error(manifest.fault.message);
  const read = manifest.documents.flatMap(readObjects);
  if (look === 'Refused') {
    const live = () => ({ uid: 'uid', resourceVersion: '1', generation, status: undefined, ownerUid: undefined });
    const refused = refusedStatuses(
      read.flatMap(({ problems }) => problems),
      live,
    ).get(`${kind}/${namespace}/${name}`);
    if (!refused) throw new Error('nothing was refused');
    return withTimes(refused, {}, NOW);
  }
  const faults = read.flatMap(({ problems }) => problems);
  if (faults.length > 0) throw new Error(JSON.stringify(faults));
  const translation = translate(createResourceSet(read.flatMap(({ resource }) => resource ?? [])), {
    nowMs: Date.parse(NOW),
    services: new Map(),
    clusterDomain: 'cluster.local',
    allowedBackendHosts: [],
    hostnameClaims: [],
  });
  const status = translation.statuses.get(`${kind}/${namespace}/${name}`);
  if (!status) throw new Error('no status');
  const limiter = { mode: 'Single', healthy: true, message: '' } as const;
  const complete = withProgrammed(withLimiter(status, limiter), outcome);
  return withTimes({ ...complete, generation }, {}, NOW);
}

const defaultStatus = (kind: Kind) =>
  crdSchema(kind).properties?.['status']?.default as Readonly<Record<string, unknown>>;

const nameOf = ({ kind, metadata }: KubernetesObject): string => `${kind}/${metadata.name}`;

function merged(spec: object, changes: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries({ ...spec, ...changes }).filter(([, value]) => value !== null));
}
