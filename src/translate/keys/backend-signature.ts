/** Which Backend key signs the requests of an API in an environment. A bound key that cannot sign refuses (503), it never unbinds. */
import type { ApiGroupEnvironmentBackendSignature } from '../../api/types.js';
import type { BackendSignature, ResourceKey } from '../../model/model.js';
import { resourceKey } from '../../resources/resource-set.js';
import type { Absence } from '../absence.js';
import type { TranslatedKey } from './signature-key.js';
import type { Problems } from '../statuses/status.js';

/** @param path of the `backendSignature` that applies, for problems. */
export function bindBackendKey(
  binding: ApiGroupEnvironmentBackendSignature | undefined,
  path: string,
  namespace: string,
  keys: ReadonlyMap<ResourceKey, TranslatedKey>,
  absence: Absence,
  problems: Problems,
): BackendSignature | undefined {
  if (binding?.type !== 'Key') return undefined;
  const name = binding.signatureKeyRef?.name ?? '';
  const referencePath = `${path}.signatureKeyRef`;
  const key = keys.get(resourceKey(namespace, name));
  const spec = key?.resource.spec;
  const signature = {
    key: resourceKey(namespace, name),
    type: spec?.type ?? 'HMAC',
    dialect: binding.dialect,
    aesAlgorithm: spec?.aes?.algorithm,
    material: key?.material,
    notBeforeMs: key?.notBeforeMs,
    expirationMs: key?.expirationMs,
  };
  const unable = (): BackendSignature => ({ ...signature, material: undefined });
  if (!key || !spec) {
    problems.unresolved(
      'KeyNotFound',
      referencePath,
      `SignatureKey ${name} ${absence('SignatureKey', namespace, name)}`,
    );
    return unable();
  }
  if (spec.usage !== 'Backend') {
    problems.unresolved(
      'KeyUsageMismatch',
      referencePath,
      `SignatureKey ${name} is a Caller key; a backend signature needs usage Backend`,
    );
    return unable();
  }
  if (spec.type === 'HMAC' && !binding.dialect) {
    problems.error('RequiredField', `${path}.dialect`, `is required: SignatureKey ${name} has type HMAC`);
    return unable();
  }
  if (spec.type !== 'HMAC' && binding.dialect) {
    problems.warn('InvalidValue', `${path}.dialect`, `has no effect: SignatureKey ${name} has type ${spec.type}`);
    signature.dialect = undefined;
  }
  if (spec.state === 'Disabled')
    problems.unresolved('Disabled', referencePath, `SignatureKey ${name} is disabled; requests are answered 503`);
  else {
    const { problem, lapsed } = key.problems.obstacle() ?? {};
    if (problem) {
      const message = `SignatureKey ${name} has a problem: ${problem.message}`;
      if (lapsed) problems.lapse('ResolvedRefs', problem.reason, referencePath, message);
      else problems.unresolved(problem.reason, referencePath, message);
    }
  }
  return signature;
}
