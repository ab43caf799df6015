/**
 * The cases of test/crds/KIND/{valid,invalid}/*.yaml, for our own checker and for a real API server alike.
 * A file is one object, or a history of it: all documents but the last are accepted, the last is judged.
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

const folder = fileURLToPath(new URL('../crds/', import.meta.url));

export function readCrdCases(): CrdCase[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map((file) => {
      const text = readFileSync(folder + file, 'utf8');
      const objects = parseAllDocuments(text).map((document) => document.toJS() as unknown);
      const comment = (name: string) => new RegExp(`^# ${name}: (.+)$`, 'm').exec(text)?.[1] ?? '';
      return {
        name: file.replace(/\.yaml$/, ''),
        valid: file.includes('/valid/'),
        earlier: objects.slice(0, -1),
        judged: objects.at(-1),
        wants: comment('wants'),
        at: comment('at'),
      };
    });
}
