/** TLS in front of a server that speaks none: real handshakes, whatever the server was built with. */
import { connect, type AddressInfo, type Socket } from 'node:net';
import { createServer, type TlsOptions } from 'node:tls';

export interface TlsProxy {
  readonly port: number;
  /** Connections that finished their handshake so far. */
  readonly accepted: number;
  /** From the next handshake on. */
  setSecureContext(options: TlsOptions): void;
  close(): Promise<void>;
}

export async function startTlsProxy(targetPort: number, options: TlsOptions): Promise<TlsProxy> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer(options, (incoming) => {
    accepted += 1;
    const outgoing = connect(targetPort, '127.0.0.1');
    for (const socket of [incoming, outgoing]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => (incoming.destroy(), outgoing.destroy()));
    }
    incoming.pipe(outgoing).pipe(incoming);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get accepted() {
      return accepted;
    },
    setSecureContext: (changed) => server.setSecureContext({ ...options, ...changed }),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
