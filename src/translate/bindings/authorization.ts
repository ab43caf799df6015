/** Authorization → grant: the keys that admit it and have its identity, the targets that exist. Nothing else is granted. */
import type { Authorization } from '../../api/types.js';
import type { Grant, ResourceKey } from '../../model/model.js';
import { keyOf } from '../../resources/resource-set.js';
import type { Absence } from '../absence.js';
import type { TranslatedGroup } from '../groups/api-group.js';
import { admitKeys, type AdmittedKeys, type NamedKey, resolveTargets, type ResolvedTargets } from './bindings.js';
import { parseTimeMs } from '../keys/key-secret.js';
import { nextAfter, type Timed } from '../memo.js';
import { Problems } from '../statuses/status.js';

export interface TranslatedAuthorization extends Timed {
  readonly resource: Authorization;
  /** `undefined` when it is disabled or nothing of it resolves. */
  readonly grant: Grant | undefined;
  readonly admitted: AdmittedKeys;
  readonly resolved: ResolvedTargets;
  readonly problems: Problems;
}

const IDENTITY = { GatewaySignature: 'SignatureKeyPair', UserSignature: 'UserAccessKey' } as const;

export function translateAuthorization(
  resource: Authorization,
  named: readonly NamedKey[],
  groups: ReadonlyMap<ResourceKey, TranslatedGroup>,
  absence: Absence,
  nowMs: number,
): TranslatedAuthorization {
  const { spec, metadata } = resource;
  const problems = new Problems(resource);
  const admitted = admitKeys(metadata.namespace, named, IDENTITY[spec.type], problems);
  const resolved = resolveTargets(metadata.namespace, spec.targets, groups, absence, 'Authorization', problems);
  // A time that cannot be read refuses: it counts as long past.
  const expirationMs =
    spec.expirationTime === undefined ? undefined : (parseTimeMs(spec.expirationTime) ?? Number.NEGATIVE_INFINITY);
  // An expired grant stays in the model, so that its refusals say authorization_expired.
  if (expirationMs !== undefined && !(nowMs < expirationMs))
    problems.lapse('Accepted', 'Expired', 'spec.expirationTime', 'has passed; nothing is granted');
  const grants = spec.state === 'Enabled' && admitted.keys.length > 0 && resolved.targets.length > 0;
  return {
    resource,
    grant: grants
      ? {
          key: keyOf(resource),
          namespace: metadata.namespace,
          callerKeys: admitted.keys.map(({ key }) => key),
          targets: resolved.targets,
          expirationMs,
        }
      : undefined,
    admitted,
    resolved,
    problems,
    computedMs: nowMs,
    nextChangeMs: nextAfter(nowMs, [expirationMs]),
  };
}
