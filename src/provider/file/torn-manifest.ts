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

/**
 * @returns the members that are whole before the fault; kind, name, namespace and base path, where they are not, as a
 * line says them. `undefined`: of no use.
 */
function tornValue({ text, offset }: Torn): unknown {
  const read = text.length > MAX_TORN_CHARACTERS ? {} : valueBefore(text, offset);
  const kind = KINDS.find((known) => known === (read['kind'] ?? said(text, 'kind')));
  if (kind === undefined) return undefined;
  const spec = isRecord(read['spec']) ? read['spec'] : {};
  // Where the text goes on to say other names, of keys and groups, they are not the object's.
  const own = text.split(/^spec:/m, 1)[0] ?? '';
  return {
    ...read,
    kind,
    metadata: read['metadata'] ?? { name: said(own, 'name'), namespace: said(own, 'namespace') },
    spec: 'basePath' in spec ? spec : { ...spec, basePath: said(text, 'basePath') },
  };
}

/** The first value of the member in the text, whatever it belongs to. */
const said = (text: string, name: string): string | undefined =>
  new RegExp(`(?:^|[\\s{,])${name}:[ \\t]*["']?([^\\s"',{}\\[\\]]+)`).exec(text)?.[1];

/** Without the members, of the object and of its `spec`, that the fault is in or before. */
function valueBefore(text: string, offset: number): Readonly<Record<string, unknown>> {
  try {
    const tree = parseDocument(text, PARSE_OPTIONS);
    const value: unknown = tree.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
    if (!isRecord(value) || findHostile(value, 0) !== undefined) return {};
    const whole = wholeMembers(tree.contents, value, offset);
    const spec = isMap(tree.contents) ? tree.contents.get('spec') : undefined;
    return isRecord(value['spec']) ? { ...whole, spec: wholeMembers(spec, value['spec'], offset) } : whole;
  } catch {
    return {};
  }
}

function wholeMembers(
  node: unknown,
  value: Readonly<Record<string, unknown>>,
  offset: number,
): Readonly<Record<string, unknown>> {
  const whole = new Set<string>();
  for (const { key, value: member } of isMap(node) ? node.items : [])
    if (isScalar(key) && isNode(member) && member.range && member.range[2] < offset) whole.add(String(key.value));
  return Object.fromEntries(Object.entries(value).filter(([name]) => whole.has(name)));
}
