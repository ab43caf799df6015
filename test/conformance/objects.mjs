// The objects of the suite: read from YAML, named, put into a random order that can be repeated.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

const GROUP = 'countersign.dev/';
export const KINDS = ['SignatureKey', 'ApiGroup', 'Authorization', 'UsagePlan'];

/** Objects of all YAML files below a folder, with `RUN` and `HOSTNAME` in texts replaced. */
export function readObjects(folder, words = {}) {
  const files = statSync(folder).isDirectory()
    ? readdirSync(folder, { recursive: true })
        // State of a gateway that has served the folder is no part of it.
        .filter((name) => /\.ya?ml$/.test(name) && !/(^|\/)\./.test(name))
        .sort()
        .map((name) => join(folder, name))
    : [folder];
  return files.flatMap((file) => {
    const text = readFileSync(file, 'utf8').replace(/RUN|HOSTNAME/g, (word) => words[word] ?? word);
    return parseAllDocuments(text)
      .map((document) => document.toJS())
      .filter((object) => object?.kind !== undefined);
  });
}

export const isOurs = ({ apiVersion }) => apiVersion.startsWith(GROUP);

/** `Kind namespace/name` */
export const nameOf = ({ kind, metadata: { namespace, name } }) =>
  `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;

/** The same order for the same seed. Namespaces stay in front: nothing can be created without them. */
export function shuffled(objects, seed) {
  const rank = (object) => (object.kind === 'Namespace' ? 0 : 1);
  const random = randomOf(seed);
  return objects
    .map((object) => ({ object, at: rank(object) + random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ object }) => object);
}

/** Numbers in [0, 1) after the mulberry32 recurrence. */
export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
