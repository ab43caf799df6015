/**
 * A port that takes connections of admitted clients only: certificate of the authority and one of the expected
 * names, judged once per connection, before a byte of HTTP is read. (Per Check it would cost as much as the check.)
 */
import { constants } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import type { TransportTls } from './transport.js';

export interface TlsListener {
  /** Resolves with the port. */
  listen(host: string, port: number): Promise<number>;
  /** Takes no new connections; those that were handed on stay. */
  close(): void;
}

/** A client that opens a connection and says nothing is let go. */
const HANDSHAKE_MS = 5_000;

/** @param onRenewed after renewed files count: connections of before may rest on an authority that is gone. */
export function createTlsListener(
  tls: TransportTls,
  onConnection: (socket: TLSSocket) => void,
  onRenewed: () => void,
): TlsListener {
  const material = () => {
    const { certificate, privateKey, caCertificate } = tls.files();
    // Without tickets no client comes back with what it has shown to an earlier authority.
    return { cert: certificate, key: privateKey, ca: caCertificate, secureOptions: constants.SSL_OP_NO_TICKET };
  };
  const server = createServer(
    {
      ...material(),
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['h2'],
      handshakeTimeout: HANDSHAKE_MS,
    },
    (socket) => {
      socket.on('error', () => undefined);
      const { subjectaltname = '' } = socket.getPeerCertificate();
      if (socket.authorized && tls.admits(subjectaltname)) return onConnection(socket);
      tls.onRefused?.(`a certificate for ${subjectaltname === '' ? 'no name' : subjectaltname} may not ask`);
      socket.destroy();
    },
  );
  server.on('tlsClientError', (error, socket) => {
    tls.onRefused?.(`a connection failed: ${error.message}`);
    socket.destroy();
  });
  const forget = tls.onRenewal(() => {
    server.setSecureContext(material());
    onRenewed();
  });

  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, () => {
          server.off('error', reject);
          resolve((server.address() as AddressInfo).port);
        });
      }),
    close() {
      forget();
      server.close();
    },
  };
}
