/**
 * When the enforced content of each object last changed, as the number of a state of the configuration: an edit of
 * one object leaves the others programmed. What counts is what nodes get of an object, not its generation.
 */
import type { Kind } from '../api/types.js';
import { stableHash } from '../lib/stable-hash.js';
import type { Group, Model } from '../model/model.js';
import { backendSignatureVersion } from '../policy/encode.js';
import { GRANT_TYPE, GROUP_TYPE, KEY_TYPE, PLAN_TYPE } from '../policy/resource-types.js';
import type { Resources } from '../xds/snapshot.js';

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

/** By `namespace/name`: what groups bind of each backend key. */
function backendKeyForms(model: Model): ReadonlyMap<string, string> {
  const versions = new Map<string, Set<string>>();
  for (const { environments } of model.groups)
    for (const { apis } of environments)
      for (const { backendSignature } of apis) {
        if (!backendSignature) continue;
        const known = versions.get(backendSignature.key) ?? new Set();
        versions.set(backendSignature.key, known.add(backendSignatureVersion(backendSignature)));
      }
  return new Map([...versions].map(([key, set]) => [key, [...set].sort().join()]));
}

interface State {
  readonly form: string;
  readonly changedAt: number;
}

export class ObjectStates {
  #states: ReadonlyMap<string, State> = new Map();

  /**
   * Answers whether anything is enforced otherwise than before.
   * @param objects keys as in `Translation.statuses`. @param policy `encodePolicy(model)`.
   */
  update(
    objects: Iterable<
      readonly [
        string,
        { readonly object: { readonly kind: string; readonly namespace: string; readonly name: string } },
      ]
    >,
    model: Model,
    policy: Resources,
    state: number,
  ): boolean {
    const groups = new Map(model.groups.map((group) => [group.key, group]));
    const backendKeys = backendKeyForms(model);
    const next = new Map<string, State>();
    let changed = false;
    for (const [id, { object }] of objects) {
      const key = `${object.namespace}/${object.name}`;
      const group = object.kind === 'ApiGroup' ? groups.get(key) : undefined;
      const form = [
        policy.get(POLICY_TYPE_OF[object.kind as Kind])?.get(key)?.version ?? 'absent',
        group ? envoyForm(group) : '',
        object.kind === 'SignatureKey' ? (backendKeys.get(key) ?? '') : '',
      ].join(' ');
      const before = this.#states.get(id);
      changed ||= before?.form !== form;
      next.set(id, before?.form === form ? before : { form, changedAt: state });
    }
    changed ||= [...this.#states.keys()].some((id) => !next.has(id));
    this.#states = next;
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
