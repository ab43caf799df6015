/**
 * The state of a folder of manifests. `scan` looks at the disk and re-reads what changed; the objects then behave as
 * after `kubectl apply`: one that is refused (schema, rule, immutable field) leaves its predecessor in place, and a
 * file that does not parse keeps all of its own. What is gone from the disk is gone.
 */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { ObjectReference, Problem } from '../../api/problem.js';
import { checkTransition } from '../../api/schema.js';
import { errorMessage } from '../../lib/errors.js';
import { type AnyResource, createResourceSet, EMPTY_RESOURCES } from '../../resources/resource-set.js';
import type { InputProblem, Place, Publication } from '../provider.js';
import {
  locateInDocument,
  type ManifestDocument,
  type ManifestFault,
  MAX_FILE_BYTES,
  parseManifest,
} from './manifest.js';
import { isOurs, type ManifestObject, readObjects } from './manifest-objects.js';

interface FileState {
  /** Changes whenever the file's content may have. */
  readonly signature: string;
  readonly documents: readonly ManifestDocument[];
  readonly objects: readonly ManifestObject[];
  readonly fault: ManifestFault | undefined;
}

interface PlacedObject {
  readonly file: string;
  readonly object: ManifestObject;
}

const EXTENSION = /\.(ya?ml|json)$/i;

const textOf = ({ kind, namespace, name }: ObjectReference): string => `${kind}/${namespace}/${name}`;

export class Folder {
  readonly #root: string;
  #files = new Map<string, FileState>();
  #placed = new Map<string, PlacedObject>();
  #resources = new Map<string, AnyResource>();
  #publication: Publication = { resources: EMPTY_RESOURCES, problems: [] };
  #fingerprint = '';

  constructor(root: string) {
    this.#root = root;
  }

  get publication(): Publication {
    return this.#publication;
  }

  /** Reads what changed since the last scan. @returns whether `publication` is another one now. */
  async scan(): Promise<boolean> {
    const problems: InputProblem[] = [];
    let found: Map<string, string>;
    try {
      found = await listManifests(this.#root);
    } catch (error) {
      // A folder that is away for a moment (a checkout, a remount) must not revoke everything.
      found = new Map([...this.#files].map(([file, { signature }]) => [file, signature]));
      problems.push(
        fileProblem('.', { line: 1, column: 1, message: `the folder cannot be read: ${errorMessage(error)}` }),
      );
    }
    const files = new Map<string, FileState>();
    for (const [file, signature] of found) {
      const known = this.#files.get(file);
      const state =
        known?.signature === signature ? known : await readManifest(join(this.#root, file), signature, known);
      if (state) files.set(file, state);
    }
    this.#files = files;
    return this.#evaluate(problems);
  }

  /** Where a field of an object is written. */
  locate(object: ObjectReference, path: string): Place | undefined {
    const placed = this.#placed.get(textOf(object));
    return placed && placeOf(placed, path);
  }

  #evaluate(problems: InputProblem[]): boolean {
    const placed = new Map<string, PlacedObject>();
    const resources = new Map<string, AnyResource>();
    for (const [file, state] of this.#files) {
      if (state.fault) problems.push(fileProblem(file, state.fault));
      for (const object of state.objects) {
        const here = { file, object };
        const key = textOf(object.reference);
        const first = object.reference.name === '' ? undefined : placed.get(key);
        const report = (found: readonly Problem[]): void => {
          for (const problem of found) problems.push({ ...problem, place: placeOf(here, problem.path) });
        };
        if (first) {
          const { file: otherFile, line } = placeOf(first, 'metadata.name');
          const message = `is defined in ${otherFile}:${line} already; that one stays`;
          report([
            { severity: 'error', object: object.reference, path: 'metadata.name', reason: 'Duplicate', message },
          ]);
          continue;
        }
        placed.set(key, here);
        report(object.problems);
        const predecessor = this.#resources.get(key);
        const resource =
          object.resource && this.#admit(object.resource, predecessor, report) ? object.resource : predecessor;
        if (resource) resources.set(key, resource);
      }
    }
    const changed = !sameEntries(resources, this.#resources);
    const fingerprint = JSON.stringify(problems);
    const different = changed || fingerprint !== this.#fingerprint;
    this.#placed = placed;
    this.#resources = resources;
    this.#fingerprint = fingerprint;
    if (different)
      this.#publication = {
        resources: changed ? createResourceSet(resources.values()) : this.#publication.resources,
        problems,
      };
    return different;
  }

  /** Transition rules, as an API server applies them to an update. */
  #admit(
    next: AnyResource,
    predecessor: AnyResource | undefined,
    report: (problems: readonly Problem[]) => void,
  ): boolean {
    if (!predecessor || predecessor === next || !isOurs(next) || !isOurs(predecessor)) return true;
    const problems = checkTransition(predecessor, next);
    report(problems);
    return problems.length === 0;
  }
}

/** Reads a folder once, for commands that do not watch. */
export async function readFolder(root: string): Promise<Publication & Pick<Folder, 'locate'>> {
  const folder = new Folder(root);
  await folder.scan();
  return { ...folder.publication, locate: (object, path) => folder.locate(object, path) };
}

function placeOf({ file, object }: PlacedObject, path: string): Place {
  return { file, ...locateInDocument(object.document, path, object.root) };
}

function fileProblem(file: string, { line, column, message }: ManifestFault): InputProblem {
  const object = { kind: 'File', namespace: '', name: file };
  return { severity: 'error', object, path: '', reason: 'Invalid', message, place: { file, line, column } };
}

const sameEntries = (a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean =>
  a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);

/**
 * Manifests below `root` in path order, each with a signature. Names with a leading dot are not manifests (editors,
 * `.git`, our state folder; and `..data` of a mounted ConfigMap, whose files are reached by the links beside it).
 */
async function listManifests(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const visited = new Set<string>();
  const visit = async (folder: string): Promise<void> => {
    const real = await realpath(folder);
    if (visited.has(real)) return; // links can form a ring
    visited.add(real);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory() || (entry.isSymbolicLink() && (await stat(path).catch(() => undefined))?.isDirectory())) {
        await visit(path).catch((error: unknown) => {
          if (!isMissing(error)) found.set(relativePath(root, path), `unreadable ${errorMessage(error)}`);
        });
      } else if (EXTENSION.test(entry.name)) {
        const signature = await signatureOf(path);
        if (signature !== undefined) found.set(relativePath(root, path), signature);
      }
    }
  };
  await visit(root);
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const relativePath = (root: string, path: string): string => relative(root, path).split(sep).join('/');

async function signatureOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return isMissing(error) ? undefined : `unreadable ${errorMessage(error)}`;
  }
}

/** @returns `undefined` when the file is gone. */
async function readManifest(
  path: string,
  signature: string,
  known: FileState | undefined,
): Promise<FileState | undefined> {
  const kept = (message: string, position = { line: 1, column: 1 }): FileState => ({
    signature,
    documents: known?.documents ?? [],
    objects: known?.objects ?? [],
    fault: { ...position, message },
  });
  let text: string;
  try {
    if ((await stat(path)).size > MAX_FILE_BYTES)
      return kept(`larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB; split the file`);
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    if (isMissing(error)) return undefined;
    return kept(error instanceof TypeError ? 'is not UTF-8 text' : `cannot be read: ${errorMessage(error)}`);
  }
  const parsed = parseManifest(text, known?.documents);
  if (!parsed.ok) return kept(parsed.fault.message, parsed.fault);
  return { signature, documents: parsed.documents, objects: parsed.documents.flatMap(readObjects), fault: undefined };
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';
