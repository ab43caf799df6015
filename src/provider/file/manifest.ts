/**
 * One YAML or JSON file as untrusted text: parsed into plain values, and searched for the place of a field.
 * A file is cut at its document markers first and unchanged documents are reused by their text, so that an
 * edit in a large file costs what it touches. Syntax trees are not kept: a place is found by parsing again.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  visit,
} from 'yaml';

/** Enough for 10,000 keys in one file; more in one file is a mistake or an attack. */
export const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** Aliases are rare in manifests. The bound stops "billion laughs" growth before memory does. */
const MAX_ALIAS_COUNT = 100;
/** Deeper than any resource of ours; bounds recursion of everything that walks a value. */
const MAX_DEPTH = 64;

export interface Position {
  /** 1-based. */
  readonly line: number;
  readonly column: number;
}

export interface ManifestDocument {
  readonly text: string;
  /** Line of the file on which `text` starts, 1-based. */
  readonly firstLine: number;
  readonly value: unknown;
}

export interface ManifestFault extends Position {
  readonly message: string;
}

export type ParsedManifest =
  | { readonly ok: true; readonly documents: readonly ManifestDocument[] }
  | { readonly ok: false; readonly fault: ManifestFault };

/**
 * Parses every document of a file (YAML 1.2, no merge keys). Never throws for what the text says.
 * @param previous documents of the file's last version: one with the same text keeps its `value` by identity.
 */
export function parseManifest(text: string, previous: readonly ManifestDocument[] = []): ParsedManifest {
  if (Buffer.byteLength(text) > MAX_FILE_BYTES)
    return fault({ line: 1, column: 1 }, `larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB; split the file`);
  const known = new Map(previous.map((document) => [document.text, document.value]));
  const documents: ManifestDocument[] = [];
  for (const piece of splitDocuments(text)) {
    if (known.has(piece.text)) {
      documents.push({ ...piece, value: known.get(piece.text) });
      continue;
    }
    const parsed = parseValue(piece);
    if ('message' in parsed) return { ok: false, fault: parsed };
    documents.push({ ...piece, value: parsed.value });
  }
  return { ok: true, documents };
}

/**
 * Where `path` (`spec.apis[2].match`) is in a document; the nearest parent that is written down when the field is not.
 * @param root path of the resource inside the document, e.g. `items[3]` of a List.
 */
export function locateInDocument(document: ManifestDocument, path: string, root = ''): Position {
  const { tree, lines } = treeOf(document);
  let node: unknown = tree.contents;
  let offset = isNode(node) && node.range ? node.range[0] : 0;
  for (const segment of [...pathSegments(root), ...pathSegments(path)]) {
    const next = step(node, segment);
    if (!next) break;
    ({ node, offset } = next);
  }
  const { line, col } = lines.linePos(offset);
  return { line: line + document.firstLine - 1, column: col };
}

let lastTree: { readonly text: string; readonly tree: Document; readonly lines: LineCounter } | undefined;

/** Problems come document by document, so the last tree answers most questions. */
function treeOf({ text }: ManifestDocument): { readonly tree: Document; readonly lines: LineCounter } {
  if (lastTree?.text !== text) {
    const lines = new LineCounter();
    lastTree = { text, tree: parseDocument(text, { ...PARSE_OPTIONS, lineCounter: lines }), lines };
  }
  return lastTree;
}

function step(node: unknown, segment: string | number): { node: unknown; offset: number } | undefined {
  if (isSeq(node) && typeof segment === 'number') {
    const item = node.items[segment];
    return isNode(item) && item.range ? { node: item, offset: item.range[0] } : undefined;
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((entry: Pair) => isPair(entry) && keyText(entry.key) === String(segment));
  if (!pair || !isScalar(pair.key) || !pair.key.range) return undefined;
  return { node: pair.value, offset: pair.key.range[0] };
}

const keyText = (key: unknown): string | undefined => (isScalar(key) ? String(key.value) : undefined);

/** `spec.apis[2].match` → `['spec', 'apis', 2, 'match']`; `["a.b"]` holds names with dots. */
export function pathSegments(path: string): (string | number)[] {
  const segments: (string | number)[] = [];
  for (const [, index, quoted, name] of path.matchAll(/\[(\d+)\]|\["([^"]*)"\]|([^.[\]]+)/g))
    segments.push(index !== undefined ? Number(index) : (quoted ?? name ?? ''));
  return segments;
}

// Not merging `<<` and unique keys: what a reviewer reads is what is applied. A `silent` log level would drop
// every document after the first without an error.
const PARSE_OPTIONS = { version: '1.2', schema: 'core', merge: false, uniqueKeys: true, logLevel: 'error' } as const;

interface Piece {
  readonly text: string;
  readonly firstLine: number;
}

/** Cuts before every `---` line. A file with `%` directives stays whole: they belong to what follows the marker. */
function splitDocuments(text: string): Piece[] {
  if (/^%/m.test(text)) return [{ text, firstLine: 1 }];
  const pieces: Piece[] = [];
  let start = 0;
  let firstLine = 1;
  for (const marker of text.matchAll(/^---(?=[ \t\r\n]|$)/gm)) {
    if (marker.index === start) continue;
    const piece = text.slice(start, marker.index);
    pieces.push({ text: piece, firstLine });
    firstLine += piece.split('\n').length - 1;
    start = marker.index;
  }
  pieces.push({ text: text.slice(start), firstLine });
  return pieces;
}

function parseValue(piece: Piece): { readonly value: unknown } | ManifestFault {
  const lines = new LineCounter();
  let tree: Document;
  try {
    tree = parseDocument(piece.text, { ...PARSE_OPTIONS, lineCounter: lines });
  } catch (error) {
    // A stack overflow by nesting is the one way the parser itself throws.
    return at(piece, { line: 1, column: 1 }, `cannot be parsed (${error instanceof Error ? error.name : 'error'})`);
  }
  const [error] = tree.errors;
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    const message =
      error.code === 'MULTIPLE_DOCS'
        ? 'start each document with a line ---; directives (%) and document ends (...) are not read'
        : (error.message.split(' at line ')[0]?.split('\n')[0] ?? error.message);
    return at(piece, { line, column: col }, message);
  }
  const dangling = danglingAlias(tree);
  if (dangling) {
    const { line, col } = lines.linePos(dangling.range?.[0] ?? 0);
    return at(piece, { line, column: col }, `no anchor &${dangling.source} before this alias`);
  }
  try {
    const value: unknown = tree.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
    const hostile = findHostile(value, 0);
    if (hostile) return at(piece, { line: 1, column: 1 }, hostile);
    return { value };
  } catch (error) {
    const message = error instanceof ReferenceError ? 'too many aliases' : 'cannot be read: nested too deeply';
    return at(piece, { line: 1, column: 1 }, message);
  }
}

/** In one pass: the library's own `Alias.resolve` walks the document again for each alias. */
function danglingAlias(tree: Document): Alias | undefined {
  const anchors = new Set<string>();
  let dangling: Alias | undefined;
  visit(tree, (_, node) => {
    if (isAlias(node) && !anchors.has(node.source)) {
      dangling = node;
      return visit.BREAK;
    }
    if ((isScalar(node) || isCollection(node)) && node.anchor !== undefined) anchors.add(node.anchor);
    return undefined;
  });
  return dangling;
}

/** Values that code behind us could stumble over, found once here. */
function findHostile(value: unknown, depth: number): string | undefined {
  if (depth > MAX_DEPTH) return `nested more than ${MAX_DEPTH} levels deep`;
  if (typeof value === 'string' && value.includes('\0')) return 'contains a NUL character';
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, member] of Object.entries(value)) {
    if (name === '__proto__') return 'contains the key __proto__';
    const hostile = findHostile(member, depth + 1);
    if (hostile) return hostile;
  }
  return undefined;
}

const at = (piece: Piece, { line, column }: Position, message: string): ManifestFault => ({
  line: line + piece.firstLine - 1,
  column,
  message,
});

const fault = (position: Position, message: string): ParsedManifest => ({ ok: false, fault: { ...position, message } });
