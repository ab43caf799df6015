/**
 * Which API of an environment a path and method belong to. Exact, then Template with more
 * literal segments, then longest Prefix; of equals one that lists the method, then the earlier API. Paths are compared
 * as raw bytes. Compiled once per environment; a lookup costs the length of the path, whatever the number of APIs.
 */
import type { Api } from '../../model/model.js';

export interface FoundApi {
  readonly api: Api;
  /** Raw text of the template's variables. */
  readonly variables: ReadonlyMap<string, string>;
}

export type ApiLookup =
  | { readonly found: FoundApi }
  /** `allow` are the methods listed for the path when only the method is wrong, else `undefined`. */
  | { readonly found: undefined; readonly allow: readonly string[] | undefined };

export interface ApiMatcher {
  /** `path` is without base path, environment segment and query; empty where nothing follows them. */
  find(path: string, method: string): ApiLookup;
}

interface Entry {
  readonly api: Api;
  /** Position among the APIs of the environment. */
  readonly order: number;
  readonly variableNames: readonly string[];
}

/** All APIs of one path pattern. */
interface Slot {
  readonly listed: Map<string, Entry>;
  anyMethod: Entry | undefined;
}

interface Node {
  readonly literals: Map<string, Node>;
  variable: Node | undefined;
  slot: Slot | undefined;
}

interface TemplateMatch {
  readonly slot: Slot;
  readonly literals: number;
  readonly values: readonly string[];
}

const NO_VARIABLES: ReadonlyMap<string, string> = new Map();
const NOT_FOUND: ApiLookup = { found: undefined, allow: undefined };

/** TRACE would show the caller what we signed for the backend; CONNECT opens a tunnel. Nobody can list them. */
const NEVER = new Set(['TRACE', 'CONNECT']);
/** Only where listed: Envoy answers preflights, other OPTIONS requests are the API's own business. */
const NOT_IMPLIED = new Set([...NEVER, 'OPTIONS']);

const newNode = (): Node => ({ literals: new Map(), variable: undefined, slot: undefined });
const newSlot = (): Slot => ({ listed: new Map(), anyMethod: undefined });

/** `/a/b` → `a`, `b`; the empty text has no segment, `/` one empty segment. */
const segmentsOf = (path: string): string[] => (path === '' ? [] : path.slice(1).split('/'));

const variableName = (segment: string): string | undefined =>
  segment.length > 2 && segment.startsWith('{') && segment.endsWith('}') ? segment.slice(1, -1) : undefined;

function addTo(slot: Slot, entry: Entry): void {
  const { methods } = entry.api.match;
  // The first of two equal patterns stays: translate refuses the second, which holds what is left of its methods.
  if (methods === undefined) slot.anyMethod ??= entry;
  for (const method of methods ?? []) if (!slot.listed.has(method)) slot.listed.set(method, entry);
}

function addPattern(root: Node, pattern: string, api: Api, order: number, isTemplate: boolean): void {
  const variableNames: string[] = [];
  let node = root;
  for (const segment of segmentsOf(pattern)) {
    const variable = isTemplate ? variableName(segment) : undefined;
    if (variable !== undefined) {
      variableNames.push(variable);
      node = node.variable ??= newNode();
      continue;
    }
    let next = node.literals.get(segment);
    if (!next) node.literals.set(segment, (next = newNode()));
    node = next;
  }
  addTo((node.slot ??= newSlot()), { api, order, variableNames });
}

function collectTemplates(
  node: Node,
  segments: readonly string[],
  depth: number,
  literals: number,
  values: readonly string[],
  matches: TemplateMatch[],
): void {
  if (depth === segments.length) {
    if (node.slot) matches.push({ slot: node.slot, literals, values });
    return;
  }
  const segment = segments[depth]!;
  const literal = node.literals.get(segment);
  if (literal) collectTemplates(literal, segments, depth + 1, literals + 1, values, matches);
  if (node.variable && segment !== '')
    collectTemplates(node.variable, segments, depth + 1, literals, [...values, segment], matches);
}

const ofMethod = (slot: Slot, method: string): Entry | undefined =>
  slot.listed.get(method) ?? (NOT_IMPLIED.has(method) ? undefined : slot.anyMethod);

/** Two templates of one rank that one path fits: translate refuses the later, which must not shadow the earlier. */
function byEntry(a: Slot, b: Slot, method: string): number {
  const listed = Number(b.listed.has(method)) - Number(a.listed.has(method));
  return listed || (ofMethod(a, method)?.order ?? 0) - (ofMethod(b, method)?.order ?? 0);
}

function variablesOf(entry: Entry, values: readonly string[]): ReadonlyMap<string, string> {
  if (values.length === 0) return NO_VARIABLES;
  return new Map(entry.variableNames.map((name, i) => [name, values[i]!]));
}

/** Builds the index of one environment. */
export function compileApis(apis: readonly Api[]): ApiMatcher {
  const exact = new Map<string, Slot>();
  const templates = newNode();
  const prefixes = newNode();
  let hasTemplates = false;
  let hasPrefixes = false;
  for (const [order, api] of apis.entries()) {
    const { type, value } = api.match.path;
    switch (type) {
      case 'Exact': {
        let slot = exact.get(value);
        if (!slot) exact.set(value, (slot = newSlot()));
        addTo(slot, { api, order, variableNames: [] });
        break;
      }
      case 'Template':
        hasTemplates = true;
        addPattern(templates, value, api, order, true);
        break;
      case 'Prefix':
        hasPrefixes = true;
        // Whole segments: `/v1/` and `/v1` are one prefix, `/` is the empty one.
        addPattern(prefixes, value.endsWith('/') ? value.slice(0, -1) : value, api, order, false);
        break;
    }
  }

  function find(path: string, method: string): ApiLookup {
    if (NEVER.has(method)) return { found: undefined, allow: [] };
    const allow = new Set<string>();
    let pathKnown = false;
    const pick = (slot: Slot, values: readonly string[]): ApiLookup | undefined => {
      const entry = ofMethod(slot, method);
      if (entry) return { found: { api: entry.api, variables: variablesOf(entry, values) } };
      pathKnown = true;
      for (const name of slot.listed.keys()) allow.add(name);
      return undefined;
    };

    const slot = exact.get(path);
    const byExact = slot && pick(slot, []);
    if (byExact) return byExact;
    if (!hasTemplates && !hasPrefixes) return pathKnown ? { found: undefined, allow: [...allow] } : NOT_FOUND;

    const segments = segmentsOf(path);
    if (hasTemplates) {
      const matches: TemplateMatch[] = [];
      collectTemplates(templates, segments, 0, 0, [], matches);
      if (matches.length > 1) matches.sort((a, b) => b.literals - a.literals || byEntry(a.slot, b.slot, method));
      for (const match of matches) {
        const byTemplate = pick(match.slot, match.values);
        if (byTemplate) return byTemplate;
      }
    }
    if (hasPrefixes) {
      const slots: Slot[] = prefixes.slot ? [prefixes.slot] : [];
      let node: Node | undefined = prefixes;
      for (const segment of segments) {
        node = node.literals.get(segment);
        if (!node) break;
        if (node.slot) slots.push(node.slot);
      }
      for (let i = slots.length - 1; i >= 0; i--) {
        const byPrefix = pick(slots[i]!, []);
        if (byPrefix) return byPrefix;
      }
    }
    return pathKnown ? { found: undefined, allow: [...allow] } : NOT_FOUND;
  }

  return { find };
}
