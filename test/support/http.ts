/** Sends requests exactly as given over HTTP/1.1 or HTTP/2 (fetch would drop Date and Host and tidy paths). */
import { connect, type ClientHttp2Session } from 'node:http2';
import { request as httpRequest } from 'node:http';

export interface PlainRequest {
  readonly method: string;
  /** Path and query, sent byte for byte. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  /** Own address to connect from; HTTP/1.1 only. */
  readonly from?: string;
}

export interface PlainResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export type Send = (port: number, request: PlainRequest) => Promise<PlainResponse>;

export const sendHttp1: Send = (port, { method, target, headers = {}, body, from }) =>
  new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const outgoing = httpRequest(
      {
        ...{ host: '127.0.0.1', port, method, path: target, headers: { ...headers, ...length } },
        ...(from === undefined ? {} : { localAddress: from }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });

function exchange(session: ClientHttp2Session, request: PlainRequest): Promise<PlainResponse> {
  const { method, target, headers = {}, body } = request;
  const { Host: authority, ...rest } = headers;
  return new Promise((resolve, reject) => {
    const stream = session.request(
      {
        ':method': method,
        ':path': target,
        ...(authority === undefined ? {} : { ':authority': authority }),
        ...Object.fromEntries(Object.entries(rest).map(([name, value]) => [name.toLowerCase(), value])),
      },
      { endStream: body === undefined },
    );
    let head: Record<string, string | string[] | undefined> = {};
    const chunks: Buffer[] = [];
    stream.on('response', (received) => (head = received as typeof head));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () =>
      resolve({ status: Number(head[':status']), headers: head, body: Buffer.concat(chunks).toString() }),
    );
    if (body !== undefined) stream.end(body);
  });
}

export const sendHttp2: Send = async (port, request) => {
  const session = connect(`http://127.0.0.1:${port}`);
  const failed = new Promise<never>((_, reject) => session.on('error', reject));
  try {
    return await Promise.race([exchange(session, request), failed]);
  } finally {
    session.destroy();
  }
};

/** Many requests on one HTTP/2 connection, opened anew only when the other side asks for that. */
export function keepHttp2(): { readonly send: Send; close(): void } {
  let session: ClientHttp2Session | undefined;
  return {
    send(port, request) {
      if (!session || session.closed || session.destroyed) {
        session = connect(`http://127.0.0.1:${port}`);
        session.on('error', () => undefined); // each of its requests tells
      }
      return exchange(session, request);
    },
    close: () => session?.destroy(),
  };
}

export const PROTOCOLS: readonly (readonly [name: string, send: Send])[] = [
  ['HTTP/1.1', sendHttp1],
  ['HTTP/2', sendHttp2],
];
