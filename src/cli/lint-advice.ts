/** What `lint` says beyond the problems that `run` would report: nothing is wrong, and yet hardly what was meant. */
import type { Problem } from '../api/problem.js';
import { EMPTY_FOLDER } from '../app/problem-text.js';
import type { Model } from '../model/model.js';
import type { ResourceSet } from '../resources/resource-set.js';

/** Groups that ask for an authorization which nobody gives: every request would be answered 403. */
export function groupsWithoutAuthorization({ Authorization, refused }: ResourceSet, { groups }: Model): Problem[] {
  const named = new Set(
    [...Authorization.values()].flatMap(({ metadata, spec }) =>
      spec.targets.map(({ apiGroup }) => `${metadata.namespace}/${apiGroup}`),
    ),
  );
  // One that is refused may be the one: its own problems are enough to read.
  const doubtful = (namespace: string): boolean =>
    [...(refused ?? [])].some((id) => id.startsWith(`Authorization/${namespace}/`));
  return groups
    .filter(({ key, namespace, environments }) => {
      const apis = environments.flatMap((environment) => environment.apis);
      return apis.some(({ access }) => access.authorization === 'Enabled') && !named.has(key) && !doubtful(namespace);
    })
    .map(({ namespace, name }) => ({
      severity: 'warning',
      object: { kind: 'ApiGroup', namespace, name },
      path: 'spec.access',
      reason: 'NoAuthorization',
      message: 'asks callers for an authorization, and no Authorization names this group: nobody may call it',
    }));
}

/** A folder with no object of ours is nearly always the wrong folder. */
export function emptyFolder(objects: number): Problem[] {
  if (objects > 0) return [];
  return [
    {
      severity: 'error',
      object: { kind: 'Folder', namespace: '', name: '' },
      path: '',
      reason: 'RequiredField',
      message: EMPTY_FOLDER,
    },
  ];
}
