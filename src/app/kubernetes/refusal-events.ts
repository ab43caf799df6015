/** Tells the owner of a key who asked for it and may not have it: an Event when an asker is new. */
import type { SignatureKeyStatus } from '../../api/types.js';
import type { ObjectReference } from '../../api/problem.js';
import { stableStringify } from '../../lib/stable-hash.js';
import type { KubeEvent } from '../../provider/kubernetes/write/event-recorder.js';
import type { ObjectStatus } from '../../translate/translation.js';

/** @param uidOf of the stored object; `undefined` when it is gone. */
export function createRefusalEvents(
  uidOf: (object: ObjectReference) => string | undefined,
): (statuses: Iterable<ObjectStatus>) => readonly KubeEvent[] {
  /** By `namespace/name` of the key: askers that its owner was told of. */
  let told = new Map<string, ReadonlySet<string>>();
  return (statuses) => {
    const events: KubeEvent[] = [];
    const next = new Map<string, ReadonlySet<string>>();
    for (const { object, fields } of statuses) {
      if (object.kind !== 'SignatureKey') continue;
      const refused = (fields as SignatureKeyStatus).references?.refused ?? [];
      if (refused.length === 0) continue;
      const key = `${object.namespace}/${object.name}`;
      const uid = uidOf(object);
      if (uid === undefined) continue;
      const askers = new Map(refused.map((asker) => [stableStringify(asker), asker]));
      for (const [id, { kind, namespace, name }] of askers) {
        if (told.get(key)?.has(id)) continue;
        const message = `${kind} ${namespace}/${name} asks for this key; allowedAuthorizers does not admit its namespace`;
        events.push({ object, uid, type: 'Warning', reason: 'RefusedAsker', message });
      }
      next.set(key, new Set(askers.keys()));
    }
    told = next;
    return events;
  };
}
