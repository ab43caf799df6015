/**
 * Redis Cluster: a map of slots and one connection, with a breaker of its own, per master, so that a dead master
 * refuses its own callers only. What a server redirects it has not run, so it may be sent again; nothing else is.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createBackoff } from '../../lib/backoff.js';
import { errorMessage } from '../../lib/errors.js';
import { RedirectedError, StoreUnavailableError } from '../errors.js';
import type { StoreHealth } from '../store.js';
import { createConnection, type ConnectionOptions, type RedisConnection } from './connection.js';
import {
  addressText,
  openLink,
  type RedisAccess,
  type RedisAddress,
  type RedisLink,
  withDeadline,
} from './endpoint.js';
import { slotOf, SLOTS } from './slot.js';

export interface ClusterOptions extends Pick<ConnectionOptions, 'inspect' | 'commandTimeoutMs' | 'onHealthChange'> {
  /** Any servers of the cluster; the others are learned from them. */
  readonly nodes: readonly RedisAddress[];
  readonly access: RedisAccess;
  readonly connectTimeoutMs: number;
  /** Proves that decisions about keys with this tag work on the link. */
  readonly probe: (link: RedisLink, tag: string) => Promise<void>;
}

export interface RedisCluster extends Omit<RedisConnection, 'run'> {
  /** As of a connection, on the master that keeps the keys with `{tag}`. */
  run<T>(tag: string, use: (link: RedisLink) => Promise<T>): Promise<T>;
  /** Runs `use` once on each master. */
  runAll<T>(use: (link: RedisLink) => Promise<T>): Promise<T[]>;
}

interface Master {
  readonly name: string;
  readonly connection: RedisConnection;
}

/** Nothing is wrong: the map is only looked at again to notice masters that were added and are not used yet. */
const REFRESH_EVERY_MS = 30_000;
const MAX_REDIRECTIONS = 5;
/** A slot whose keys are on two servers for a moment. */
const TRY_AGAIN_AFTER_MS = 5;

export function createCluster(options: ClusterOptions): RedisCluster {
  const { nodes: seeds, access, connectTimeoutMs, commandTimeoutMs, probe, inspect, onHealthChange } = options;
  const stopped = new AbortController();
  const backoff = createBackoff({ initialMs: 50, maxMs: 1000 });
  const masters = new Map<string, Master>();
  let masterOfSlot: readonly (Master | undefined)[] = [];
  let problem: string | undefined = 'connecting';
  let wake = (): void => undefined;

  function masterAt(address: RedisAddress): Master {
    const name = addressText(address);
    let master = masters.get(name);
    if (!master) {
      const connection = createConnection({
        open: (onLost) => openLink({ ...address, access }, connectTimeoutMs, onLost),
        probe: (link) => probe(link, tagOf(name)),
        inspect,
        commandTimeoutMs,
        onHealthChange: () => {
          if (masters.get(name)?.connection.health().healthy === false) wake();
          onHealthChange?.();
        },
      });
      master = { name, connection };
      masters.set(name, master);
    }
    return master;
  }

  /** A tag whose keys this master keeps. */
  function tagOf(name: string): string {
    for (let i = 0; i < 20 * SLOTS; i++) {
      const tag = i.toString(16).padStart(16, '0');
      if (masterOfSlot[slotOf(tag)]?.name === name) return tag;
    }
    throw new StoreUnavailableError(`${name} keeps no slots`);
  }

  async function askForMap(): Promise<readonly SlotRange[]> {
    const failures: string[] = [];
    for (const { name, connection } of masters.values()) {
      if (!connection.health().healthy) continue;
      try {
        return readSlots(await connection.run((link) => slots(link)), hostOf(name));
      } catch (error) {
        failures.push(`${name}: ${errorMessage(error)}`);
      }
    }
    for (const seed of seeds) {
      try {
        const link = await openLink({ ...seed, access }, connectTimeoutMs, () => undefined);
        try {
          return readSlots(await withDeadline(slots(link), connectTimeoutMs, 'CLUSTER SLOTS'), seed.host);
        } finally {
          link.destroy();
        }
      } catch (error) {
        failures.push(`${addressText(seed)}: ${errorMessage(error)}`);
      }
    }
    throw new StoreUnavailableError(`no server tells the slots of the cluster: ${failures.join('; ')}`);
  }

  async function refresh(): Promise<void> {
    try {
      const ranges = await askForMap();
      if (stopped.signal.aborted) return;
      const next: (Master | undefined)[] = new Array<Master | undefined>(SLOTS);
      const named = new Set<Master>();
      for (const { first, last, master: address } of ranges) {
        const master = masterAt(address);
        named.add(master);
        next.fill(master, first, last + 1);
      }
      masterOfSlot = next;
      for (const master of masters.values()) {
        if (named.has(master)) continue;
        masters.delete(master.name);
        void master.connection.close();
      }
      const missing = SLOTS - ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
      setProblem(missing > 0 ? `${missing} of ${SLOTS} slots have no master` : undefined);
    } catch (error) {
      setProblem(errorMessage(error));
    }
  }

  function setProblem(next: string | undefined): void {
    if (next === problem) return;
    problem = next;
    onHealthChange?.();
  }

  let refreshing: Promise<void> | undefined;
  /** Many requests notice a change of the map at once; one of them asks. */
  const refreshOnce = (): Promise<void> => (refreshing ??= refresh().finally(() => (refreshing = undefined)));

  async function keepMap(): Promise<void> {
    while (!stopped.signal.aborted) {
      await refreshOnce();
      const fine = health().healthy;
      if (fine) backoff.reset();
      const woken = new AbortController();
      wake = () => woken.abort();
      const signal = AbortSignal.any(fine ? [stopped.signal, woken.signal] : [stopped.signal]);
      await delay(fine ? REFRESH_EVERY_MS : backoff.next(), undefined, { signal }).catch(() => undefined);
    }
  }

  function health(): StoreHealth {
    const states = [...masters.values()].map(({ name, connection }) => ({ name, ...connection.health() }));
    const flaws = states.flatMap(({ name, flaws: own = [] }) =>
      own.map(({ check, message }) => ({ check, message: `${name}: ${message}` })),
    );
    const away = states.filter(({ healthy }) => !healthy);
    const message = problem ?? away.map(({ name, message: why }) => `${name}: ${why}`).join('; ');
    if (message === '') return { healthy: true, message: `connected to ${states.length} masters`, flaws };
    return { healthy: false, message, flaws };
  }

  async function run<T>(tag: string, use: (link: RedisLink) => Promise<T>): Promise<T> {
    const slot = slotOf(tag);
    let target = masterOfSlot[slot];
    let asking = false;
    for (let attempt = 0; ; attempt++) {
      if (!target) throw new StoreUnavailableError(`Redis is unavailable: ${problem ?? `slot ${slot} has no master`}`);
      try {
        return await target.connection.run(asking ? (link) => use(askingLink(link)) : use);
      } catch (error) {
        if (!(error instanceof RedirectedError)) throw error;
        if (attempt === MAX_REDIRECTIONS) throw new StoreUnavailableError(error.message, { cause: error });
        asking = error.to === 'ask';
        if (error.to === 'again') await delay(TRY_AGAIN_AFTER_MS);
        else if (error.to === 'moved') await refreshOnce();
        target = asking ? masters.get(error.address) : masterOfSlot[slot];
      }
    }
  }

  const keeping = keepMap();
  return {
    run: (tag, use) => withDeadline(run(tag, use), commandTimeoutMs, 'Redis'),
    runAll: (use) => Promise.all([...masters.values()].map(({ connection }) => connection.run(use))),
    health,
    async renew() {
      await Promise.all([...masters.values()].map(({ connection }) => connection.renew()));
    },
    async close() {
      stopped.abort();
      await keeping;
      await refreshing;
      await Promise.all([...masters.values()].map(({ connection }) => connection.close()));
    },
  };
}

/** ASKING counts for the next command only; both are written in one go, so nothing comes between. */
const askingLink = (link: RedisLink): RedisLink => ({
  send(command) {
    link.send(['ASKING']).catch(() => undefined);
    return link.send(command);
  },
  destroy: () => link.destroy(),
});

const slots = (link: RedisLink): Promise<unknown> => link.send(['CLUSTER', 'SLOTS']);

interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly master: RedisAddress;
}

/** `[first, last, [host, port, …], replica …]` per range. A server that does not know its own address is where we asked. */
function readSlots(reply: unknown, askedHost: string): SlotRange[] {
  if (!Array.isArray(reply)) throw new StoreUnavailableError('CLUSTER SLOTS gave no list');
  return reply.map((entry: unknown) => {
    const [first, last, master] = Array.isArray(entry) ? (entry as unknown[]) : [];
    const [host, port] = Array.isArray(master) ? (master as unknown[]) : [];
    const range = { first: Number(first), last: Number(last), port: Number(port) };
    if (!(range.first >= 0 && range.last < SLOTS && range.first <= range.last && range.port > 0))
      throw new StoreUnavailableError('CLUSTER SLOTS gave a range that is none');
    const known = typeof host === 'string' && host !== '' && host !== '?' ? host : askedHost;
    return { first: range.first, last: range.last, master: { host: known, port: range.port } };
  });
}

const hostOf = (name: string): string => name.slice(0, name.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
