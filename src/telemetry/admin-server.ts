/**
 * The admin address: health, metrics, status. Read-only and without secrets, still bound to loopback by
 * default because names of keys, groups and backends are in it.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AppError } from '../lib/errors.js';
import { hostPort } from '../lib/host-port.js';
import type { Health } from './health.js';
import type { Metrics } from './metrics.js';

export interface AdminServerOptions {
  readonly address: string;
  /** 0 = any free one. */
  readonly port: number;
  readonly health: Health;
  readonly metrics: Pick<Metrics, 'render' | 'contentType'>;
  /** Everything `/status` shows; must be redacted already. */
  readonly status: () => unknown;
  readonly version: Readonly<Record<string, string>>;
}

export interface AdminServer {
  /** Answers the base URL. @throws AppError `ERR_ADDRESS_IN_USE`. */
  start(): Promise<string>;
  close(): Promise<void>;
}

interface Page {
  readonly about: string;
  readonly render: () => Answer | Promise<Answer>;
}
interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
}

/** A page of ten thousands of objects takes a while to make; whoever asks again at once gets the same. */
const STATUS_AGE_MS = 1000;
const CACHED_LENGTH = 256 * 1024;

const json = (value: unknown): Answer => ({ type: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` });

export function createAdminServer({
  address,
  port,
  health,
  metrics,
  status,
  version,
}: AdminServerOptions): AdminServer {
  let kept: Answer | undefined;
  function statusPage(): Answer {
    if (kept) return kept;
    const answer = json(status());
    // Small pages are made anew each time: that costs less than to explain an old one.
    if (answer.body.length < CACHED_LENGTH) return answer;
    setTimeout(() => (kept = undefined), STATUS_AGE_MS).unref();
    return (kept = answer);
  }
  const pages: Record<string, Page> = {
    '/': {
      about: 'this list',
      render: () => ({
        body: `${Object.entries(pages)
          .map(([path, page]) => `${path.padEnd(10)}${page.about}`)
          .join('\n')}\n`,
      }),
    },
    '/livez': { about: '200 while the process turns', render: () => ({ body: 'ok\n' }) },
    '/readyz': {
      about: '200 when requests are served as configured; else 503 and what is missing',
      render: () => (health.ready ? { body: 'ok\n' } : { status: 503, body: `${health.missing().join('\n')}\n` }),
    },
    '/metrics': {
      about: 'Prometheus text format',
      render: async () => ({ type: metrics.contentType, body: await metrics.render() }),
    },
    '/status': { about: 'conditions and problems of every resource, as JSON', render: statusPage },
    '/version': { about: 'versions, as JSON', render: () => json(version) },
  };
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    const send = ({ status: code = 200, type = 'text/plain; charset=utf-8', body }: Answer): void => {
      response.writeHead(code, {
        'content-type': type,
        'content-length': Buffer.byteLength(body),
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    request.resume();
    if (!page) return send({ status: 404, body: `Not found. The pages are: ${Object.keys(pages).join(' ')}\n` });
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return send({ status: 405, body: 'Only GET and HEAD.\n' });
    void (async () => page.render())().then(send, () => send({ status: 500, body: 'The page could not be made.\n' }));
  });
  return {
    async start() {
      await listen(server, address, port);
      const bound = server.address() as AddressInfo;
      return `http://${hostPort(bound.address, bound.port)}`;
    },
    async close() {
      if (!server.listening) return;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE' ? `port ${String(port)} on ${address} is in use by another program` : error.message;
      reject(
        new AppError(
          'ERR_ADDRESS_IN_USE',
          error.code === 'EADDRNOTAVAIL'
            ? `the admin address cannot be opened: ${address} is no address of this machine; choose another with --admin-address`
            : `the admin address cannot be opened: ${why}; choose another with --admin-port`,
          { cause: error },
        ),
      );
    });
    server.listen(port, address, resolve);
  });
}
