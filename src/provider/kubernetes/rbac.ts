/**
 * The rights of the operator, as data: the chart and the tests make their Roles of these. Verbs are listed one by
 * one. RBAC cannot tell one type of Secret from another, so whoever wants the operator to see few Secrets watches
 * few namespaces; what it asks for is our type and the CA Secrets that groups name.
 */
import { API_GROUP, KINDS } from '../../api/types.js';
import { EVENT, LEASE, OUR_TYPES } from './resource-types.js';

export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

const plurals = KINDS.map((kind) => OUR_TYPES[kind].plural);

/** get and patch: the count of an Event that happens again. */
const EVENT_RULE: PolicyRule = {
  apiGroups: [EVENT.group],
  resources: [EVENT.plural],
  verbs: ['create', 'get', 'patch'],
};

/** In each watched namespace, or cluster-wide. */
const OBJECT_RULES: readonly PolicyRule[] = [
  { apiGroups: [API_GROUP], resources: plurals, verbs: ['list', 'watch'] },
  { apiGroups: [API_GROUP], resources: plurals.map((plural) => `${plural}/status`), verbs: ['patch'] },
  // list and watch: keys and CAs. get: whether a Secret that a key names exists with another type. create and patch: generated keys. Nothing is ever deleted.
  { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list', 'watch', 'create', 'patch'] },
  { apiGroups: [''], resources: ['services'], verbs: ['list', 'watch'] },
  EVENT_RULE,
];

/** ClusterRole of an operator that watches the whole cluster. */
export const CLUSTER_RULES: readonly PolicyRule[] = [
  ...OBJECT_RULES,
  { apiGroups: [''], resources: ['namespaces'], verbs: ['list', 'watch'] },
];

/** Role in each namespace of an operator that watches a list of them. It may see that one Namespace object. */
export const NAMESPACE_RULES: readonly PolicyRule[] = [
  ...OBJECT_RULES,
  { apiGroups: [''], resources: ['namespaces'], verbs: ['get', 'watch'] },
];

/** Role in the operator's own namespace: the Lease, and Events about the operator. The right to create cannot be bound to a name. */
export const ownNamespaceRules = (leaseName: string): readonly PolicyRule[] => [
  { apiGroups: [LEASE.group], resources: [LEASE.plural], verbs: ['create'] },
  { apiGroups: [LEASE.group], resources: [LEASE.plural], resourceNames: [leaseName], verbs: ['get', 'update'] },
  EVENT_RULE,
];
