/** What is known of one file of a folder: its objects, or those of its last good version and what is wrong with it. */
import { type ManifestDocument, type ManifestFault, parseManifest } from './manifest.js';
import { readManifestText } from './manifest-files.js';
import { type ManifestObject, readObjects } from './manifest-objects.js';
import { tornObjects } from './torn-manifest.js';
import { timeSlices } from './turn.js';

export interface FileState {
  /** Changes whenever the file's content may have. Empty: to be read again at the next look. */
  readonly signature: string;
  readonly documents: readonly ManifestDocument[];
  readonly objects: readonly ManifestObject[];
  readonly fault: ManifestFault | undefined;
  /** Now or once: `objects` are those of a version. */
  readonly isRead: boolean;
  /** Of a file that did not parse at the start, until it does. */
  readonly torn: readonly ManifestObject[];
}

/**
 * @param isFirst a file that comes broken later takes nothing out of service that was in it.
 * @returns `undefined` when the file is gone.
 */
export async function readManifest(
  path: string,
  signature: string,
  known: FileState | undefined,
  isFirst: boolean,
): Promise<FileState | undefined> {
  const kept = (fault: ManifestFault, isLasting = true, torn = known?.torn ?? []): FileState => ({
    signature: isLasting ? signature : '',
    documents: known?.documents ?? [],
    objects: known?.objects ?? [],
    fault,
    isRead: known?.isRead ?? false,
    torn,
  });
  const read = await readManifestText(path);
  if (!read) return undefined;
  if ('fault' in read) return kept({ line: 1, column: 1, message: read.fault }, read.lasting);
  const parsed = await parseManifest(read.text, known?.documents);
  if (!parsed.ok) return kept(parsed.fault, true, isFirst || known?.torn.length ? await tornObjects(read.text) : []);
  const slice = timeSlices();
  const objects: ManifestObject[] = [];
  for (const document of parsed.documents) {
    const turn = slice();
    if (turn) await turn;
    for (const object of readObjects(document)) objects.push(object);
  }
  return { signature, documents: parsed.documents, objects, fault: undefined, isRead: true, torn: [] };
}
