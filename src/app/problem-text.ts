/** Problems as lines that editors and CI read: `file:line:column: severity Reason: path: message`. */
import { join } from 'node:path';
import type { Problem } from '../api/problem.js';
import { oneOf } from '../api/schema-problems.js';
import { KINDS } from '../api/types.js';
import type { InputProblem, Place, Provider, Publication } from '../provider/provider.js';

export interface PlacedProblem extends Problem {
  readonly file: string;
  /** 1-based; 0 when nobody knows the place. */
  readonly line: number;
  readonly column: number;
  /** Where `winner` is written. */
  readonly winnerPlace?: Place;
}

/** Problems of the input and of its translation with their places, in reading order. `folder` as the user wrote it. */
export function placeProblems(
  input: readonly InputProblem[],
  translated: readonly Problem[],
  locate: Provider['locate'],
  folder: string,
): PlacedProblem[] {
  const placed = [...input, ...translated].map((problem: InputProblem): PlacedProblem => {
    const { place: known, ...rest } = problem;
    const place = known ?? locate(problem.object, problem.path);
    const other = problem.winner && locate(problem.winner, 'metadata.name');
    const winnerPlace = other && { ...other, file: join(folder, other.file) };
    const cause = problem.cause && locate(problem.cause, 'metadata.name');
    return {
      ...rest,
      ...(cause && { message: `${problem.message} (${textOfPlace({ ...cause, file: join(folder, cause.file) })})` }),
      ...(winnerPlace && { winnerPlace, message: `${problem.message} (${textOfPlace(winnerPlace)})` }),
      file: place ? join(folder, place.file) : folder,
      line: place?.line ?? 0,
      column: place?.column ?? 0,
    };
  });
  return placed.sort(
    (a, b) => compare(a.file, b.file) || a.line - b.line || a.column - b.column || compare(a.path, b.path),
  );
}

/** `file:line:column`, so that terminals and editors find the place. */
export const textOfPlace = ({ file, line, column }: Place): string => `${file}:${String(line)}:${String(column)}`;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export function formatProblem({ file, line, column, severity, reason, object, path, message }: PlacedProblem): string {
  const place = line === 0 ? file : textOfPlace({ file, line, column });
  const prefix = place === '' ? '' : `${place}: `;
  // A file that cannot be read is named by the place already.
  const about =
    object.name === '' || object.kind === 'File'
      ? ''
      : `${object.kind} ${object.namespace === '' ? '' : `${object.namespace}/`}${object.name}: `;
  return oneLine(`${prefix}${severity} ${reason}: ${about}${path === '' ? '' : `${path}: `}${message}`);
}

/**
 * Names are what somebody wrote, perhaps in a pull request. A CI system takes a line that begins with `::`, or holds
 * `##[` or `##vso[`, for a command; a terminal obeys control characters.
 */
const oneLine = (text: string): string =>
  text
    .replaceAll('\r', '\\r')
    .replaceAll('\n', '\\n')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (each) => `\\u{${each.codePointAt(0)!.toString(16)}}`)
    .replace(/##(?=\w*\[)/g, '#\\u{23}')
    .replace(/^::/, './::');

/** What is in the way of readiness: files that nobody has ever read. `undefined`: nothing. */
export function tellUnread({ unread = [] }: Publication): string | undefined {
  const [first, ...more] = unread;
  if (!first) return undefined;
  const place = textOfPlace(first.place ?? { file: first.object.name, line: 1, column: 1 });
  const others = more.length === 0 ? '' : ` (and ${String(more.length)} more)`;
  return `${place}: ${first.message}${others}; what it holds is not in force`;
}

export const EMPTY_FOLDER = `no ${oneOf(KINDS)} is in this folder; is it the right one?`;
