/**
 * What a folder remembers of its objects besides their last good versions, in memory and in a file of the state folder:
 * who was there first, so that no newcomer takes what another serves. Decision 10.
 */
import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kind } from '../../api/types.js';
import { isRecord } from '../../resources/core-resources.js';
import { openStateFolder } from './state-folder.js';

/** Objects are named `Kind/namespace/name`. */
export interface FolderMemory {
  /** When an object was first seen, ms since the epoch: what an API server writes as creationTimestamp. */
  readonly since: ReadonlyMap<string, number>;
  /** The file of each object: where several define it, the definition that stays. */
  readonly homes: ReadonlyMap<string, string>;
}

export const NO_MEMORY: FolderMemory = { since: new Map(), homes: new Map() };

const AGED: readonly string[] = ['SignatureKey', 'ApiGroup', 'UsagePlan'] satisfies Kind[];

/** Whether age decides between objects of the kind. */
export const isAged = (kind: string): boolean => AGED.includes(kind);

/**
 * Answers the age of an object that was not there before: younger than all others, whatever it says of itself and
 * whatever the clock says. Where nothing was there before nothing can be taken over: a time that is written down, as in
 * a dump of a cluster, is believed, and objects without one are of the same age.
 */
export function arrivals({ since }: FolderMemory, nowMs: number): (writtenMs: number | undefined) => number {
  if (since.size === 0) return (writtenMs = nowMs) => Math.max(0, Math.min(writtenMs, nowMs));
  let youngest = nowMs - 1;
  for (const ms of since.values()) youngest = Math.max(youngest, ms);
  return () => youngest + 1;
}

const FILE = 'first-seen.json';
const VERSION = 1;
const LATEST_MS = Date.parse('9999-01-01T00:00:00Z');
const ABOUT = 'Who was in the folder first, and so stays in service when another claims the same. Holds no secret.';

export const memoryPath = (stateFolder: string): string => join(stateFolder, FILE);

/** @throws when there is a file that cannot be read. */
export async function readMemory(stateFolder: string): Promise<FolderMemory> {
  let text: string;
  try {
    text = await readFile(memoryPath(stateFolder), 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return NO_MEMORY;
    throw error;
  }
  const { version, since, homes } = JSON.parse(text) as Partial<Record<string, unknown>>;
  if (version !== VERSION || !isRecord(since) || !isRecord(homes))
    throw new Error('is not of the form of this version');
  return {
    since: new Map(Object.entries(since).map(([object, time]) => [object, timeOf(time)])),
    homes: new Map(Object.entries(homes).map(([object, file]) => [object, String(file)])),
  };
}

function timeOf(text: unknown): number {
  const ms = typeof text === 'string' ? Date.parse(text) : Number.NaN;
  // The youngest object is a millisecond younger than what is here, and must have a date too.
  if (!(ms >= 0 && ms <= LATEST_MS)) throw new Error('holds a time that is none');
  return ms;
}

/** Complete or not at all. @throws */
export async function writeMemory(stateFolder: string, { since, homes }: FolderMemory): Promise<void> {
  await openStateFolder(stateFolder);
  const times = [...since].map(([object, ms]) => [object, new Date(ms).toISOString()] as const);
  const content = {
    about: ABOUT,
    version: VERSION,
    since: Object.fromEntries(times),
    homes: Object.fromEntries(homes),
  };
  const partial = join(stateFolder, `.${FILE}.${randomUUID()}`);
  try {
    const file = await open(partial, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(content, null, 1)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, memoryPath(stateFolder));
  } finally {
    await rm(partial, { force: true });
  }
}
