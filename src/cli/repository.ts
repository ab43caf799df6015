/**
 * A Git repository that a cluster is made from, as `lint --gitops` reads it: it holds objects of other kinds, and
 * never the Secrets themselves.
 */
import { KINDS, type SignatureKey } from '../api/types.js';
import { isForeign, SOPS_PATH } from '../provider/file/manifest-objects.js';
import type { InputProblem } from '../provider/provider.js';
import { CORE_KINDS } from '../resources/core-resources.js';
import { resourceKey, type ResourceSet } from '../resources/resource-set.js';
import { StandInSecret } from '../resources/stand-in-secret.js';

const READ_KINDS: readonly string[] = [...KINDS, ...CORE_KINDS];

/** Not what is said of other people's objects, nor that a Secret is encrypted: both are as they should be. */
export const ofOurs = (problems: readonly InputProblem[]): InputProblem[] =>
  problems.filter(
    (problem) =>
      !isForeign(problem) &&
      !isEncrypted(problem) &&
      // Two clusters may each have a HelmRelease of one name.
      !(problem.reason === 'Duplicate' && !READ_KINDS.includes(problem.object.kind)) &&
      // No object at all, such as a list of JSON patches.
      !(problem.object.kind === '' && problem.path === ''),
  );

const isEncrypted = ({ object, path }: InputProblem): boolean => object.kind === 'Secret' && path === SOPS_PATH;

/** For every key whose `secretRef` finds nothing: a Secret that fits it, so that all the rest is checked. */
export function standInSecrets({ SignatureKey, Secret }: ResourceSet): StandInSecret[] {
  return [...SignatureKey.values()].flatMap(({ metadata: { namespace, name: keyName }, spec }) => {
    const { secretRef } = spec;
    if (!secretRef || Secret.has(resourceKey(namespace, secretRef.name))) return [];
    return new StandInSecret(namespace, secretRef.name, spec.keyID ?? standInId(spec, keyName));
  });
}

/** The id of an AES key is its cipher key, of the cipher's length. */
const standInId = ({ aes }: SignatureKey['spec'], keyName: string): string =>
  aes ? 'A'.repeat(aes.algorithm === 'AES256CFB' ? 32 : 16) : `stand-in-${keyName}`;
