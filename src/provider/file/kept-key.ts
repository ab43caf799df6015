import { SecretResource } from '../../resources/core-resources.js';
import type { AnyResource } from '../../resources/resource-set.js';

/**
 * Why a version of a key that stays is not in service all the same: its Secret was changed or removed together with
 * the edit that is refused. Objects are named `Kind/namespace/name`.
 */
export function unusableSecret(kept: AnyResource, resources: ReadonlyMap<string, AnyResource>): string | undefined {
  if (kept.kind !== 'SignatureKey') return undefined;
  const { keyID, secretRef } = kept.spec;
  if (!secretRef) return undefined;
  const secret = resources.get(`Secret/${kept.metadata.namespace}/${secretRef.name}`);
  if (!(secret instanceof SecretResource)) return `its Secret ${secretRef.name} is gone`;
  return keyID === undefined || secret.text('keyId') === keyID
    ? undefined
    : `its Secret ${secretRef.name} holds another keyId now`;
}
