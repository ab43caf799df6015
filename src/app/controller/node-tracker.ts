/**
 * Which nodes of the data plane are expected to take up changes, and how far each has come. States of the
 * configuration are numbered; a node that held state 7 has enforced everything that did not change since. Pure.
 */
import type { ConnectedNode } from '../../xds/server/plane.js';

export type NodeKind = 'envoy' | 'authorizer';

export interface ExpectedNode {
  readonly kind: NodeKind;
  readonly id: string;
  /** Number of the latest state that it held. */
  readonly held: number;
  readonly connected: boolean;
  /** What it told of itself when it connected. */
  readonly version: string | undefined;
  /** An authorizer at a port: it is asked by Envoys of somebody's own, which never connect here. */
  readonly atPort?: true;
}

interface Entry {
  readonly kind: NodeKind;
  readonly id: string;
  /** Stream → state held over it; `undefined` until its first sync. */
  readonly streams: Map<number, number | undefined>;
  held: number | undefined;
  vanishedMs: number | undefined;
  version: string | undefined;
  atPort?: true;
}

/** Half of what the annotations of an object may hold. Some 3,000 nodes. */
const MAX_NAMES_BYTES = 128 * 1024;
const MAX_ID_LENGTH = 253;

/** `pod/part`: Envoy and the authorizers beside it share the first part. */
const placeOf = (id: string): string => id.slice(0, Math.max(0, id.lastIndexOf('/')));

export class NodeTracker {
  readonly #entries = new Map<string, Entry>();
  /** Places whose last authorizer said goodbye while their Envoy was connected. */
  readonly #left = new Set<string>();

  /** @param lossMs how long a node that vanished stays expected. */
  constructor(readonly lossMs: number) {}

  connected(kind: NodeKind, node: ConnectedNode): void {
    const name = `${kind} ${node.id}`;
    let entry = this.#entries.get(name);
    if (!entry) {
      entry = {
        kind,
        id: node.id,
        streams: new Map(),
        held: undefined,
        vanishedMs: undefined,
        version: undefined,
      };
      this.#entries.set(name, entry);
    }
    if (kind === 'authorizer') this.#left.delete(placeOf(node.id));
    const { version } = node;
    if (version !== undefined) entry.version = version;
    if (node.metadata?.['atPort'] === true) entry.atPort = true;
    entry.vanishedMs = undefined;
    entry.streams.set(node.stream, undefined);
  }

  /** The node holds state `held` whole. */
  holds(kind: NodeKind, node: ConnectedNode, held: number): void {
    const entry = this.#entries.get(`${kind} ${node.id}`);
    if (!entry?.streams.has(node.stream)) return;
    entry.streams.set(node.stream, Math.max(held, entry.streams.get(node.stream) ?? 0));
    // Two processes under one name: what both hold counts.
    const synced = [...entry.streams.values()].filter((each) => each !== undefined);
    entry.held = Math.min(...synced);
  }

  /** A node that says goodbye is not waited for, nor is one that never came as far as its first sync. */
  disconnected(kind: NodeKind, node: ConnectedNode, goodbye: boolean, nowMs: number): void {
    const name = `${kind} ${node.id}`;
    const entry = this.#entries.get(name);
    if (!entry) return;
    entry.streams.delete(node.stream);
    if (entry.streams.size > 0) return;
    const isLeft = kind === 'envoy' && this.#left.delete(placeOf(node.id));
    if (goodbye || isLeft || entry.held === undefined) this.#entries.delete(name);
    else entry.vanishedMs = nowMs;
    if (kind === 'authorizer' && goodbye) this.#leave(placeOf(node.id));
  }

  /**
   * Envoy says no goodbye. One whose authorizers all did refuses every request; it is not waited for once it is gone.
   */
  #leave(place: string): void {
    const beside = [...this.#entries.values()].filter(({ id }) => place !== '' && placeOf(id) === place);
    if (beside.some(({ kind }) => kind === 'authorizer')) return;
    for (const { id, streams } of beside) {
      if (streams.size > 0) this.#left.add(place);
      else this.#entries.delete(`envoy ${id}`);
    }
  }

  /** Who is expected, for the next leader: of those that vanish meanwhile it knows nothing else. */
  get names(): string {
    const names: Record<NodeKind, string[]> = { envoy: [], authorizer: [] };
    let bytes = 0;
    for (const { kind, id, held } of [...this.#entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      if (held === undefined || id.length > MAX_ID_LENGTH) continue;
      bytes += Buffer.byteLength(JSON.stringify(id)) + 1;
      if (bytes > MAX_NAMES_BYTES) break;
      names[kind].push(id);
    }
    return JSON.stringify(names);
  }

  /**
   * Expects those whom the leader before expected, and no others: nodes that are not here vanished now. What they
   * hold is unknown, unless they were seen here before.
   * @param names text of `names`; what cannot be read of it expects nobody.
   */
  take(names: string, nowMs: number): void {
    const known = new Set<string>();
    for (const [kind, id] of readNames(names)) {
      const name = `${kind} ${id}`;
      known.add(name);
      const entry = this.#entries.get(name);
      if (!entry)
        this.#entries.set(name, { kind, id, streams: new Map(), held: 0, vanishedMs: nowMs, version: undefined });
      else if (entry.streams.size === 0) entry.vanishedMs = nowMs;
    }
    for (const [name, { streams }] of this.#entries)
      if (streams.size === 0 && !known.has(name)) this.#entries.delete(name);
  }

  /** Gives up nodes that vanished long ago, and answers which. */
  expire(nowMs: number): readonly ExpectedNode[] {
    const lost = [...this.#entries].filter(
      ([, { vanishedMs }]) => vanishedMs !== undefined && nowMs - vanishedMs >= this.lossMs,
    );
    for (const [name] of lost) this.#entries.delete(name);
    return lost.map(([, entry]) => expectedOf(entry));
  }

  /** Those that finished a first sync. */
  expected(kind: NodeKind): readonly ExpectedNode[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.kind === kind && entry.held !== undefined)
      .map(expectedOf);
  }

  /** Whether all hold state `held` that are connected, or may come back as they vanished no longer than this ago. */
  hold(kind: NodeKind, held: number, nowMs: number, comesBackMs: number): boolean {
    return [...this.#entries.values()].every(
      (entry) =>
        entry.kind !== kind ||
        entry.held === undefined ||
        entry.held >= held ||
        (entry.vanishedMs !== undefined && nowMs - entry.vanishedMs >= comesBackMs),
    );
  }

  /** A node of this kind is connected and has synced since it connected. */
  serves(kind: NodeKind): boolean {
    return [...this.#entries.values()].some(
      (entry) => entry.kind === kind && [...entry.streams.values()].some((held) => held !== undefined),
    );
  }
}

function readNames(text: string): (readonly [NodeKind, string])[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  if (typeof value !== 'object' || value === null) return [];
  return (['envoy', 'authorizer'] as const).flatMap((kind) => {
    const ids = (value as Readonly<Record<string, unknown>>)[kind];
    return (Array.isArray(ids) ? ids : []).flatMap((id) => (typeof id === 'string' ? [[kind, id] as const] : []));
  });
}

const expectedOf = ({ kind, id, held = 0, streams, version, atPort }: Entry): ExpectedNode => ({
  kind,
  id,
  held,
  connected: streams.size > 0,
  version,
  ...(atPort && { atPort }),
});
