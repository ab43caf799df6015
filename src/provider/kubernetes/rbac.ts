/**
 * The rights of the operator, as data: the chart and the tests make their Roles of these. Verbs are listed one by
 * one. RBAC cannot tell one type of Secret from another, so whoever wants the operator to see few Secrets watches
 * few namespaces; what it asks for is our type and the CA Secrets that groups name.
 */
import { API_GROUP, type Kind, KINDS } from '../../api/types.js';
import { PARTS, secretName } from '../../certificates/roles.js';
import { EVENT, LEASE, OUR_TYPES, SECRET } from './resource-types.js';

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

/** A ClusterRole for people and their tools, to be bound in the namespaces where they work. */
export interface UserRole {
  /** Suffix of its name. */
  readonly name: 'provider' | 'caller' | 'viewer';
  /** Whom it is for: its annotation, and its line in docs. */
  readonly about: string;
  readonly rules: readonly PolicyRule[];
  /** Roles of Kubernetes that get its rules where that is wanted. */
  readonly aggregateTo: readonly ('view' | 'edit' | 'admin')[];
}

const READ = ['get', 'list', 'watch'];
/** Without deletecollection: no tool needs it, and it is how one slip deletes all. */
const WRITE = [...READ, 'create', 'update', 'patch', 'delete'];

const ourRules = (kinds: readonly Kind[], verbs: readonly string[]): readonly PolicyRule[] => {
  const resources = kinds.map((kind) => OUR_TYPES[kind].plural);
  return [
    { apiGroups: [API_GROUP], resources, verbs },
    { apiGroups: [API_GROUP], resources: resources.map((plural) => `${plural}/status`), verbs: ['get'] },
  ];
};

/**
 * None of them reads Secrets. RBAC knows neither their type nor whose they are, so that such a right would reach every
 * Secret of the namespace; who may see the secret of a key is given that one by name. Nobody but the operator writes
 * status. A provider writes SignatureKeys for the usage Backend, which RBAC cannot tell from Caller: bind provider and
 * caller in different namespaces to keep them apart.
 */
export const USER_ROLES: readonly UserRole[] = [
  {
    name: 'provider',
    about: 'Publishes APIs: writes ApiGroups, Authorizations, UsagePlans and the keys of backends.',
    rules: ourRules(['ApiGroup', 'Authorization', 'UsagePlan', 'SignatureKey'], WRITE),
    aggregateTo: ['edit', 'admin'],
  },
  {
    name: 'caller',
    about: 'Calls APIs: writes SignatureKeys and decides who may use them. Sees nothing of providers.',
    rules: ourRules(['SignatureKey'], WRITE),
    aggregateTo: ['edit', 'admin'],
  },
  {
    name: 'viewer',
    about: 'Reads the four kinds and their status.',
    rules: ourRules(KINDS, READ),
    aggregateTo: ['view', 'edit', 'admin'],
  },
];

/**
 * Role in the operator's own namespace for whoever runs `countersign status`, besides the viewer's rights: finds the
 * leader by its Lease and asks it through the API server. The name of a pod is not known beforehand, so the second
 * rule reaches the ports of every pod there, for GET alone.
 */
export const statusRules = (leaseName: string): readonly PolicyRule[] => [
  { apiGroups: [LEASE.group], resources: [LEASE.plural], resourceNames: [leaseName], verbs: ['get'] },
  { apiGroups: [''], resources: ['pods/proxy'], verbs: ['get'] },
];

/**
 * A user's role as an object.
 * @param namePrefix such as `countersign`. @param aggregate whether the roles view, edit and admin of Kubernetes get its rules.
 */
export const userClusterRole = (role: UserRole, namePrefix: string, aggregate: boolean) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: {
    name: `${namePrefix}-${role.name}`,
    ...(aggregate && {
      labels: Object.fromEntries(
        role.aggregateTo.map((name) => [`rbac.authorization.k8s.io/aggregate-to-${name}`, 'true']),
      ),
    }),
    annotations: { 'countersign.dev/description': role.about },
  },
  rules: role.rules,
});

/** Beside these in the own namespace, when the operator makes the certificates of xDS itself; read at intervals, never listed. */
export const certificateRules = (prefix: string): readonly PolicyRule[] => [
  { apiGroups: [SECRET.group], resources: [SECRET.plural], verbs: ['create'] },
  {
    apiGroups: [SECRET.group],
    resources: [SECRET.plural],
    resourceNames: PARTS.map((part) => secretName(prefix, part)),
    verbs: ['get', 'update'],
  },
];
