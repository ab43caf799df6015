import type { Reason } from './conditions.js';

/** Names one object; enough to find it and to print it. */
export interface ObjectReference {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** A user's mistake. It is data: nobody throws it, and it never stops another object. */
export interface Problem {
  /** An error refuses the unit that `path` names; a warning refuses nothing. */
  readonly severity: 'error' | 'warning';
  readonly object: ObjectReference;
  /** Where, from the object's root: `spec.quotas[0].timeZone`. Keys that are no identifiers are quoted: `metadata.labels["a/b"]`. */
  readonly path: string;
  readonly reason: Reason;
  /** One sentence without the path; never holds a secret. */
  readonly message: string;
  /** The object that goes before this one, where the message names it. */
  readonly winner?: ObjectReference;
  /** The object whose own problems are the reason, where the message sends the reader there. */
  readonly cause?: ObjectReference;
}

/** Kubernetes takes 32768 characters in a condition; an Event holds this many, and nobody reads more. */
export const MAX_MESSAGE_LENGTH = 1024;
const MAX_NAMED_PROBLEMS = 5;

/**
 * Problems as the message of a condition. In a cluster it is all that a user gets to read, and one mistake at a time
 * would mean one apply for each.
 */
export function conditionMessage(problems: readonly Pick<Problem, 'path' | 'message'>[], prefix = ''): string {
  const texts = problems.map(({ path, message }) => `${path}: ${message}`);
  const naming = (count: number): string => {
    const rest = texts.length - count;
    return `${prefix}${texts.slice(0, count).join('; ')}${rest > 0 ? ` (and ${rest} more)` : ''}`;
  };
  let named = Math.min(texts.length, MAX_NAMED_PROBLEMS);
  while (named > 1 && naming(named).length > MAX_MESSAGE_LENGTH) named--;
  return named === 0 ? '' : naming(named).slice(0, MAX_MESSAGE_LENGTH);
}

/** Appends a member name or an index to a path as `Problem.path` writes it. */
export function joinPath(path: string, member: string | number): string {
  if (typeof member === 'number') return `${path}[${member}]`;
  if (!/^[A-Za-z_$][\w$-]*$/.test(member)) return `${path}[${JSON.stringify(member)}]`;
  return path === '' ? member : `${path}.${member}`;
}
