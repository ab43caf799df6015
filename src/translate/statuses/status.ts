/** From problems to conditions; GEP-713 words, design.md §4 "Status". Pure: times are added by whoever writes status. */
import type { ConditionState, Reason } from '../../api/conditions.js';
import { conditionMessage, MAX_MESSAGE_LENGTH, type ObjectReference, type Problem } from '../../api/problem.js';
import type { ObjectStatus, StatusFields } from '../translation.js';

/** Collects the problems of one object. */
export class Problems {
  readonly object: ObjectReference;
  readonly list: Problem[] = [];
  /** Which of `list` are about references. Most of tens of thousands of objects have no problem, and need no set. */
  #references: Set<number> | undefined;
  /** Which of `list` are warnings that nevertheless make their condition False. */
  #lapsed: Set<number> | undefined;
  #said: Set<string> | undefined;

  constructor(resource: {
    readonly kind: string;
    readonly metadata: { readonly namespace: string; readonly name: string };
  }) {
    const { namespace, name } = resource.metadata;
    this.object = { kind: resource.kind, namespace, name };
  }

  /** Everything so far, to be added to: memoised problems are shared and stay as they are. */
  copy(): Problems {
    const { kind, ...metadata } = this.object;
    const copy = new Problems({ kind, metadata });
    copy.include(this);
    return copy;
  }

  /** Adds those of a part of the same object. */
  include(part: Problems): void {
    for (const [i, problem] of part.list.entries()) {
      if (part.#references?.has(i)) (this.#references ??= new Set()).add(this.list.length);
      if (part.#lapsed?.has(i)) (this.#lapsed ??= new Set()).add(this.list.length);
      this.list.push(problem);
    }
  }

  /** One place that several units share (a group's backend) is told once. */
  #add(
    severity: Problem['severity'],
    reason: Reason,
    path: string,
    message: string,
    { winner, cause }: Pick<Problem, 'winner' | 'cause'> = {},
  ): void {
    const text = `${reason} ${path} ${message}`;
    if (this.#said?.has(text)) return;
    (this.#said ??= new Set()).add(text);
    this.list.push({
      severity,
      object: this.object,
      path,
      reason,
      message,
      ...(winner && { winner }),
      ...(cause && { cause }),
    });
  }

  /** The object itself, or the part of it that `path` names, is refused: Accepted=False. */
  error(reason: Reason, path: string, message: string, winner?: ObjectReference): void {
    this.#add('error', reason, path, message, winner && { winner });
  }

  /** What `path` names elsewhere does not exist or may not be used: ResolvedRefs=False. */
  unresolved(reason: Reason, path: string, message: string, cause?: ObjectReference): void {
    const before = this.list.length;
    this.#add('error', reason, path, message, cause && { cause });
    if (this.list.length > before) (this.#references ??= new Set()).add(before);
  }

  /**
   * What time alone has brought about: the condition is False, and the problem a warning, since no edit is to blame
   * and a check of an unrelated edit must not fail.
   */
  lapse(type: 'Accepted' | 'ResolvedRefs', reason: Reason, path: string, message: string): void {
    const before = this.list.length;
    this.#add('warning', reason, path, message);
    if (this.list.length === before) return;
    (this.#lapsed ??= new Set()).add(before);
    if (type === 'ResolvedRefs') (this.#references ??= new Set()).add(before);
  }

  /** The first that makes a condition False, and whether by time alone. */
  obstacle(): { readonly problem: Problem; readonly lapsed: boolean } | undefined {
    const i = this.list.findIndex((_, each) => this.#refuses(each));
    const problem = this.list[i];
    return problem && { problem, lapsed: this.#lapsed?.has(i) ?? false };
  }

  #refuses(i: number): boolean {
    return this.list[i]?.severity === 'error' || (this.#lapsed?.has(i) ?? false);
  }

  /** Refuses nothing. */
  warn(reason: Reason, path: string, message: string, winner?: ObjectReference): void {
    this.#add('warning', reason, path, message, winner && { winner });
  }

  /**
   * Accepted and ResolvedRefs. An error refuses the unit it names; the condition is False while any is refused.
   * Warnings are told by the message of Accepted, when it is True.
   */
  conditions(): readonly ConditionState[] {
    if (this.list.length === 0) return GOOD;
    const warnings = this.list.filter((_, i) => !this.#refuses(i));
    const refusing = [...this.list.entries()].filter(([i]) => this.#refuses(i));
    const pick = (references: boolean): Problem[] =>
      refusing.filter(([i]) => (this.#references?.has(i) ?? false) === references).map(([, problem]) => problem);
    return [condition('Accepted', pick(false), warnings), condition('ResolvedRefs', pick(true))];
  }
}

/** Conditions of the good are the same for all, by identity: they are most of what is known of most objects. */
const isTrue = (type: 'Accepted' | 'ResolvedRefs' | 'Programmed' | 'Ready'): ConditionState =>
  Object.freeze({ type, status: 'True', reason: type, message: '' });
const PROGRAMMED = isTrue('Programmed');
const GOOD: readonly ConditionState[] = Object.freeze([isTrue('Accepted'), isTrue('ResolvedRefs')]);
const GOOD_AND_PROGRAMMED: readonly ConditionState[] = Object.freeze([...GOOD, PROGRAMMED, isTrue('Ready')]);

function condition(
  type: 'Accepted' | 'ResolvedRefs',
  errors: readonly Problem[],
  warnings: readonly Problem[] = [],
): ConditionState {
  const [first] = errors;
  if (!first) return { type, status: 'True', reason: type, message: conditionMessage(warnings, 'Warning: ') };
  return { type, status: 'False', reason: first.reason, message: conditionMessage(errors) };
}

export function objectStatus(
  resource: {
    readonly kind: string;
    readonly metadata: { readonly namespace: string; readonly name: string; readonly generation?: number };
  },
  problems: Problems,
  fields: StatusFields,
  { idle, warnings = [] }: { idle?: 'Disabled' | 'Offline' | undefined; warnings?: readonly ConditionState[] } = {},
): ObjectStatus {
  const { namespace, name, generation } = resource.metadata;
  return {
    object: { kind: resource.kind, namespace, name },
    generation,
    conditions: warnings.length === 0 ? problems.conditions() : [...problems.conditions(), ...warnings],
    idle,
    fields,
  };
}

/** The counter store as its health tells. */
export interface LimiterState {
  readonly mode: 'Memory' | 'Single' | 'Sentinel' | 'Cluster';
  readonly healthy: boolean;
  readonly message: string;
  readonly flaws?: readonly { readonly message: string }[] | undefined;
}

/** Adds LimiterHealthy and `status.limiter` to a plan. Not part of Ready: what the plan does then is its own choice. */
export function withLimiter(status: ObjectStatus, { mode, healthy, message, flaws = [] }: LimiterState): ObjectStatus {
  if (status.object.kind !== 'UsagePlan') return status;
  const condition = (state: 'True' | 'False', reason: Reason, text: string): ConditionState => ({
    type: 'LimiterHealthy',
    status: state,
    reason,
    message: text.slice(0, MAX_MESSAGE_LENGTH),
  });
  const added = !healthy
    ? condition('False', 'StoreUnavailable', message)
    : flaws.length > 0
      ? condition('False', 'StoreMisconfigured', flaws.map((flaw) => flaw.message).join('; '))
      : condition('True', 'Healthy', message);
  return {
    ...status,
    conditions: [...status.conditions, added],
    fields: { ...status.fields, limiter: { mode, healthy } },
  };
}

/** What the data plane says of the current generation of an object. */
export type ProgrammedOutcome =
  | { readonly type: 'Programmed' }
  | { readonly type: 'NoDataPlane' }
  | {
      readonly type: 'Propagating';
      readonly acked: number;
      readonly expected: number;
      readonly lacking: readonly string[];
    }
  /** Envoy's own message. */
  | { readonly type: 'Rejected'; readonly message: string };

/**
 * Adds Programmed, and Ready as the summary of all: True when the others are, with the reason Disabled or Offline
 * where the object is idle by its own wish (kstatus sees it as healthy).
 */
export function withProgrammed(status: ObjectStatus, outcome: ProgrammedOutcome): ObjectStatus {
  if (status.conditions === GOOD && status.idle === undefined && outcome.type === 'Programmed')
    return { ...status, conditions: GOOD_AND_PROGRAMMED };
  const programmed = programmedCondition(outcome);
  const summarised = [
    ...status.conditions.filter(({ type }) => type === 'Accepted' || type === 'ResolvedRefs'),
    programmed,
  ];
  // What is switched off needs no references, and no time of its own makes it less so.
  const counts = ({ type, reason }: ConditionState): boolean =>
    status.idle === undefined || (type !== 'ResolvedRefs' && reason !== 'Expired' && reason !== 'NotYetValid');
  const conditions = summarised.filter(counts);
  const obstacle =
    conditions.find(({ status }) => status === 'False') ?? conditions.find(({ status }) => status === 'Unknown');
  const warning = status.conditions.find(({ type }) => type === 'Accepted')?.message ?? '';
  const ready: ConditionState = obstacle
    ? { type: 'Ready', status: obstacle.status, reason: obstacle.reason, message: obstacle.message }
    : { type: 'Ready', status: 'True', reason: status.idle ?? 'Ready', message: warning };
  return { ...status, conditions: [...status.conditions, programmed, ready] };
}

const MAX_NAMED_NODES = 5;

function programmedCondition(outcome: ProgrammedOutcome): ConditionState {
  const type = 'Programmed';
  switch (outcome.type) {
    case 'Programmed':
      return PROGRAMMED;
    case 'NoDataPlane':
      return { type, status: 'Unknown', reason: 'NoDataPlane', message: 'No Envoy or authorizer is connected' };
    case 'Rejected':
      return { type, status: 'False', reason: 'Rejected', message: outcome.message.slice(0, MAX_MESSAGE_LENGTH) };
    case 'Propagating': {
      const named = outcome.lacking.slice(0, MAX_NAMED_NODES).join(', ');
      const more = outcome.lacking.length > MAX_NAMED_NODES ? ', …' : '';
      return {
        type,
        status: 'False',
        reason: 'Propagating',
        message: `${outcome.acked}/${outcome.expected}; waiting for ${named}${more}`,
      };
    }
  }
}
