/** Attacks that need a real Envoy between the attacker and the authorizer: what is verified must be what is sent. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { connect as connectHttp2, createServer as createHttp2Server, type Http2Server } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { Redacted } from '../../src/lib/redacted.js';
import { dialectByName } from '../../src/signature/dialects.js';
import type { DialectName } from '../../src/signature/dialect.js';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { apiGroup, backendKey, grant, importedKey, toYaml, urlBackend } from '../support/resources/resources.js';

const KEY = { keyId: 'HWATTACKS00000000001', secret: 'attacks-secret-00000001' };

let backend: RecordingBackend;
let trailers: { server: Http2Server; seen: Record<string, unknown>[] };
let gateway: TestGateway;
beforeAll(async () => {
  // Echoes every request header as a response header, as a careless debug handler would.
  backend = await startBackend((request, response) => {
    for (const [name, value] of request.headers)
      if (/^(authorization|x-countersign-)/i.test(name)) response.setHeader(name, value);
    response.end('ok');
  });
  const server = createHttp2Server();
  trailers = { server, seen: [] };
  server.on('stream', (stream) => {
    stream.on('trailers', (fields) => trailers.seen.push(fields));
    stream.resume();
    stream.on('end', () => {
      stream.respond({ ':status': 200 });
      stream.end('ok');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const dialects = ['Huawei', 'JDCloud', 'Tencent'];
  const group = (name: string, spec: Record<string, unknown>) =>
    apiGroup(name, { verification: { dialects }, backend: urlBackend(backend.port), ...spec });
  gateway = await startGateway({
    flags: { service: [`shop/h2:80=127.0.0.1:${(server.address() as AddressInfo).port}`] },
    files: {
      'all.yaml': toYaml(
        ...importedKey('caller', KEY.keyId, KEY.secret),
        ...backendKey('basic', 'backend-user', 'backend-password-1', { type: 'Basic' }),
        group('streamed', { verification: { dialects, body: 'Streamed' } }),
        group('plain', {
          apis: [
            { name: 'create', match: { path: { type: 'Exact', value: '/item' }, methods: ['POST'] } },
            { name: 'remove', match: { path: { type: 'Exact', value: '/item' }, methods: ['DELETE'] } },
            { name: 'any', match: { path: { type: 'Prefix', value: '/any' } } },
          ],
        }),
        group('basic', {
          environments: [
            {
              name: 'release',
              default: true,
              match: { type: 'PathPrefix', value: 'release' },
              backendSignature: { type: 'Key', signatureKeyRef: { name: 'basic' } },
            },
          ],
        }),
        group('trailers', {
          access: { authentication: 'None' },
          backend: { type: 'Service', service: { name: 'h2', port: 80 } },
        }),
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'h2', namespace: 'shop' },
          spec: { ports: [{ port: 80, appProtocol: 'kubernetes.io/h2c' }] },
        },
        grant('streamed', ['caller'], 'streamed'),
        grant('plain', ['caller'], 'plain'),
        grant('basic', ['caller'], 'basic'),
      ),
    },
  });
}, 120_000);
afterAll(async () => {
  await gateway?.close();
  await backend?.close();
  trailers?.server.close();
});

const host = () => `127.0.0.1:${gateway.httpPort}`;
function signedHeaders(dialect: DialectName, method: string, target: string, signHeaders: [string, string][] = []) {
  return dialectByName(dialect).sign(
    { method, target, host: host(), signHeaders, contentType: undefined, body: Buffer.alloc(0) },
    { keyId: KEY.keyId, secret: new Redacted(KEY.secret) },
    { nowMs: Date.now(), nonce: randomUUID() },
  );
}

/** Bytes on a socket, the status line back. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(gateway.httpPort, '127.0.0.1', () => socket.write(text, 'latin1'));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('close', () => resolve(answer.split('\r\n', 1)[0] ?? ''));
    socket.on('error', reject);
  });
}
const http1 = (method: string, target: string, headers: readonly (readonly [string, string])[], body = '') =>
  raw(
    `${method} ${target} HTTP/1.1\r\nHost: ${host()}\r\nConnection: close\r\n` +
      `${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
  );

function http2(path: string, headers: readonly (readonly [string, string])[], trailing?: Record<string, string>) {
  return new Promise<number>((resolve, reject) => {
    const session = connectHttp2(`http://${host()}`);
    session.on('error', reject);
    const stream = session.request(
      { ':method': trailing ? 'POST' : 'GET', ':path': path, ...Object.fromEntries(headers) },
      { endStream: !trailing, waitForTrailers: trailing !== undefined },
    );
    let status = 0;
    stream.on('response', (head) => (status = Number(head[':status'])));
    stream.on('error', reject);
    stream.on('wantTrailers', () => stream.sendTrailers(trailing ?? {}));
    stream.on('end', () => {
      session.close();
      resolve(status);
    });
    stream.resume();
    if (trailing) stream.end('body');
  });
}

describe('a captured request without a body', () => {
  test.each(['Huawei', 'JDCloud'] as const)('cannot be given one on a streamed route (%s)', async (dialect) => {
    const chunked = [['Transfer-Encoding', 'chunked'] as const];
    const reached = backend.requests.length;
    const headers = [...signedHeaders(dialect, 'POST', '/streamed/x'), ...chunked];
    expect(await http1('POST', '/streamed/x', headers, '4\r\nevil\r\n0\r\n\r\n')).toContain(' 401 ');
    expect(backend.requests).toHaveLength(reached);
    const proven = [...signedHeaders(dialect, 'POST', '/streamed/x'), ['Content-Length', '0'] as const];
    expect(await http1('POST', '/streamed/x', proven)).toContain(' 200 ');
  });
});

describe('bytes that are no text', () => {
  test.each(['/plain/any?q=\u00e9', '/plain/any/pa\u00e9th', '/plain/any?\u00e9=1', '/plain/any?q=\u00c3\u00a9'])(
    'in the target are refused over HTTP/2: %s',
    async (target) => {
      const reached = backend.requests.length;
      const seen = target.replace(/[^\x21-\x7e]/g, '!');
      expect(await http2(target, signedHeaders('Huawei', 'GET', seen)).catch(() => 400)).toBe(400);
      expect(backend.requests).toHaveLength(reached);
    },
  );
});

describe('a backend that echoes what it received', () => {
  test('does not hand our credential for it, or what we say of the caller, to the caller', async () => {
    const answer = await fetch(`http://${host()}/basic/x`, {
      headers: signedHeaders('Huawei', 'GET', '/basic/x').map(([name, value]) => [name, value] as [string, string]),
    });
    expect(answer.status).toBe(200);
    expect(backend.last?.header('authorization')).toMatch(/^Basic /);
    expect([...answer.headers.keys()].filter((name) => /^(authorization|x-countersign-)/.test(name))).toEqual([]);
  });
});

describe('another method in a header', () => {
  test('is refused where a backend would read it through an underscore', async () => {
    const headers = [...signedHeaders('Huawei', 'POST', '/plain/item'), ['x_http_method_override', 'DELETE'] as const];
    expect(await http1('POST', '/plain/item', headers)).toContain(' 400 ');
  });
  test('stays only if it is signed and the API offers it', async () => {
    const override = async (target: string, signed: boolean) => {
      const field: [string, string] = ['x-http-method-override', 'DELETE'];
      const headers = signedHeaders('Huawei', 'POST', target, signed ? [field] : []);
      expect(await http1('POST', target, [...headers, field])).toContain(' 200 ');
      return backend.last?.header('x-http-method-override');
    };
    expect(await override('/plain/item', true)).toBeUndefined();
    expect(await override('/plain/any', false)).toBeUndefined();
    expect(await override('/plain/any', true)).toBe('DELETE');
  });
});

describe('request trailers', () => {
  test('never reach a backend', async () => {
    expect(await http2('/trailers/x', [], { 'x-countersign-key-id': 'admin', authorization: 'x', other: '1' })).toBe(
      200,
    );
    expect(trailers.seen.flatMap((fields) => Object.keys(fields))).toEqual([]);
  });
});
