import { isRecord } from './defaults.js';
import { joinPath, type ObjectReference, type Problem } from './problem.js';
import type { CountersignObject, Kind } from './types.js';

/** A field that the schema accepts and this version does not act on. Refused, because ignoring it would be a lie. */
export interface Unimplemented {
  readonly kind: Kind;
  /** From the object's root, `[]` for every entry of a list: `spec.apis[].rewrite.method`. */
  readonly path: string;
  /** Which values; absent means any. */
  readonly when?: (value: unknown) => boolean;
  readonly message: string;
}

/** Empty when everything that crds/ offers is implemented. */
export const UNIMPLEMENTED: readonly Unimplemented[] = [];

/** A problem for each use of a field in `list`. */
export function unimplementedProblems(
  object: CountersignObject,
  reference: ObjectReference,
  list: readonly Unimplemented[] = UNIMPLEMENTED,
): Problem[] {
  const problems: Problem[] = [];
  for (const { kind, path, when, message } of list) {
    if (kind !== object.kind) continue;
    const steps = path.replaceAll('[]', '.[]').split('.');
    for (const found of valuesAt(object, steps, '')) {
      if (when && !when(found.value)) continue;
      problems.push({ severity: 'error', object: reference, path: found.path, reason: 'NotImplemented', message });
    }
  }
  return problems;
}

function* valuesAt(
  value: unknown,
  steps: readonly string[],
  path: string,
): Generator<{ readonly path: string; readonly value: unknown }> {
  const [step, ...rest] = steps;
  if (step === undefined) yield { path, value };
  else if (step === '[]' && Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* valuesAt(item, rest, joinPath(path, index));
  } else if (isRecord(value) && value[step] !== undefined) yield* valuesAt(value[step], rest, joinPath(path, step));
}
