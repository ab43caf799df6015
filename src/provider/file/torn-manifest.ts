/**
 * What can be told of a file that did not parse when the process started: it may hold a plan that was enforced before,
 * or a group that kept its path from the one around it, so what its text still says of them refuses in their place.
 * The text after a fault is not trusted: what is written there stands for everything that it could have named.
 */
import { isMap, isNode, isScalar, parseDocument } from 'yaml';
import { KINDS } from '../../api/types.js';
import { isRecord } from '../../resources/core-resources.js';
import { remainsOf } from '../../resources/remains.js';
import { findHostile, MAX_ALIAS_COUNT, parseDocuments, PARSE_OPTIONS, type Torn } from './manifest.js';
import { type ManifestObject, readObjects } from './manifest-objects.js';

/** Plans and groups are smaller; the library's error recovery need not see more. */
const MAX_TORN_CHARACTERS = 64 * 1024;

/** The plans and groups that the text may hold, each with its `remains`. Never throws for what the text says. */
export async function tornObjects(text: string): Promise<readonly ManifestObject[]> {
  const found: ManifestObject[] = [];
  for await (const piece of parseDocuments(text)) {
    const value = 'torn' in piece ? tornValue(piece.torn) : piece.value;
    const document = { text: piece.text, firstLine: piece.firstLine, value };
    for (const object of readObjects(document)) {
      const remains = object.remains ?? (object.resource && remainsOf(object.resource));
      if (remains) found.push({ ...object, remains });
    }
  }
  return found;
}

/** @returns the value as far as it goes before the fault, and what lines say of kind and name; `undefined`: of no use. */
function tornValue({ text, offset }: Torn): unknown {
  const read = text.length > MAX_TORN_CHARACTERS ? {} : valueBefore(text, offset);
  const said = (name: string): string | undefined =>
    new RegExp(`(?:^|[\\s{,])${name}:[ \\t]*["']?([A-Za-z0-9][-A-Za-z0-9./]*)`).exec(text)?.[1];
  const kind = KINDS.find((known) => known === (read['kind'] ?? said('kind')));
  if (kind === undefined) return undefined;
  const written = isRecord(read['metadata']) ? read['metadata'] : {};
  const [name, namespace] = [written['name'] ?? said('name'), written['namespace'] ?? said('namespace')];
  return { ...read, kind, metadata: { ...written, ...(name ? { name } : {}), ...(namespace ? { namespace } : {}) } };
}

function valueBefore(text: string, offset: number): Readonly<Record<string, unknown>> {
  try {
    const tree = parseDocument(text, PARSE_OPTIONS);
    const value: unknown = tree.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
    if (!isRecord(value) || !isMap(tree.contents) || findHostile(value, 0) !== undefined) return {};
    const spec = isRecord(value['spec']) ? { ...value['spec'] } : {};
    const node = tree.contents.get('spec');
    for (const pair of isMap(node) ? node.items : []) {
      const isWhole = isNode(pair.value) && pair.value.range ? pair.value.range[2] < offset : false;
      if (!isWhole && isScalar(pair.key)) delete spec[String(pair.key.value)];
    }
    return { ...value, spec };
  } catch {
    return {};
  }
}
