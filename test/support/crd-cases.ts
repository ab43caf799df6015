/**
 * The cases of test/crds/KIND/{valid,invalid}/*.yaml and the examples of the reference, for our own checker and for
 * a real API server alike. A file is one object, or a history of it: all documents but the last are accepted, the
 * last is judged.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export interface CrdCase {
  /** `signature-key/invalid/caller-basic`. */
  readonly name: string;
  readonly valid: boolean;
  readonly earlier: readonly unknown[];
  readonly judged: unknown;
  /** Of an invalid case: a part of our message, and the path of the problem. */
  readonly wants: string;
  readonly at: string;
}

const cases = fileURLToPath(new URL('../crds/', import.meta.url));
const examples = fileURLToPath(new URL('../../examples/minimal/', import.meta.url));

export function readCrdCases(): CrdCase[] {
  return [
    ...textsOf(cases).map(([file, text]) => {
      const comment = (name: string) => new RegExp(`^# ${name}: (.+)$`, 'm').exec(text)?.[1] ?? '';
      return {
        ...readHistory(file, text),
        valid: file.includes('/valid/'),
        wants: comment('wants'),
        at: comment('at'),
      };
    }),
    ...textsOf(examples).map(([file, text]) => {
      const { judged, ...history } = readHistory(`example/${file}`, text);
      // In the namespace of the other cases, under a name that nobody else has.
      const object = { ...(judged as object), metadata: { name: 'case', namespace: 'default' } };
      return { ...history, judged: object, valid: true, wants: '', at: '' };
    }),
  ];
}

const textsOf = (folder: string): (readonly [file: string, text: string])[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map((file) => [file, readFileSync(folder + file, 'utf8')]);

function readHistory(file: string, text: string): Pick<CrdCase, 'name' | 'earlier' | 'judged'> {
  const objects = parseAllDocuments(text).map((document) => document.toJS() as unknown);
  return { name: file.replace(/\.yaml$/, ''), earlier: objects.slice(0, -1), judged: objects.at(-1) };
}
