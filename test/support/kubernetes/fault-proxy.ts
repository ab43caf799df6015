/** A TCP proxy on 127.0.0.1 that can be told to fail the ways networks do. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface FaultProxy {
  readonly port: number;
  /** Connections that are open. */
  readonly connections: number;
  /** Connections since the start. */
  readonly accepted: number;
  /** Every chunk towards the client waits that long. */
  delay(ms: number): void;
  /** Nothing passes in either direction; connections stay open and new ones are accepted. */
  stall(): void;
  /** Nothing passes any more on the connections that are open, as behind a router that lost them; new ones work. */
  freeze(): void;
  /** Ends delay and stall; what waited passes on. */
  resume(): void;
  /** Ends all connections with RST. */
  reset(): void;
  /** Passes this many more bytes to the client on each open connection, then ends it with RST. */
  cutAfter(bytes: number): void;
  /** Refuses new connections with RST until `admit`. */
  refuse(): void;
  admit(): void;
  close(): Promise<void>;
}

export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const pairs = new Set<{ client: Socket; upstream: Socket; left: number; frozen: boolean }>();
  const waiting: (() => void)[] = [];
  let delayMs = 0;
  let stalled = false;
  let refusing = false;
  let accepted = 0;

  const server = createServer((client) => {
    accepted += 1;
    if (refusing) return client.resetAndDestroy();
    const upstream = connect(targetPort, '127.0.0.1');
    const pair = { client, upstream, left: Number.POSITIVE_INFINITY, frozen: false };
    pairs.add(pair);
    const forward = (to: Socket, chunk: Buffer) => {
      if (to === client && pair.left < chunk.length) {
        const { left } = pair;
        client.write(chunk.subarray(0, left), () => end());
        return;
      }
      if (to === client) pair.left -= chunk.length;
      if (to.writable) to.write(chunk);
    };
    const pass = (to: Socket) => (chunk: Buffer) => {
      if (pair.frozen) return;
      if (stalled) waiting.push(() => forward(to, chunk));
      else if (delayMs > 0 && to === client) setTimeout(() => forward(to, chunk), delayMs);
      else forward(to, chunk);
    };
    const end = () => {
      pairs.delete(pair);
      client.resetAndDestroy();
      upstream.destroy();
    };
    client.on('data', pass(upstream)).on('error', end).on('close', end);
    upstream
      .on('data', pass(client))
      .on('error', end)
      .on('close', () => (stalled ? waiting.push(end) : end()));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));

  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    get accepted() {
      return accepted;
    },
    delay: (ms) => void (delayMs = ms),
    stall: () => void (stalled = true),
    freeze() {
      for (const pair of pairs) pair.frozen = true;
    },
    resume() {
      stalled = false;
      delayMs = 0;
      for (const pass of waiting.splice(0)) pass();
    },
    reset() {
      for (const { client, upstream } of pairs) {
        client.resetAndDestroy();
        upstream.destroy();
      }
    },
    cutAfter(bytes) {
      for (const pair of pairs) pair.left = bytes;
    },
    refuse: () => void (refusing = true),
    admit: () => void (refusing = false),
    async close() {
      for (const { client, upstream } of pairs) {
        client.destroy();
        upstream.destroy();
      }
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}
