/** Tells in the log what changed for a reader: problems with their place, and objects that became ready or not. */
import type { Provider, Publication } from '../../provider/provider.js';
import type { Logger } from '../../telemetry/logger.js';
import type { ControllerChange } from './controller.js';
import { servesNothing, summarize } from '../summary-text.js';
import { formatProblem, placeProblems, type PlacedProblem } from '../problem-text.js';

export interface ChangeReporter {
  /** What the provider published last. */
  setPublication(publication: Publication): void;
  report(change: ControllerChange): void;
  readonly problems: readonly PlacedProblem[];
  /** `Kind/namespace/name` of objects of which a version before is served. */
  readonly kept: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

export interface ChangeReporterOptions {
  readonly log: Logger;
  readonly locate: Provider['locate'];
  /** What problems without a place are printed with: the folder as the user wrote it, or the cluster. */
  readonly source: string;
  /**
   * Users read conditions and Events, not this log: their mistakes, and the states that an apply passes through, are
   * no errors or warnings of the process.
   */
  readonly toldElsewhere?: boolean;
}

export function createChangeReporter({ log, locate, source, toldElsewhere }: ChangeReporterOptions): ChangeReporter {
  const levelOf = (level: 'error' | 'warn') => (toldElsewhere ? 'info' : level);
  // "Kubernetes: error …" would read as if the API server had failed.
  const lineOf = (problem: PlacedProblem) => formatProblem(toldElsewhere ? { ...problem, file: '' } : problem);
  let publication: Publication | undefined;
  let problems: readonly PlacedProblem[] = [];
  /** State that was live when this was told last. */
  let told: number | undefined;
  return {
    get kept() {
      return publication?.kept ?? NONE;
    },
    setPublication: (next) => void (publication = next),
    get problems() {
      return problems;
    },
    report({ problems: translated, ready, gone, model, live }) {
      const before = new Set(problems.map(lineOf));
      problems = placeProblems(publication?.problems ?? [], translated, locate, source);
      for (const problem of problems) {
        const line = lineOf(problem);
        if (!before.has(line) && !(toldElsewhere && problem.reason === 'SecretNotReady'))
          log[levelOf(problem.severity === 'error' ? 'error' : 'warn')](line);
      }
      if (problems.length === 0 && before.size > 0) log.info('no problems are left');
      for (const { object, ready: condition } of ready) {
        const name = `${object.kind} ${object.namespace}/${object.name}`;
        if (condition.status === 'True')
          log.info(`${name}: Ready${condition.reason === 'Ready' ? '' : ` (${condition.reason})`}`);
        else log[levelOf('warn')](`${name}: not Ready, ${condition.reason}: ${condition.message}`);
      }
      for (const id of gone) log.info(`${id.replace('/', ' ')}: gone`);
      if (live === undefined || live === told) return;
      // The first is what the process tells when it is ready.
      if (told !== undefined) log.info(`live: ${summarize(model, problems.length)}`);
      if (servesNothing(model))
        log.warn(`nothing is served${told === undefined ? '' : ' any more'}: no ApiGroup with an API is good`);
      told = live;
    },
  };
}
