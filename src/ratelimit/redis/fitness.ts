/**
 * What makes a server that answers unfit to keep counters: it may evict them, forget them at a restart, or lack
 * what the script needs. Found from INFO, which managed offerings permit where they forbid CONFIG.
 */
import type { StoreFlaw } from '../store.js';
import type { RedisLink } from './endpoint.js';

const OLDEST_VERSION = [7, 0] as const;

/** @throws what the link throws; a user without the right to INFO learns nothing. */
export const inspectServer = async (link: RedisLink): Promise<readonly StoreFlaw[]> =>
  flawsOf(String(await link.send(['INFO'])));

/** The flaws in the text of INFO. What it does not say is no flaw. */
export function flawsOf(info: string): readonly StoreFlaw[] {
  const fields = new Map(
    [...info.matchAll(/^([a-z_]+):(.*?)\r?$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
  const flaws: StoreFlaw[] = [];
  const policy = fields.get('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction')
    flaws.push({
      check: 'eviction',
      message: `maxmemory-policy is ${policy}: under pressure counters vanish and limits begin anew; set noeviction`,
    });
  if (fields.get('aof_enabled') === '0')
    flaws.push({
      check: 'persistence',
      message: 'appendonly is off: a restart loses counters, or all since the last snapshot; set appendonly yes',
    });
  // Valkey tells the Redis version that it is compatible with under the old name.
  const version = fields.get('redis_version');
  if (version !== undefined && isOlder(version))
    flaws.push({ check: 'version', message: `version ${version} is older than ${OLDEST_VERSION.join('.')}` });
  return flaws;
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST_VERSION[0] || (major === OLDEST_VERSION[0] && minor < OLDEST_VERSION[1]);
}
