/** Where resources come from. A provider keeps the identity of unchanged objects and never lets one bad object stop others. */
import type { ObjectReference, Problem } from '../api/problem.js';
import type { ResourceSet } from '../resources/resource-set.js';

/** A place in a file, 1-based. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** What is wrong with the input itself, before translation. */
export interface InputProblem extends Problem {
  /** Present where the source is a file. */
  readonly place?: Place;
}

export interface Publication {
  readonly resources: ResourceSet;
  readonly problems: readonly InputProblem[];
  /** `Kind/namespace/name` of objects whose newest version is refused or cannot be read: the one before is in `resources`. */
  readonly kept?: ReadonlySet<string>;
  /** Of `problems`, those of files that could not be read at the start and not since: what they hold is not in force. */
  readonly unread?: readonly InputProblem[];
  /** When the earliest of the changes since the publication before was written, where that is known; epoch ms. */
  readonly writtenMs?: number | undefined;
}

export interface Provider {
  /** Publishes what there is, then every change. Resolves after the first publication; `publish` is never called after `close`. */
  start(publish: (publication: Publication) => void): Promise<void>;
  close(): Promise<void>;
  /** Where a field of an object is written; the nearest parent that is written down, or `undefined` for an unknown object. */
  locate(object: ObjectReference, path: string): Place | undefined;
}
