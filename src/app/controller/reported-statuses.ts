/**
 * The status of every object with what nodes enforce of it. Of tens of thousands an edit changes a few: those are
 * worked out anew and named, the others keep their identity.
 */
import type { ObjectStatus } from '../../translate/translation.js';
import {
  withLimiter,
  withProgrammed,
  type LimiterState,
  type ProgrammedOutcome,
} from '../../translate/statuses/status.js';

/** Statuses that are new, and objects that are gone, by `Kind/namespace/name`. */
export interface StatusChanges {
  readonly changed: ReadonlyMap<string, ObjectStatus>;
  readonly gone: readonly string[];
}

interface Reported {
  readonly of: ObjectStatus;
  readonly outcome: ProgrammedOutcome;
  readonly limiter: string;
}

export class ReportedStatuses {
  readonly #reported = new Map<string, Reported>();
  readonly #statuses = new Map<string, ObjectStatus>();

  /** Of all objects as they were reported last: a view that follows, in no order. */
  get all(): ReadonlyMap<string, ObjectStatus> {
    return this.#statuses;
  }

  /** @param outcomeOf what became of an object at the nodes. @param limiter that plans rely on. */
  update(
    translated: ReadonlyMap<string, ObjectStatus>,
    outcomeOf: (id: string, status: ObjectStatus) => ProgrammedOutcome,
    limiter: LimiterState,
  ): StatusChanges {
    const limiterText = JSON.stringify(limiter);
    const changed = new Map<string, ObjectStatus>();
    for (const [id, status] of translated) {
      const outcome = outcomeOf(id, status);
      const ofLimiter = status.object.kind === 'UsagePlan' ? limiterText : '';
      const before = this.#reported.get(id);
      if (before?.of === status && before.limiter === ofLimiter && isSameOutcome(before.outcome, outcome)) continue;
      this.#reported.set(id, { of: status, outcome, limiter: ofLimiter });
      const made = withProgrammed(withLimiter(status, limiter), outcome);
      this.#statuses.set(id, made);
      changed.set(id, made);
    }
    const gone =
      this.#reported.size > translated.size ? [...this.#reported.keys()].filter((id) => !translated.has(id)) : [];
    for (const id of gone) {
      this.#reported.delete(id);
      this.#statuses.delete(id);
    }
    return { changed, gone };
  }
}

const isSameOutcome = (a: ProgrammedOutcome, b: ProgrammedOutcome): boolean =>
  a === b ||
  (a.type === b.type &&
    (a.type === 'Programmed' || a.type === 'NoDataPlane' || JSON.stringify(a) === JSON.stringify(b)));
