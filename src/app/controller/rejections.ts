/** What nodes rejected and so serve in an older form, until another version is offered or it is gone. */
import type { ObjectReference, Problem } from '../../api/problem.js';
import type { Kind } from '../../api/types.js';
import type { Group } from '../../model/model.js';
import { clusterName } from '../../xds/names.js';
import { CLUSTER_TYPE } from '../../xds/resource-types.js';
import { POLICY_TYPE_OF } from './object-states.js';

interface Rejected {
  readonly typeUrl: string;
  readonly name: string;
  readonly version: string | undefined;
  /** Ids. */
  readonly nodes: Set<string>;
  /** Of the node that rejected it last. */
  readonly error: string;
}

/** Version of a resource that is offered now. */
export type VersionOf = (typeUrl: string, name: string) => string | undefined;

export class Rejections {
  readonly #rejected = new Map<string, Rejected>();

  /** @param envoyTypes what Envoys get; everything else is the authorizers'. */
  constructor(
    private readonly envoyTypes: readonly string[],
    private readonly versionOf: VersionOf,
  ) {}

  get isEmpty(): boolean {
    return this.#rejected.size === 0;
  }

  add(typeUrl: string, name: string, node: string, error: string): void {
    const key = `${typeUrl} ${name}`;
    const version = this.versionOf(typeUrl, name);
    const known = this.#rejected.get(key);
    const nodes = known && known.version === version ? known.nodes : new Set<string>();
    this.#rejected.set(key, { typeUrl, name, version, nodes: nodes.add(node), error });
  }

  /** What was rejected is not offered any more. */
  forgetOld(): void {
    for (const [key, { typeUrl, name, version }] of this.#rejected)
      if (version === undefined || this.versionOf(typeUrl, name) !== version) this.#rejected.delete(key);
  }

  /** The node holds all that is offered of a type. */
  accepted(typeUrl: string, node: string): void {
    for (const [key, rejected] of this.#rejected) {
      if (rejected.typeUrl !== typeUrl) continue;
      rejected.nodes.delete(node);
      if (rejected.nodes.size === 0) this.#rejected.delete(key);
    }
  }

  /** The node's words about the object, or about what Envoy gets of it. @param group that the object is. */
  errorOf({ kind, namespace, name }: ObjectReference, group: Group | undefined): string | undefined {
    const own = this.#rejected.get(`${POLICY_TYPE_OF[kind as Kind]} ${namespace}/${name}`);
    return own?.error ?? (group && this.#ofEnvoy(group));
  }

  /** Envoy's message about a resource made of the group. Only clusters belong to single groups. */
  #ofEnvoy(group: Group): string | undefined {
    for (const { typeUrl, name, error } of this.#rejected.values()) {
      if (!this.envoyTypes.includes(typeUrl)) continue;
      if (typeUrl !== CLUSTER_TYPE || usesCluster(group, name)) return error;
    }
    return undefined;
  }

  /** Of the group that each is part of, else of Envoy or the authorizers as a whole. */
  problems(groups: readonly Group[]): Problem[] {
    return [...this.#rejected.values()].flatMap(({ typeUrl, name, error }): Problem[] => {
      const about = (object: ObjectReference): Problem => {
        const message = `was rejected, what was there before stays: ${error}`;
        return { severity: 'error', object, path: '', reason: 'Rejected', message };
      };
      const owners = typeUrl === CLUSTER_TYPE ? groups.filter((group) => usesCluster(group, name)) : [];
      return owners.length > 0
        ? owners.map((group) => about({ kind: 'ApiGroup', namespace: group.namespace, name: group.name }))
        : [about({ kind: shortType(typeUrl), namespace: '', name })];
    });
  }
}

/** `type.googleapis.com/envoy.config.cluster.v3.Cluster` → `Cluster`. */
export const shortType = (typeUrl: string): string => typeUrl.slice(typeUrl.lastIndexOf('.') + 1);

const usesCluster = ({ environments }: Group, name: string): boolean =>
  environments
    .flatMap(({ route, apis }) => [route, ...apis.map((api) => api.route)])
    .some(({ backend }) => backend && clusterName(backend.id) === name);
