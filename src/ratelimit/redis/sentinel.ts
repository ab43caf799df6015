/**
 * The master that Redis Sentinel names: asked before every connection, as the protocol for Sentinel clients
 * wants, and every second while connected, since a master that was cut off from its Sentinels still answers and
 * would count requests that its successor never hears of.
 */
import { errorMessage } from '../../lib/errors.js';
import { StoreUnavailableError } from '../errors.js';
import {
  addressText,
  openLink,
  type RedisAccess,
  type RedisAddress,
  type RedisLink,
  withDeadline,
} from './endpoint.js';

export interface SentinelPlace {
  readonly sentinels: readonly RedisAddress[];
  readonly masterName: string;
}

const WATCH_EVERY_MS = 1000;

/** `sentinelAccess` is how to get into the Sentinels themselves. Opens links to whoever is master at the time. */
export function createSentinelOpener(
  { sentinels, masterName }: SentinelPlace,
  access: RedisAccess,
  sentinelAccess: RedisAccess,
  timeoutMs: number,
): (onLost: (error: Error) => void) => Promise<RedisLink> {
  /** The one that answered last goes first; one that named a master that did not work goes last. */
  let order = [...sentinels];

  async function ask(sentinel: RedisAddress): Promise<{ link: RedisLink; master: RedisAddress }> {
    const link = await openLink({ ...sentinel, access: sentinelAccess }, timeoutMs, () => undefined);
    try {
      return { link, master: await masterOf(link, masterName, timeoutMs) };
    } catch (error) {
      link.destroy();
      throw error;
    }
  }

  async function findMaster(): Promise<{ link: RedisLink; master: RedisAddress }> {
    const failures: string[] = [];
    for (const sentinel of [...order]) {
      try {
        const found = await ask(sentinel);
        order = [sentinel, ...order.filter((each) => each !== sentinel)];
        return found;
      } catch (error) {
        failures.push(`${addressText(sentinel)}: ${errorMessage(error)}`);
      }
    }
    throw new StoreUnavailableError(`no Sentinel names a master: ${failures.join('; ')}`);
  }

  /** A Sentinel that has not heard of a failover names a master that cannot be used: another one may know more. */
  const rotate = (): void => void (order = [...order.slice(1), ...order.slice(0, 1)]);

  return async (onLost) => {
    const { link: sentinel, master } = await findMaster();
    let link: RedisLink | undefined;
    const watch = watchMaster(sentinel, master, (next) => {
      link?.destroy();
      onLost(new Error(`the Sentinels name another master, ${addressText(next)}`));
    });
    try {
      link = await openLink({ ...master, access }, timeoutMs, (error) => {
        watch.end();
        onLost(error);
      });
    } catch (error) {
      watch.end();
      rotate();
      throw error;
    }
    const opened = link;
    return {
      send: (command) => opened.send(command),
      destroy() {
        watch.end();
        opened.destroy();
        rotate();
      },
    };
  };

  function watchMaster(first: RedisLink, current: RedisAddress, onOther: (next: RedisAddress) => void) {
    let sentinel: RedisLink | undefined = first;
    let ended = false;
    let asking = false;
    const look = async (): Promise<void> => {
      if (asking) return;
      asking = true;
      try {
        let next: RedisAddress;
        if (sentinel) next = await masterOf(sentinel, masterName, timeoutMs);
        else ({ link: sentinel, master: next } = await findMaster());
        if (ended) return end();
        if (next.host !== current.host || next.port !== current.port) {
          end();
          onOther(next);
        }
      } catch {
        // No word from the Sentinels says nothing about the master; another one is asked next time.
        sentinel?.destroy();
        sentinel = undefined;
      } finally {
        asking = false;
      }
    };
    const timer = setInterval(() => void look(), WATCH_EVERY_MS);
    function end(): void {
      ended = true;
      clearInterval(timer);
      sentinel?.destroy();
      sentinel = undefined;
    }
    return { end };
  }
}

async function masterOf(sentinel: RedisLink, masterName: string, timeoutMs: number): Promise<RedisAddress> {
  const asked = sentinel.send(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName]);
  const reply = await withDeadline(asked, timeoutMs, 'the Sentinel');
  const [host, port] = Array.isArray(reply) ? reply.map(String) : [];
  if (host === undefined || !(Number(port) > 0)) throw new StoreUnavailableError(`no master is called ${masterName}`);
  return { host, port: Number(port) };
}
