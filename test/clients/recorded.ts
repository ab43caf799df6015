/** What a client really puts on the wire: a server that keeps requests instead of serving them, and a tap on a connection. */
import { createServer, request as httpRequest } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net';

export interface WireRequest {
  readonly method: string;
  readonly target: string;
  /** In wire order, names as sent; values one latin1 character per byte. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

export interface Recorder {
  readonly port: number;
  readonly requests: readonly WireRequest[];
  close(): Promise<void>;
}

/** Answers 200 to everything, so that a signed request can be taken before the gateway has seen it. */
export async function startRecorder(): Promise<Recorder> {
  const requests: WireRequest[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const headers: [string, string][] = [];
      for (let i = 0; i < incoming.rawHeaders.length; i += 2)
        headers.push([incoming.rawHeaders[i] ?? '', incoming.rawHeaders[i + 1] ?? '']);
      requests.push({
        method: incoming.method ?? '',
        target: incoming.url ?? '',
        headers,
        body: Buffer.concat(chunks),
      });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"requestId":"recorded","result":{}}');
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface Tap {
  readonly port: number;
  /** Heads of the requests that passed; requests through a tap have no bodies. */
  heads(): string[];
  close(): Promise<void>;
}

/** Passes bytes to `targetPort` and back unchanged, and keeps those of the client. */
export async function startTap(targetPort: number): Promise<Tap> {
  const streams: Buffer[][] = [];
  const sockets = new Set<{ destroy(): void }>();
  const server = createTcpServer((client) => {
    const bytes: Buffer[] = [];
    streams.push(bytes);
    const upstream = connect(targetPort, '127.0.0.1');
    for (const socket of [client, upstream]) sockets.add(socket);
    client.on('data', (chunk) => bytes.push(chunk));
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    heads: () =>
      streams
        .flatMap((bytes) => Buffer.concat(bytes).toString('latin1').split('\r\n\r\n'))
        .filter((head) => head !== ''),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

export interface WireResponse {
  readonly status: number;
  readonly requestId: string;
  readonly body: string;
}

/** Sends exactly these headers: no default ones are added. */
export const sendWire = (port: number, { method, target, headers, body }: WireRequest): Promise<WireResponse> =>
  new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method,
        path: target,
        headers: headers.flat(),
        setDefaultHeaders: false,
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            requestId: String(response.headers['x-request-id']),
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body.length === 0 ? undefined : body);
  });

export const headerOf = ({ headers }: WireRequest, name: string): string | undefined =>
  headers.find(([each]) => each.toLowerCase() === name)?.[1];
