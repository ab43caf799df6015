/**
 * One YAML or JSON file as untrusted text: parsed into plain values, and searched for the place of a field.
 * A file is cut at its document markers first and unchanged documents are reused by their text, so that an
 * edit in a large file costs what it touches. Syntax trees are not kept: a place is found by parsing again.
 */
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Pair,
  parseDocument,
  Parser,
  visit,
  type YAMLMap,
} from 'yaml';
import { timeSlices, type TimeSlices } from './turn.js';

/** Enough for 10,000 keys with their Secrets in one file; more in one file is a mistake or an attack. */
export const MAX_FILE_BYTES = 16 * 1024 * 1024;
const MAX_DOCUMENTS = 50_000;
/** Single objects of Kubernetes are not much larger; only Lists are. */
const MAX_DOCUMENT_BYTES = 1024 * 1024;
/** Lexemes of a document, seven for a line `name: value`. Its tree is built in one go while requests wait, about 5 µs for each. */
const MAX_LEXEMES = 200_000;
/** Of a map or a list: ten times what the largest list of a resource holds. */
const MAX_MEMBERS = 10_000;
/** Aliases are rare in manifests. The bound stops "billion laughs" growth before memory does. */
export const MAX_ALIAS_COUNT = 100;
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
 * Parses every document of a file (YAML 1.2, no merge keys). Never throws for what the text says. Lets others run
 * between documents.
 * @param previous documents of the file's last version: one with the same text keeps its `value` by identity.
 */
export async function parseManifest(text: string, previous: readonly ManifestDocument[] = []): Promise<ParsedManifest> {
  if (Buffer.byteLength(text) > MAX_FILE_BYTES)
    return fault({ line: 1, column: 1 }, `larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB; split the file`);
  const slice = timeSlices();
  const known = new Map(previous.map((document) => [document.text, document.value]));
  const documents: ManifestDocument[] = [];
  for (const piece of splitDocuments(text)) {
    const turn = slice();
    if (turn) await turn;
    if (documents.length === MAX_DOCUMENTS)
      return fault({ line: piece.firstLine, column: 1 }, `more than ${MAX_DOCUMENTS} documents; split the file`);
    if (known.has(piece.text)) {
      documents.push({ ...piece, value: known.get(piece.text) });
      continue;
    }
    const parsed = await parseValue(piece, slice);
    if ('message' in parsed) return { ok: false, fault: parsed };
    documents.push({ ...piece, value: parsed.value });
  }
  return { ok: true, documents };
}

/** A document that does not parse, and how far it can be trusted. */
export interface Torn {
  readonly text: string;
  readonly offset: number;
}

/** Each document of a file by itself, whatever the others are; files beyond the bounds have none. */
export async function* parseDocuments(text: string): AsyncGenerator<ManifestDocument | (Piece & { torn: Torn })> {
  if (Buffer.byteLength(text) > MAX_FILE_BYTES) return;
  const slice = timeSlices();
  let count = 0;
  for (const piece of splitDocuments(text)) {
    if (++count > MAX_DOCUMENTS) return;
    const turn = slice();
    if (turn) await turn;
    const parsed = await parseValue(piece, slice);
    if (!('message' in parsed)) yield { ...piece, value: parsed.value };
    else yield { ...piece, torn: { text: piece.text, offset: offsetOf(piece, parsed) } };
  }
}

/** Where in its document a fault is. */
function offsetOf({ text, firstLine }: Piece, { line, column }: Position): number {
  let offset = 0;
  for (let at = firstLine; at < line; at++) offset = text.indexOf('\n', offset) + 1;
  return offset + column - 1;
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

interface SyntaxTree {
  readonly tree: Document;
  readonly lines: LineCounter;
}

let lastTree: (SyntaxTree & { readonly text: string }) | undefined;

/** Problems come document by document, so the last tree answers most questions. */
function treeOf({ text }: ManifestDocument): SyntaxTree {
  if (lastTree?.text !== text) {
    const lines = new LineCounter();
    lastTree = { text, tree: parseDocument(text, { ...PARSE_OPTIONS, lineCounter: lines }), lines };
  }
  return lastTree;
}

/** What `locateInDocument` needs, made beforehand while others run. */
export async function prepareLocating({ text }: ManifestDocument, slice: TimeSlices): Promise<void> {
  if (lastTree?.text === text) return;
  const read = await readTree(text, slice);
  if ('tree' in read) lastTree = { text, ...read };
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

/** The member's name as `toJS` makes it. */
function keyText(key: unknown): string | undefined {
  if (!isScalar<string | number | boolean | null>(key)) return undefined;
  return key.value === null ? '' : String(key.value);
}

/** `spec.apis[2].match` → `['spec', 'apis', 2, 'match']`; `["a.b"]` holds names with dots. */
export function pathSegments(path: string): (string | number)[] {
  const segments: (string | number)[] = [];
  for (const [, index, quoted, name] of path.matchAll(/\[(\d+)\]|\["([^"]*)"\]|([^.[\]]+)/g))
    segments.push(index !== undefined ? Number(index) : (quoted ?? name ?? ''));
  return segments;
}

// Not merging `<<`: what a reviewer reads is what is applied. Unique keys are demanded by `findStructuralFault`: the
// library compares each with all before it. A `silent` log level would drop every document after the first without
// an error. Pretty errors would copy a line of the text for each of them.
export const PARSE_OPTIONS = {
  version: '1.2',
  schema: 'core',
  merge: false,
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'error',
} as const;

interface Piece {
  readonly text: string;
  readonly firstLine: number;
}

/** Cuts before every `---` line. A file with `%` directives stays whole: they belong to what follows the marker. */
function* splitDocuments(text: string): Generator<Piece> {
  if (/^%/m.test(text)) {
    yield { text, firstLine: 1 };
    return;
  }
  let start = 0;
  let firstLine = 1;
  for (const marker of text.matchAll(/^---(?=[ \t\r\n]|$)/gm)) {
    if (marker.index === start) continue;
    const piece = text.slice(start, marker.index);
    yield { text: piece, firstLine };
    firstLine += piece.split('\n').length - 1;
    start = marker.index;
  }
  yield { text: text.slice(start), firstLine };
}

type PieceFault = { readonly offset: number; readonly message: string };

/** `parseDocument` of the library step by step, with room for others and a bound on the steps. */
async function readTree(text: string, slice: TimeSlices): Promise<SyntaxTree | PieceFault> {
  const lines = new LineCounter();
  lines.addNewLine(0);
  const parser = new Parser(lines.addNewLine);
  const tokens: CST.Token[] = [];
  let count = 0;
  let offset = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (++count > MAX_LEXEMES) return { offset, message: 'a document of too many parts; split it with lines ---' };
    offset = parser.offset;
    for (const token of parser.next(lexeme)) tokens.push(token);
    const turn = count % 64 === 0 && slice();
    if (turn) await turn;
  }
  tokens.push(...parser.end());
  let tree: Document | undefined;
  for (const document of new Composer(PARSE_OPTIONS).compose(tokens, true, text.length)) {
    const [error] = document.errors;
    if (tree)
      return {
        offset: document.range[0],
        message: 'start each document with a line ---; directives (%) and document ends (...) are not read',
      };
    if (error) return { offset: error.pos[0], message: error.message.split('\n')[0] ?? error.message };
    tree = document;
  }
  return tree ? { tree, lines } : { offset: 0, message: 'holds no document' };
}

async function parseValue(piece: Piece, slice: TimeSlices): Promise<{ readonly value: unknown } | ManifestFault> {
  if (Buffer.byteLength(piece.text) > MAX_DOCUMENT_BYTES)
    return at(
      piece,
      { line: 1, column: 1 },
      `a document larger than ${MAX_DOCUMENT_BYTES / 1024 / 1024} MiB; start each object with a line --- instead of a List`,
    );
  let read: SyntaxTree | PieceFault;
  try {
    read = await readTree(piece.text, slice);
  } catch (error) {
    // A stack overflow by nesting is the one way the parser itself throws.
    return at(piece, { line: 1, column: 1 }, `cannot be parsed (${error instanceof Error ? error.name : 'error'})`);
  }
  if ('message' in read) return at(piece, positionOf(piece.text, read.offset), read.message);
  const { tree } = read;
  const structural = findStructuralFault(tree);
  if (structural) return at(piece, positionOf(piece.text, structural.offset), structural.message);
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

/**
 * What the library would look for in quadratic time, or not at all, in one pass: an alias without an anchor before
 * it (`Alias.resolve` walks the document again for each), a key given twice, and too many of either.
 */
function findStructuralFault(tree: Document): PieceFault | undefined {
  const anchors = new Set<string>();
  let aliases = 0;
  let found: PieceFault | undefined;
  visit(tree, (_, node) => {
    if (isAlias(node)) {
      const offset = node.range?.[0] ?? 0;
      if (!anchors.has(node.source)) found = { offset, message: `no anchor &${node.source} before this alias` };
      else if (++aliases > MAX_ALIAS_COUNT) found = { offset, message: 'too many aliases' };
    } else if (isScalar(node) || isCollection(node)) {
      if (node.anchor !== undefined) anchors.add(node.anchor);
      if (isMap(node)) found = findKeyFault(node);
      else if (isSeq(node) && node.items.length > MAX_MEMBERS) {
        const beyond = node.items[MAX_MEMBERS];
        const offset = (isNode(beyond) ? beyond.range : node.range)?.[0] ?? 0;
        found = { offset, message: `a list with more than ${MAX_MEMBERS} items` };
      }
    }
    return found && visit.BREAK;
  });
  return found;
}

/** Keys that become one member of the value are one, so `1` and `"1"`; one that is a list or an alias has no text. */
function findKeyFault(map: YAMLMap): PieceFault | undefined {
  const offsetOf = (key: unknown): number => (isNode(key) && key.range ? key.range[0] : (map.range?.[0] ?? 0));
  const beyond = map.items[MAX_MEMBERS];
  if (beyond) return { offset: offsetOf(beyond.key), message: `a map with more than ${MAX_MEMBERS} keys` };
  const seen = new Set<string>();
  for (const { key } of map.items) {
    // An absent key is written nowhere: `: value`.
    const text = key === null ? '' : keyText(key);
    if (text === undefined) return { offset: offsetOf(key), message: 'Map keys must be plain text' };
    if (seen.has(text)) return { offset: offsetOf(key), message: 'Map keys must be unique' };
    seen.add(text);
  }
  return undefined;
}

/** Values that code behind us could stumble over, found once here. */
export function findHostile(value: unknown, depth: number): string | undefined {
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

function positionOf(text: string, offset: number): Position {
  const lineStart = text.lastIndexOf('\n', offset - 1) + 1;
  const start = offset === 0 ? 0 : lineStart;
  return { line: text.slice(0, start).split('\n').length, column: offset - start + 1 };
}

const at = (piece: Piece, { line, column }: Position, message: string): ManifestFault => ({
  line: line + piece.firstLine - 1,
  column,
  message,
});

const fault = (position: Position, message: string): ParsedManifest => ({ ok: false, fault: { ...position, message } });
