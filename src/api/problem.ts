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
}

/** Appends a member name or an index to a path as `Problem.path` writes it. */
export function joinPath(path: string, member: string | number): string {
  if (typeof member === 'number') return `${path}[${member}]`;
  if (!/^[A-Za-z_$][\w$-]*$/.test(member)) return `${path}[${JSON.stringify(member)}]`;
  return path === '' ? member : `${path}.${member}`;
}
