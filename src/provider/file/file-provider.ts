/** Watches a folder of manifests. Events only say "look": the state of the disk decides, so a lost or doubled event changes nothing. */
import { basename, resolve } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import type { ObjectReference } from '../../api/problem.js';
import type { Place, Provider, Publication } from '../provider.js';
import { errorMessage } from '../../lib/errors.js';
import type { Clock } from '../../lib/clock.js';
import { Folder } from './folder.js';
import { type FolderMemory, memoryPath, NO_MEMORY, readMemory, writeMemory } from './folder-memory.js';

/** Editors write in several steps (truncate, write, rename): wait for quiet, but not for ever. */
const SETTLE_MS = 50;
const MAX_SETTLE_MS = 500;

export interface FileProviderOptions {
  readonly folder: string;
  /** An exception while scanning; the provider goes on. */
  readonly onError: (error: unknown) => void;
  /** Where it is kept over restarts who was there first. */
  readonly stateFolder: string;
  /** That could not be read or written: the provider goes on without. Told once. */
  readonly onForgetful: (message: string) => void;
  readonly clock: Clock;
}

export function createFileProvider(options: FileProviderOptions): Provider {
  const { onError, stateFolder, onForgetful, clock } = options;
  const root = resolve(options.folder);
  let folder = new Folder(root, clock);
  let kept = NO_MEMORY;
  let keeping: Promise<void> | undefined;
  let isForgetful = false;
  let watcher: FSWatcher | undefined;
  let publish: ((publication: Publication) => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let firstEventMs: number | undefined;
  let scanning: Promise<void> | undefined;
  let again = false;
  const closing = new AbortController();

  async function recall(): Promise<FolderMemory> {
    try {
      return await readMemory(stateFolder);
    } catch (error) {
      onForgetful(`${memoryPath(stateFolder)}: ${errorMessage(error)}; it begins anew`);
      return NO_MEMORY;
    }
  }

  /** Nobody waits for it: what a crash loses came last, and is the youngest after a restart as well. */
  function keep(): void {
    if (!keeping && folder.memory !== kept) keeping = keepAll();
  }

  async function keepAll(): Promise<void> {
    while (folder.memory !== kept) {
      const next = folder.memory;
      try {
        await writeMemory(stateFolder, next);
        isForgetful = false;
      } catch (error) {
        if (!isForgetful) onForgetful(`${memoryPath(stateFolder)} cannot be written: ${errorMessage(error)}`);
        isForgetful = true;
      }
      kept = next;
    }
    keeping = undefined;
  }

  async function scan(): Promise<void> {
    do {
      again = false;
      try {
        if (await folder.scan(closing.signal)) publish?.(folder.publication);
        if (publish) keep();
      } catch (error) {
        onError(error);
      }
    } while (again && publish);
  }

  function look(): void {
    timer = undefined;
    firstEventMs = undefined;
    if (scanning) again = true;
    else scanning = scan().finally(() => (scanning = undefined));
  }

  function onEvent(): void {
    if (!publish) return;
    const now = performance.now();
    firstEventMs ??= now;
    clearTimeout(timer);
    timer = setTimeout(look, Math.min(SETTLE_MS, Math.max(0, firstEventMs + MAX_SETTLE_MS - now)));
  }

  return {
    async start(publishTo) {
      // Watching starts before the first scan: what changes in between is seen by one or the other.
      watcher = watch(root, { ignoreInitial: true, ignored: (file) => isHidden(file, root) });
      // `raw` also tells of entries that are ignored: `..data` of a ConfigMap is swapped without touching the links.
      watcher.on('all', onEvent).on('raw', onEvent).on('error', onError);
      const ready = new Promise<void>((done) => watcher?.once('ready', done));
      await ready;
      kept = await recall();
      folder = new Folder(root, clock, kept);
      await folder.scan(closing.signal);
      if (closing.signal.aborted) return;
      keep();
      publish = publishTo;
      publish(folder.publication);
      // What happened between the scan and now.
      onEvent();
    },
    async close() {
      publish = undefined;
      closing.abort();
      clearTimeout(timer);
      await watcher?.close();
      await scanning;
      await keeping;
    },
    locate(object: ObjectReference, fieldPath: string): Place | undefined {
      return folder.locate(object, fieldPath);
    },
  };
}

/** Single-dot names are never manifests; double-dot ones are how the kubelet swaps a mounted volume. */
function isHidden(file: string, root: string): boolean {
  if (file === root) return false;
  const name = basename(file);
  return name.startsWith('.') && !name.startsWith('..');
}
