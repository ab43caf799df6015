import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { AppError } from '../../lib/errors.js';

/** Only the user that Envoy shares with us may ask. */
const OWNER_ONLY = 0o600;
const OWNER_ONLY_FOLDER = 0o700;

const isServed = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    const answer = (served: boolean) => () => {
      socket.destroy();
      resolve(served);
    };
    socket.once('connect', answer(true)).once('error', answer(false));
  });

/** Makes room for a socket: a file left by a process that died goes, anything else is an error. */
export async function clearStaleSocket(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: OWNER_ONLY_FOLDER });
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!found) return;
  if (!found.isSocket()) throw new AppError('ERR_SOCKET_PATH', `${path} exists and is not a socket`);
  if (await isServed(path)) throw new AppError('ERR_SOCKET_IN_USE', `another process listens on ${path}`);
  await unlink(path);
}

export const restrictSocket = (path: string): Promise<void> => chmod(path, OWNER_ONLY);

export async function removeSocket(path: string): Promise<void> {
  await unlink(path).catch(() => undefined); // gone already is what we want
}
