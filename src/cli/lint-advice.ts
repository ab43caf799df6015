/** What `lint` says beyond the problems that `run` would report: nothing is wrong, and yet hardly what was meant. */
import type { Problem } from '../api/problem.js';
import { durationMs } from '../api/units.js';
import { EMPTY_FOLDER, type PlacedProblem, textOfPlace } from '../app/problem-text.js';
import type { Model } from '../model/model.js';
import type { ResourceSet } from '../resources/resource-set.js';
import { defaultBurst } from '../translate/bindings/usage-plan.js';

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

/** `2 requests in 1m` is read as two at once by nearly everybody, and admits one, and the next after half a minute. */
export function unstatedBursts({ UsagePlan }: ResourceSet): Problem[] {
  return [...UsagePlan.values()].flatMap(({ metadata: { namespace, name }, spec }) =>
    (spec.rateLimits ?? []).flatMap(({ requests, interval, burst }, i): Problem[] => {
      const intervalMs = durationMs(interval);
      if (burst !== undefined || requests < 2 || !(intervalMs > 0) || defaultBurst(requests, intervalMs) > 1) return [];
      return [
        {
          severity: 'warning',
          object: { kind: 'UsagePlan', namespace, name },
          path: `spec.rateLimits[${String(i)}]`,
          reason: 'DefaultBurst',
          message: `admits 1 request at once and the next after ${timeText(intervalMs / requests)}; write burst: ${String(requests)} where ${String(requests)} may come together, or burst: 1 where this is meant`,
        },
      ];
    }),
  );
}

/** Meant as a plan of a limit to come, or an indentation gone wrong. */
export function plansWithoutLimit({ UsagePlan }: ResourceSet): Problem[] {
  return [...UsagePlan.values()]
    .filter(({ spec: { rateLimits = [], quotas = [] } }) => rateLimits.length + quotas.length === 0)
    .map(({ metadata: { namespace, name } }) => ({
      severity: 'warning',
      object: { kind: 'UsagePlan', namespace, name },
      path: 'spec',
      reason: 'NoLimit',
      message: 'has neither rateLimits nor quotas: it limits nothing',
    }));
}

/** `/items/*` and `/items/:id` of other gateways: here a star and a colon stand for themselves. */
export function literalPatterns({ ApiGroup }: ResourceSet): Problem[] {
  return [...ApiGroup.values()].flatMap(({ metadata: { namespace, name }, spec }) =>
    (spec.apis ?? []).flatMap(({ match }, i): Problem[] => {
      const { type, value } = match.path;
      const segment = value.split('/').find((each) => /^(\*+|:[A-Za-z_]\w*)$/.test(each));
      if (segment === undefined) return [];
      const instead = segment.startsWith(':')
        ? `write {${segment.slice(1)}}${type === 'Template' ? '' : ' and type: Template'} for any one segment`
        : 'type: Prefix admits whatever follows, and {name} in a Template any one segment';
      return [
        {
          severity: 'warning',
          object: { kind: 'ApiGroup', namespace, name },
          path: `spec.apis[${String(i)}].match.path.value`,
          reason: 'LiteralPattern',
          message: `takes ${segment} literally; ${instead}`,
        },
      ];
    }),
  );
}

const timeText = (ms: number): string =>
  ms < 1000 ? `${String(Math.round(ms))} ms` : `${String(Number((ms / 1000).toFixed(1)))} s`;

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

/**
 * Who comes first is not known where nothing is served: the loser told here may be the one that stays.
 * @param gitops the objects are for a cluster.
 */
export function tellWhoStays(problem: PlacedProblem, gitops: boolean): PlacedProblem {
  const { severity, object, winner, message } = problem;
  if (!winner || severity !== 'error') return problem;
  if (!gitops) return { ...problem, message: `${message}; of the two, whichever was served first stays in service` };
  // Inside a namespace names decide, as told.
  if (winner.namespace === object.namespace) return problem;
  return { ...problem, message: `${message}; in a cluster the older of the two is served` };
}

/** The same problem at the other object, which may be what a pull request adds. */
export function fromTheOther({
  object,
  winner,
  winnerPlace,
  file,
  line,
  column,
  ...problem
}: PlacedProblem): PlacedProblem[] {
  if (!winner || !winnerPlace || problem.severity !== 'error') return [];
  const other = `${object.kind} ${object.namespace}/${object.name}`;
  const message = `claims the same as ${other} (${textOfPlace({ file, line, column })}), where the error is told`;
  return [{ ...problem, ...winnerPlace, object: winner, path: 'metadata.name', message }];
}
