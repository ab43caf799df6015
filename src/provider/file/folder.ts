/**
 * The state of a folder of manifests. `scan` looks at the disk and re-reads what changed; the objects then behave as
 * after `kubectl apply`: one that is refused (schema, rule, immutable field) leaves its predecessor in place, and a
 * file that does not parse keeps all of its own, as does a subfolder that cannot be read. Of an object whose kind is
 * misspelt the file keeps what it served under that name. What is gone from the disk is gone. Each object has the time
 * at which it was first seen, as an API server gives it one.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ObjectReference, Problem } from '../../api/problem.js';
import { checkTransition } from '../../api/schema.js';
import { type Kind, KINDS } from '../../api/types.js';
import { type Clock, systemClock } from '../../lib/clock.js';
import { fileErrorMessage } from '../../lib/file-error.js';
import type { Remains } from '../../resources/remains.js';
import { type AnyResource, createResourceSet, EMPTY_RESOURCES, withRemains } from '../../resources/resource-set.js';
import type { InputProblem, Place, Publication } from '../provider.js';
import { agedRemains, agedResource, writtenTimeOf } from './aged.js';
import { type FileState, readManifest } from './file-state.js';
import { arrivals, type FolderMemory, isAged, NO_MEMORY } from './folder-memory.js';
import { unusableSecret } from './kept-key.js';
import { locateInDocument, type ManifestFault, prepareLocating, type Position } from './manifest.js';
import { listManifests, type ManifestList } from './manifest-files.js';
import { isOurs, type ManifestObject } from './manifest-objects.js';
import { timeSlices } from './turn.js';

/** Of one object. Thousands have one cause, cost a search each, and nobody reads them. */
const MAX_PROBLEMS = 20;

interface PlacedObject {
  readonly file: string;
  readonly object: ManifestObject;
}

const textOf = ({ kind, namespace, name }: ObjectReference): string => `${kind}/${namespace}/${name}`;

export class Folder {
  readonly #root: string;
  #files = new Map<string, FileState>();
  #placed = new Map<string, PlacedObject>();
  #resources = new Map<string, AnyResource>();
  #publication: Publication = { resources: EMPTY_RESOURCES, problems: [] };
  #fingerprint = '';
  /** Files and folders that were never read; `undefined` before the first scan. */
  #unread: ReadonlySet<string> | undefined;
  /** Where those are written that only refuse, under the names that translation has for them. */
  #remaining = new Map<string, PlacedObject>();
  #memory: FolderMemory;
  readonly #clock: Clock;

  /** @param memory of the process before, which had the same folder. */
  constructor(root: string, clock = systemClock, memory = NO_MEMORY) {
    this.#root = root;
    this.#clock = clock;
    this.#memory = memory;
  }

  /** The same by identity while nothing of it changed. */
  get memory(): FolderMemory {
    return this.#memory;
  }

  get publication(): Publication {
    return this.#publication;
  }

  /**
   * Reads what changed since the last scan. Lets others run meanwhile.
   * @returns whether `publication` is another one now; it is not when `signal` ended the scan early.
   */
  async scan(signal?: AbortSignal): Promise<boolean> {
    const problems: InputProblem[] = [];
    let list: ManifestList;
    try {
      list = await listManifests(this.#root);
    } catch (error) {
      // A folder that is away for a moment (a checkout, a remount) must not revoke everything.
      list = { files: new Map(), unreadable: new Map([['.', fileErrorMessage(error)]]) };
    }
    const files = new Map<string, FileState>();
    for (const [file, signature] of list.files) {
      if (signal?.aborted) return false;
      const known = this.#files.get(file);
      const state =
        known?.signature === signature
          ? known
          : await readManifest(join(this.#root, file), signature, known, this.#unread === undefined);
      if (state) files.set(file, state);
    }
    for (const [path, why] of list.unreadable) {
      const message = path === '.' ? `the folder ${why}` : why;
      problems.push(fileProblem(path, { line: 1, column: 1, message }));
      for (const [file, state] of this.#files)
        if (path === '.' || file === path || file.startsWith(`${path}/`)) files.set(file, state);
    }
    // The first of two objects with one name stays: in path order, whichever was read when.
    const inOrder =
      list.unreadable.size === 0 ? files : new Map([...files].sort(([one], [other]) => (one < other ? -1 : 1)));
    return this.#evaluate(inOrder, problems, signal);
  }

  /** Where a field of an object is written. */
  locate(object: ObjectReference, path: string): Place | undefined {
    const key = textOf(object);
    const placed = this.#placed.get(key) ?? this.#remaining.get(key);
    return placed && placeOf(placed, path);
  }

  async #evaluate(
    files: Map<string, FileState>,
    problems: InputProblem[],
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const slice = timeSlices();
    const placed = new Map<string, PlacedObject>();
    const resources = new Map<string, AnyResource>();
    const refused = new Set(problems.map(({ object }) => textOf(object)));
    const remains: Remains[] = [];
    const remaining = new Map<string, PlacedObject>();
    const kept = new Set<string>();
    const keptFaults: (() => void)[] = [];
    const named = namesOf(files);
    const homes = this.#homesOf(files);
    const since = new Map<string, number>();
    const arrive = arrivals(this.#memory, this.#clock());
    const ageOf = (key: string, writtenMs: number | undefined): number => {
      const ms = this.#memory.since.get(key) ?? since.get(key) ?? arrive(writtenMs);
      since.set(key, ms);
      return ms;
    };
    const leave = (here: PlacedObject, left: Remains): void => {
      const key = textOf(left);
      remaining.set(key, here);
      remains.push(isAged(left.kind) ? agedRemains(left, ageOf(key, writtenTimeOf(left))) : left);
    };
    for (const [file, state] of files) {
      if (state.fault) refused.add(textOf(fileReference(file)));
      if (state.fault) problems.push(fileProblem(file, this.#withKept(state.fault, state.objects)));
      for (const object of state.objects) {
        const turn = slice();
        if (turn) await turn;
        if (signal?.aborted) return false;
        const here = { file, object };
        if (object.problems.length > 0) await prepareLocating(object.document, slice);
        const key = textOf(object.reference);
        const report = (found: readonly Problem[]): void => {
          for (const problem of bounded(found)) problems.push({ ...problem, place: placeOf(here, problem.path) });
        };
        if (object.meant) {
          const free = (kinds: readonly Kind[]): readonly string[] =>
            kinds
              .map((kind) => textOf({ ...object.reference, kind }))
              .filter((each) => !named.has(each) && !placed.has(each));
          const before = this.#servedBefore(file, free(object.meant), free(KINDS));
          for (const [each, resource] of before) {
            placed.set(each, here);
            resources.set(each, resource);
            kept.add(each);
          }
          report(before.size > 0 ? object.problems.map((fault) => withKept(fault)) : object.problems);
          if (before.size > 0) continue;
          // What has no name may be anything.
          if (object.reference.name === '') refused.add(textOf(fileReference(file)));
          else for (const each of [key, ...free(object.meant)]) refused.add(each);
          if (object.remains) leave(here, object.remains);
          continue;
        }
        const first = homes.get(key) ?? here;
        if (first.object !== object) {
          const { file: otherFile, line } = placeOf(first, 'metadata.name');
          const message = `is defined in ${otherFile}:${line} already; that one stays`;
          report([
            { severity: 'error', object: object.reference, path: 'metadata.name', reason: 'Duplicate', message },
          ]);
          continue;
        }
        placed.set(key, here);
        const predecessor = this.#resources.get(key);
        const next =
          object.resource && isAged(object.reference.kind)
            ? agedResource(object.resource, ageOf(key, writtenTimeOf(object.resource)))
            : object.resource;
        const faults = [...object.problems, ...transitionProblems(next, predecessor)];
        const admitted = next && !faults.some(({ severity }) => severity === 'error');
        const resource = admitted ? next : predecessor;
        if (admitted || !resource) report(faults);
        // What keeps a version from being in service may come with an object that is read after it.
        else
          keptFaults.push(() => {
            const unusable = unusableSecret(resource, resources);
            report(faults.map((fault) => withKept(fault, unusable)));
          });
        if (resource) resources.set(key, resource);
        // What has no name may be anything.
        if (!resource) refused.add(object.reference.name === '' ? textOf(fileReference(file)) : key);
        if (!resource && object.remains) leave(here, object.remains);
        if (resource && (!admitted || state.fault)) kept.add(key);
      }
    }
    for (const report of keptFaults) report();
    for (const [file, { torn }] of files)
      for (const object of torn) {
        const left = object.remains;
        if (left && !resources.has(textOf(left)) && !remaining.has(textOf(left))) leave({ file, object }, left);
      }
    const before = this.#publication.resources;
    const changed =
      !sameEntries(resources, this.#resources) ||
      !sameMembers(refused, before.refused) ||
      !sameMembers(new Set(remains), new Set(before.remains));
    const digest = createHash('sha256');
    for (const problem of problems) {
      digest.update(JSON.stringify(problem));
      const turn = slice();
      if (turn) await turn;
    }
    const fingerprint = digest.digest('hex');
    const different = changed || fingerprint !== this.#fingerprint;
    this.#remember(since, placed, refused);
    this.#files = files;
    this.#placed = placed;
    this.#remaining = remaining;
    this.#resources = resources;
    this.#fingerprint = fingerprint;
    const unread = this.#unreadOf(files, problems);
    this.#unread = new Set(unread.map(({ object }) => object.name));
    if (different)
      this.#publication = {
        resources: changed ? withRemains(createResourceSet(resources.values(), refused), remains) : before,
        problems,
        kept,
        ...(unread.length > 0 && { unread }),
      };
    return different;
  }

  /**
   * Objects that several files define, where they stay: with the file that had them already, else with the first by
   * path. A new file never takes an object over.
   */
  #homesOf(files: ReadonlyMap<string, FileState>): ReadonlyMap<string, PlacedObject> {
    const first = new Map<string, PlacedObject>();
    const homes = new Map<string, PlacedObject>();
    for (const [file, { objects }] of files)
      for (const object of objects) {
        if (object.meant || object.reference.name === '') continue;
        const key = textOf(object.reference);
        const here = { file, object };
        const earlier = homes.get(key) ?? first.get(key);
        if (!earlier) {
          first.set(key, here);
          continue;
        }
        const before = this.#placed.get(key)?.file ?? this.#memory.homes.get(key);
        homes.set(key, file === before && earlier.file !== before ? here : earlier);
      }
    return homes;
  }

  /**
   * What is gone is forgotten. Of an object that was not seen in this process nothing is known while some file cannot be
   * read, nor of one that is refused.
   */
  #remember(since: Map<string, number>, placed: ReadonlyMap<string, PlacedObject>, refused: ReadonlySet<string>): void {
    const isCertain = ![...refused].some((name) => name.startsWith('File/'));
    for (const [key, ms] of this.#memory.since) {
      const isThere = placed.has(key) || refused.has(key) || !(isCertain || this.#placed.has(key));
      if (isThere && !since.has(key)) since.set(key, ms);
    }
    const homes = new Map(isCertain ? [] : this.#memory.homes);
    for (const [key, { file }] of placed) homes.set(key, file);
    if (!sameEntries(since, this.#memory.since) || !sameEntries(homes, this.#memory.homes))
      this.#memory = { since, homes };
  }

  /** One that comes broken later takes nothing away, and must not end a gateway that serves. */
  #unreadOf(files: ReadonlyMap<string, FileState>, problems: readonly InputProblem[]): readonly InputProblem[] {
    const isBelow = (path: string, folder: string): boolean => folder === '.' || path.startsWith(`${folder}/`);
    const suspects = this.#unread;
    return problems.filter(({ object: { kind, name } }) => {
      if (kind !== 'File') return false;
      const wasRead = [...files].some(([file, { isRead }]) => isRead && (file === name || isBelow(file, name)));
      return !wasRead && (!suspects || [...suspects].some((path) => path === name || isBelow(name, path)));
    });
  }

  /** What a file served under the first of these keys that it did, and else under the others. */
  #servedBefore(file: string, meant: readonly string[], others: readonly string[]): ReadonlyMap<string, AnyResource> {
    const served = (keys: readonly string[]): ReadonlyMap<string, AnyResource> =>
      new Map(
        keys.flatMap((key) => {
          const resource = this.#placed.get(key)?.file === file ? this.#resources.get(key) : undefined;
          return resource ? [[key, resource] as const] : [];
        }),
      );
    const likely = served(meant);
    return likely.size > 0 ? likely : served(others);
  }

  /** Of the objects that a file held when it could be read last, those in service stay. */
  #withKept(fault: ManifestFault, objects: readonly ManifestObject[]): ManifestFault {
    return objects.some(({ reference }) => this.#resources.has(textOf(reference)))
      ? { ...fault, message: `${fault.message}; what the file held before stays in service` }
      : fault;
  }
}

/** Objects that are written down, asked for only where one stands whose kind is a slip of the pen. */
function namesOf(files: ReadonlyMap<string, FileState>): ReadonlySet<string> {
  const objects = [...files.values()].flatMap((state) => state.objects);
  if (objects.every(({ meant }) => meant === undefined)) return new Set();
  return new Set(objects.flatMap(({ meant, reference }) => (meant ? [] : textOf(reference))));
}

/** Transition rules, as an API server applies them to an update. */
function transitionProblems(next: AnyResource | undefined, predecessor: AnyResource | undefined): readonly Problem[] {
  if (!next || !predecessor || predecessor === next || !isOurs(next) || !isOurs(predecessor)) return [];
  return checkTransition(predecessor, next);
}

/** @param unusable why that version is not in service. */
function withKept(problem: Problem, unusable?: string): Problem {
  if (problem.severity !== 'error') return problem;
  const what = unusable === undefined ? ' in service' : `, but ${unusable}: the key is not in service`;
  return { ...problem, message: `${problem.message}; the version before stays${what}` };
}

/** Reads a folder once, for commands that do not watch. */
export async function readFolder(root: string): Promise<Publication & Pick<Folder, 'locate'>> {
  const folder = new Folder(root);
  await folder.scan();
  return { ...folder.publication, locate: (object, path) => folder.locate(object, path) };
}

/** The first problems and how many there are more. */
function bounded(problems: readonly Problem[]): readonly Problem[] {
  const rest = problems.slice(MAX_PROBLEMS);
  const [first] = rest;
  if (!first) return problems;
  const severity = rest.some((problem) => problem.severity === 'error') ? 'error' : 'warning';
  const message = `has ${rest.length} more problems`;
  return [...problems.slice(0, MAX_PROBLEMS), { severity, object: first.object, path: '', reason: 'Invalid', message }];
}

/** Found by parsing again, and asked for at each scan: remembered while the object stands where it is. */
const positions = new WeakMap<ManifestObject, Map<string, Position>>();

function placeOf({ file, object }: PlacedObject, path: string): Place {
  let known = positions.get(object);
  if (!known) positions.set(object, (known = new Map<string, Position>()));
  let position = known.get(path);
  if (!position) known.set(path, (position = locateInDocument(object.document, path, object.root)));
  return { file, ...position };
}

/** Stands for all that a file or folder may hold. */
const fileReference = (file: string): ObjectReference => ({ kind: 'File', namespace: '', name: file });

function fileProblem(file: string, { line, column, message }: ManifestFault): InputProblem {
  const object = fileReference(file);
  return { severity: 'error', object, path: '', reason: 'Invalid', message, place: { file, line, column } };
}

const sameEntries = (a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean =>
  a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);

const sameMembers = (a: ReadonlySet<unknown>, b: ReadonlySet<unknown> = new Set()): boolean =>
  a.size === b.size && [...a].every((member) => b.has(member));
