import { createServer } from 'node:net';

/** Below what systems give to outgoing connections, one of which could take a port before its server does. */
const RANGE = { from: 10_000, to: 32_000 };

const given = new Set<number>();

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

/** A TCP port on 127.0.0.1 that nobody listens on now, never the same twice; for servers that cannot report a port of their choice. */
export async function freePort(): Promise<number> {
  for (;;) {
    // At random, since several processes look for one at once.
    const port = RANGE.from + Math.floor(Math.random() * (RANGE.to - RANGE.from));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}
