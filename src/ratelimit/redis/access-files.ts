/**
 * Credentials and certificates of Redis in files, as Kubernetes mounts them: read at every connect, and watched
 * so that a rotation reaches the connections that are open. Watched by content: a mounted Secret changes by
 * moving a link, which file events miss on some systems.
 */
import { readFile } from 'node:fs/promises';
import { hexHash } from '../../lib/stable-hash.js';
import { AppError, errorMessage } from '../../lib/errors.js';
import type { RedisAccess, RedisTls } from './endpoint.js';

export interface AccessFiles {
  readonly usernameFile?: string | undefined;
  readonly passwordFile?: string | undefined;
  /** TLS is on even when no file below is named. */
  readonly tls?: boolean | undefined;
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly serverName?: string | undefined;
}

export interface WatchedAccess extends RedisAccess {
  /** Calls `onChange` when what the files hold is something else than before; answers how to stop. */
  watch(onChange: () => void, everyMs?: number): () => void;
}

const WATCH_EVERY_MS = 2000;

export function createAccess(files: AccessFiles): WatchedAccess {
  const { usernameFile, passwordFile, caFile, certFile, keyFile, serverName } = files;
  const tls = files.tls ?? [caFile, certFile, keyFile, serverName].some((each) => each !== undefined);
  const paths = [usernameFile, passwordFile, caFile, certFile, keyFile].filter((path) => path !== undefined);

  return {
    credentials: async () =>
      passwordFile === undefined
        ? undefined
        : {
            password: await readLine(passwordFile),
            username: usernameFile === undefined ? undefined : await readLine(usernameFile),
          },
    tls: async (): Promise<RedisTls | undefined> =>
      tls
        ? {
            ca: caFile && (await read(caFile)),
            cert: certFile && (await read(certFile)),
            key: keyFile && (await read(keyFile)),
            servername: serverName,
          }
        : undefined,
    watch(onChange, everyMs = WATCH_EVERY_MS) {
      if (paths.length === 0) return () => undefined;
      let before: string | undefined;
      let stopped = false;
      const look = async (): Promise<void> => {
        const content = await Promise.all(paths.map(read)).catch(() => undefined);
        if (stopped || content === undefined) return; // between two versions, or gone: the next connect says so
        const now = hexHash(JSON.stringify(content));
        if (before !== undefined && before !== now) onChange();
        before = now;
      };
      void look();
      const timer = setInterval(() => void look(), everyMs);
      timer.unref();
      return () => {
        stopped = true;
        clearInterval(timer);
      };
    },
  };
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new AppError('ERR_REDIS_FILE', `cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}

/** Editors and `echo` end a file with a line break, which no password has. */
const readLine = async (path: string): Promise<string> => (await read(path)).replace(/\r?\n$/, '');
