/**
 * When the enforced content of each object last changed, as the number of a state of the configuration: an edit of
 * one object leaves the others programmed. What counts is what nodes get of an object, not its generation.
 */
import type { ObjectReference } from '../../api/problem.js';
import type { Kind } from '../../api/types.js';
import { stableHash } from '../../lib/stable-hash.js';
import type { Group, Model, ResourceKey } from '../../model/model.js';
import { backendSignatureVersion } from '../../policy/encode.js';
import { GRANT_TYPE, GROUP_TYPE, KEY_TYPE, PLAN_TYPE } from '../../policy/resource-types.js';
import { resourceKey } from '../../resources/resource-set.js';
import type { Resources } from '../../xds/snapshot.js';

/** Policy resource of each kind of object. */
export const POLICY_TYPE_OF: Readonly<Record<Kind, string>> = {
  SignatureKey: KEY_TYPE,
  ApiGroup: GROUP_TYPE,
  Authorization: GRANT_TYPE,
  UsagePlan: PLAN_TYPE,
};

/** What only Envoy gets of a group. Translation keeps the identity of groups that did not change. */
const envoyForms = new WeakMap<Group, string>();

function envoyForm(group: Group): string {
  let form = envoyForms.get(group);
  if (form === undefined) {
    const backends = group.environments.flatMap(({ route, apis }) => [
      route.backend,
      ...new Set(apis.map((api) => api.route.backend)),
    ]);
    form = stableHash({ hostnames: group.hostnames, cors: group.cors ?? null, backends: [...new Set(backends)] });
    envoyForms.set(group, form);
  }
  return form;
}

/** The backend keys that a group binds, each with the versions that are bound of it. */
const boundKeys = new WeakMap<Group, ReadonlyMap<ResourceKey, ReadonlySet<string>>>();

function boundBy(group: Group): ReadonlyMap<ResourceKey, ReadonlySet<string>> {
  const known = boundKeys.get(group);
  if (known) return known;
  const bound = new Map<ResourceKey, Set<string>>();
  for (const { apis } of group.environments)
    for (const { backendSignature } of apis) {
      if (!backendSignature) continue;
      const { key } = backendSignature;
      bound.set(key, (bound.get(key) ?? new Set()).add(backendSignatureVersion(backendSignature)));
    }
  boundKeys.set(group, bound);
  return bound;
}

/** By `namespace/name`: what groups bind of each backend key, however many do. */
function backendKeyForms(model: Model): ReadonlyMap<ResourceKey, string> {
  const forms = new Map<ResourceKey, Set<string>>();
  for (const group of model.groups)
    for (const [key, versions] of boundBy(group)) {
      const all = forms.get(key) ?? new Set();
      for (const version of versions) all.add(version);
      forms.set(key, all);
    }
  return new Map([...forms].map(([key, all]) => [key, [...all].sort().join()]));
}

interface State {
  /** In the index of its kind. */
  readonly key: ResourceKey;
  /** Content hash of its policy resource. */
  version: string | undefined;
  /** What only Envoy gets of a group. */
  envoy: string;
  /** What groups bind of a backend key. */
  bound: string;
  changedAt: number;
}

export class ObjectStates {
  readonly #states = new Map<string, State>();

  /**
   * Answers whether anything is enforced otherwise than before.
   * @param objects keys as in `Translation.statuses`. @param policy `encodePolicy(model)`.
   */
  update(
    objects: ReadonlyMap<string, { readonly object: ObjectReference }>,
    model: Model,
    policy: Resources,
    state: number,
  ): boolean {
    const groups = new Map(model.groups.map((group) => [group.key, group]));
    const backendKeys = backendKeyForms(model);
    let changed = false;
    for (const [id, { object }] of objects) {
      const before = this.#states.get(id);
      const key = before?.key ?? resourceKey(object.namespace, object.name);
      const version = policy.get(POLICY_TYPE_OF[object.kind as Kind])?.get(key)?.version;
      const group = object.kind === 'ApiGroup' ? groups.get(key) : undefined;
      const envoy = group ? envoyForm(group) : '';
      const bound = object.kind === 'SignatureKey' ? (backendKeys.get(key) ?? '') : '';
      if (!before) this.#states.set(id, { key, version, envoy, bound, changedAt: state });
      else if (before.version === version && before.envoy === envoy && before.bound === bound) continue;
      // In place: most of tens of thousands stay, and a new one for each edit would only be garbage.
      else Object.assign(before, { version, envoy, bound, changedAt: state });
      changed = true;
    }
    if (this.#states.size > objects.size)
      for (const id of this.#states.keys()) {
        if (objects.has(id)) continue;
        this.#states.delete(id);
        changed = true;
      }
    return changed;
  }

  /** A node that held this state, or a later one, enforces the object as it is. */
  changedAt(id: string): number {
    return this.#states.get(id)?.changedAt ?? Number.MAX_SAFE_INTEGER;
  }

  /** Objects of which a node that held this state, and no later one, enforces an older form or nothing. */
  changedAfter(held: number): readonly string[] {
    return [...this.#states].filter(([, { changedAt }]) => changedAt > held).map(([id]) => id);
  }
}
