import { createServer, type AddressInfo } from 'node:net';

const given = new Set<number>();

/** A TCP port on 127.0.0.1 that nobody listens on now, never the same twice; for servers that cannot report a port of their choice. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (given.has(port)) return freePort();
  given.add(port);
  return port;
}
