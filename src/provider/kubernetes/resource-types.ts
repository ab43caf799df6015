/** The Kubernetes resources that we read and write, each with its REST path. */
import { API_GROUP, KINDS, type Kind } from '../../api/types.js';

/** What a REST path needs to know of a kind. */
export interface ResourceType {
  /** `''` is the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

const core = (kind: string, plural: string, namespaced = true): ResourceType => ({
  group: '',
  version: 'v1',
  kind,
  plural,
  namespaced,
});

const ours = (kind: Kind): ResourceType => ({
  group: API_GROUP,
  version: 'v1alpha1',
  kind,
  plural: `${kind.toLowerCase()}s`,
  namespaced: true,
});

export const OUR_TYPES = Object.fromEntries(KINDS.map((kind) => [kind, ours(kind)])) as Readonly<
  Record<Kind, ResourceType>
>;
export const SECRET = core('Secret', 'secrets');
export const SERVICE = core('Service', 'services');
export const POD = core('Pod', 'pods');
export const NAMESPACE = core('Namespace', 'namespaces', false);
export const EVENT: ResourceType = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
};
export const LEASE: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};

/** Asks the server who we are; everybody may. */
export const SELF_SUBJECT_REVIEW: ResourceType = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  namespaced: false,
};

export const apiVersionOf = ({ group, version }: ResourceType): string =>
  group === '' ? version : `${group}/${version}`;

/** `/apis/countersign.dev/v1alpha1/namespaces/a/signaturekeys`; without a namespace the collection of all of them. */
export function collectionPath(type: ResourceType, namespace: string | undefined): string {
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
  const scope = type.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${type.plural}`;
}
