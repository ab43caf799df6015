/**
 * Which Secrets groups name for the CA of a backend. They may be of any type (cert-manager writes
 * kubernetes.io/tls), so each is watched by its name; Secrets that nobody names are never read.
 */
import type { ApiGroup } from '../../api/types.js';
import { resourceKey } from '../../resources/resource-set.js';
import type { InputProblem } from '../provider.js';

export interface AuthoritySecretName {
  readonly namespace: string;
  readonly name: string;
}

/** Each is a connection to the API server, and whoever writes a group could name thousands. */
export const MAX_AUTHORITY_SECRETS = 64;

/** At most `MAX_AUTHORITY_SECRETS` of each namespace, in the order of names; a problem for each group that goes beyond. */
export function authoritySecretNames(groups: ReadonlyMap<string, ApiGroup>): {
  readonly names: ReadonlyMap<string, AuthoritySecretName>;
  readonly problems: readonly InputProblem[];
} {
  const namedBy = new Map<string, Map<string, ApiGroup[]>>();
  for (const group of groups.values()) {
    const { namespace } = group.metadata;
    for (const name of namesOf(group)) {
      const names = namedBy.get(namespace) ?? new Map<string, ApiGroup[]>();
      namedBy.set(namespace, names.set(name, [...(names.get(name) ?? []), group]));
    }
  }
  const names = new Map<string, AuthoritySecretName>();
  const problems: InputProblem[] = [];
  for (const [namespace, named] of namedBy) {
    const sorted = [...named].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name] of sorted.slice(0, MAX_AUTHORITY_SECRETS))
      names.set(resourceKey(namespace, name), { namespace, name });
    for (const [name, by] of sorted.slice(MAX_AUTHORITY_SECRETS))
      for (const group of by) problems.push(beyond(group, name));
  }
  return { names, problems };
}

function beyond(group: ApiGroup, name: string): InputProblem {
  const { namespace, name: groupName } = group.metadata;
  return {
    severity: 'error',
    object: { kind: 'ApiGroup', namespace, name: groupName },
    path: 'spec',
    reason: 'SecretNotFound',
    message: `Secret ${name} is not read: the groups of a namespace may name at most ${String(MAX_AUTHORITY_SECRETS)} CA Secrets`,
  };
}

const known = new WeakMap<ApiGroup, readonly string[]>();

function namesOf(group: ApiGroup): readonly string[] {
  let names = known.get(group);
  if (!names) {
    const { backend, environments, apis = [] } = group.spec;
    const backends = [backend, ...environments.map((each) => each.backend), ...apis.map((each) => each.backend)];
    names = [...new Set(backends.flatMap((each) => each?.tls?.caSecretRef?.name ?? []))];
    known.set(group, names);
  }
  return names;
}
