/** Tells in the log what changed for a reader: problems with their place, and objects that became ready or not. */
import type { Provider, Publication } from '../provider/provider.js';
import type { Logger } from '../telemetry/logger.js';
import type { ControllerChange } from './controller.js';
import { formatProblem, placeProblems, type PlacedProblem } from './problem-text.js';

export interface ChangeReporter {
  /** What the provider published last. */
  setPublication(publication: Publication): void;
  report(change: Pick<ControllerChange, 'problems' | 'ready'>): void;
  readonly problems: readonly PlacedProblem[];
}

/** @param source what problems without a place are printed with: the folder as the user wrote it, or the cluster. */
export function createChangeReporter(log: Logger, locate: Provider['locate'], source: string): ChangeReporter {
  let publication: Publication | undefined;
  let problems: readonly PlacedProblem[] = [];
  return {
    setPublication: (next) => void (publication = next),
    get problems() {
      return problems;
    },
    report({ problems: translated, ready }) {
      const before = new Set(problems.map(formatProblem));
      problems = placeProblems(publication?.problems ?? [], translated, locate, source);
      for (const problem of problems) {
        const line = formatProblem(problem);
        if (!before.has(line)) log[problem.severity === 'error' ? 'error' : 'warn'](line);
      }
      if (problems.length === 0 && before.size > 0) log.info('no problems are left');
      for (const { object, ready: condition } of ready) {
        const name = `${object.kind} ${object.namespace}/${object.name}`;
        if (condition.status === 'True')
          log.info(`${name}: Ready${condition.reason === 'Ready' ? '' : ` (${condition.reason})`}`);
        else log.warn(`${name}: not Ready, ${condition.reason}: ${condition.message}`);
      }
    },
  };
}
