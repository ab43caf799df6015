/**
 * Which nodes of the data plane are expected to take up changes, and how far each has come. States of the
 * configuration are numbered; a node that held state 7 has enforced everything that did not change since. Pure.
 */
import type { ConnectedNode } from '../xds/server/plane.js';

export type NodeKind = 'envoy' | 'authorizer';

export interface ExpectedNode {
  readonly kind: NodeKind;
  readonly id: string;
  /** Number of the latest state that it held. */
  readonly held: number;
  readonly connected: boolean;
  /** What it told of itself when it connected. */
  readonly version: string | undefined;
}

interface Entry {
  readonly kind: NodeKind;
  readonly id: string;
  /** Stream → state held over it; `undefined` until its first sync. */
  readonly streams: Map<number, number | undefined>;
  held: number | undefined;
  vanishedMs: number | undefined;
  version: string | undefined;
}

export class NodeTracker {
  readonly #entries = new Map<string, Entry>();

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
    const { version } = node.metadata ?? {};
    if (typeof version === 'string') entry.version = version;
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
    if (goodbye || entry.held === undefined) this.#entries.delete(name);
    else entry.vanishedMs = nowMs;
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

  /** A node of this kind is connected and has synced since it connected. */
  serves(kind: NodeKind): boolean {
    return [...this.#entries.values()].some(
      (entry) => entry.kind === kind && [...entry.streams.values()].some((held) => held !== undefined),
    );
  }
}

const expectedOf = ({ kind, id, held = 0, streams, version }: Entry): ExpectedNode => ({
  kind,
  id,
  held,
  connected: streams.size > 0,
  version,
});
