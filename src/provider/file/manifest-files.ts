/**
 * Manifests on disk: which there are, whether they changed, and their text. Whatever a name leads to (a pipe, a
 * device, a mount that hangs) may cost this file, never the others.
 */
import { constants } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { fileErrorMessage } from '../../lib/file-error.js';
import { MAX_FILE_BYTES } from './manifest.js';

/** Longer than any disk takes for 16 MiB; a network mount whose server is away never answers. */
const DEADLINE_MS = 10_000;

const EXTENSION = /\.(ya?ml|json)$/i;

export interface ManifestList {
  /** By path below the root, in path order: a signature that changes whenever the content may have. */
  readonly files: ReadonlyMap<string, string>;
  /** Folders and files that could not be looked at, and why (`may not be read by this user`): nothing is known of what they hold. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/**
 * Names with a leading dot are not manifests (editors, `.git`, our state folder; and `..data` of a mounted ConfigMap,
 * whose files are reached by the links beside it).
 * @throws when the root itself cannot be read.
 */
export async function listManifests(root: string): Promise<ManifestList> {
  const files = new Map<string, string>();
  const unreadable = new Map<string, string>();
  const visited = new Set<string>();
  const below = (path: string): string => relative(root, path).split(sep).join('/');
  const visit = async (folder: string): Promise<void> => {
    const real = await inTime(folder, () => realpath(folder));
    if (visited.has(real)) return; // links can form a ring
    visited.add(real);
    for (const entry of await inTime(folder, () => readdir(folder, { withFileTypes: true }))) {
      if (entry.name.startsWith('.')) continue;
      const path = join(folder, entry.name);
      const isManifest = EXTENSION.test(entry.name);
      if (!isManifest && !entry.isDirectory() && !entry.isSymbolicLink()) continue;
      try {
        const found = await inTime(path, () => stat(path, { bigint: true }));
        if (found.isDirectory()) await visit(path);
        else if (isManifest)
          files.set(below(path), [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' '));
      } catch (error) {
        // A link to nowhere without the extension was never a manifest.
        if (!isMissing(error)) unreadable.set(below(path), fileErrorMessage(error));
      }
    }
  };
  await visit(root);
  return { files: new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1))), unreadable };
}

export type ManifestText =
  | { readonly text: string }
  /** `lasting`: until the file changes; else the next look may find it better. */
  | { readonly fault: string; readonly lasting: boolean };

/** @returns `undefined` when the file is gone. */
export async function readManifestText(path: string): Promise<ManifestText | undefined> {
  try {
    return await inTime(path, () => readBounded(path));
  } catch (error) {
    if (isMissing(error)) return undefined;
    return { fault: fileErrorMessage(error), lasting: false };
  }
}

async function readBounded(path: string): Promise<ManifestText> {
  // Looked at before it is opened: opening a device can do things.
  if (!(await stat(path)).isFile()) return { fault: 'is not a regular file', lasting: true };
  // Not waiting: it may have become a pipe since, and nobody may ever write to that.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const opened = await file.stat();
    if (!opened.isFile()) return { fault: 'is not a regular file', lasting: true };
    // Only a hint: files of /proc say 0, others grow while they are read.
    const { size } = opened;
    const chunks: Buffer[] = [];
    let length = 0;
    while (length <= MAX_FILE_BYTES) {
      const chunk = Buffer.allocUnsafe(Math.min(MAX_FILE_BYTES + 1 - length, Math.max(size + 1 - length, 65_536)));
      const { bytesRead } = await file.read(chunk, 0, chunk.length);
      if (bytesRead === 0) break;
      chunks.push(chunk.subarray(0, bytesRead));
      length += bytesRead;
    }
    if (length > MAX_FILE_BYTES)
      return { fault: `larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB; split the file`, lasting: true };
    return decode(Buffer.concat(chunks));
  } finally {
    await file.close();
  }
}

function decode(bytes: Buffer): ManifestText {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { fault: 'is not UTF-8 text', lasting: true };
  }
}

/** Each holds one of the few threads that Node has for files: a path is not asked again before it has answered. */
const unanswered = new Set<string>();

async function inTime<T>(path: string, start: () => Promise<T>): Promise<T> {
  if (unanswered.has(path)) throw new Error('an earlier attempt has not been answered yet');
  const work = start();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      unanswered.add(path);
      const answered = (): void => void unanswered.delete(path);
      work.then(answered, answered);
      reject(new Error(`no answer within ${DEADLINE_MS / 1000} s`));
    }, DEADLINE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const isMissing = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
