/** A real kube-apiserver with its etcd: objects, CRDs with CEL, RBAC, watch, but no controllers and no nodes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../eventually.js';
import { findProgram } from '../find-program.js';
import { freePort } from '../ports.js';

export interface KubeResponse {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export interface KubeApiServer {
  readonly url: string;
  /** Of a user in system:masters. */
  readonly token: string;
  /** PEM of the certificate that the server shows. */
  readonly certificate: string;
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<KubeResponse>;
  readonly port: number;
  /** Kills the API server without notice; etcd stays. */
  stopApiServer(): Promise<void>;
  /** Starts it again on the same port, with the same certificate and data; ready when this resolves. */
  startApiServer(): Promise<void>;
  /** Makes etcd forget every version but the last. */
  compact(): Promise<void>;
  /** Ends both processes and removes their data. */
  stop(): Promise<void>;
}

export interface KubeBinaries {
  readonly etcd: string;
  readonly apiServer: string;
}

/** The binaries, or one line that says what is missing. */
export function findKubeBinaries(): KubeBinaries | string {
  const [etcd, apiServer] = [findProgram('etcd'), findProgram('kube-apiserver')];
  if (etcd && apiServer) return { etcd, apiServer };
  const missing = [...(etcd ? [] : ['etcd']), ...(apiServer ? [] : ['kube-apiserver'])].join(' and ');
  return `${missing} found neither in KUBEBUILDER_ASSETS nor on PATH (setup-envtest installs both)`;
}

export interface KubeApiServerOptions {
  /** Users without rights of their own, by token. */
  readonly users?: Readonly<Record<string, string>>;
  /** Further flags of kube-apiserver. */
  readonly flags?: readonly string[];
}

/** Starts etcd and the API server on free ports; ready when this resolves. */
export async function startKubeApiServer(
  { etcd, apiServer }: KubeBinaries,
  { users = {}, flags = [] }: KubeApiServerOptions = {},
): Promise<KubeApiServer> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-kube-'));
  const token = 'test-token';
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keyFile = join(folder, 'service-accounts.key');
  await writeFile(keyFile, privateKey.export({ type: 'pkcs1', format: 'pem' }));
  const tokens = [
    `${token},test,1,"system:masters"`,
    ...Object.entries(users).map(([each, user]) => `${each},${user},${user}`),
  ];
  await writeFile(join(folder, 'tokens.csv'), `${tokens.join('\n')}\n`);

  const [client, peer, port] = [await freePort(), await freePort(), await freePort()];
  const store = `http://127.0.0.1:${client}`;
  const peers = `http://127.0.0.1:${peer}`;
  const processes: ChildProcess[] = [];
  let output = '';
  const start = (executable: string, args: readonly string[]) => {
    const child = spawn(executable, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000));
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    processes.push(child);
    return child;
  };
  start(etcd, [
    ...['--data-dir', join(folder, 'etcd'), '--unsafe-no-fsync'],
    ...['--listen-client-urls', store, '--advertise-client-urls', store],
    ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers, '--initial-cluster', `default=${peers}`],
  ]);
  const apiServerFlags = [
    ...['--etcd-servers', store, '--cert-dir', join(folder, 'certificates')],
    ...['--bind-address', '127.0.0.1', '--secure-port', String(port), '--service-cluster-ip-range', '10.0.0.0/24'],
    ...['--service-account-issuer', 'https://127.0.0.1', '--service-account-key-file', keyFile],
    ...['--service-account-signing-key-file', keyFile, '--token-auth-file', join(folder, 'tokens.csv')],
    ...['--authorization-mode', 'RBAC', '--disable-admission-plugins', 'ServiceAccount'],
    ...flags,
  ];
  let running = start(apiServer, apiServerFlags);

  const end = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  const stop = async () => {
    for (const child of processes.reverse()) await end(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const certificate = await eventually(() => readFile(join(folder, 'certificates/apiserver.crt'), 'utf8'), {
      withinMs: 30_000,
    });
    const server: KubeApiServer = {
      url: `https://127.0.0.1:${port}`,
      token,
      certificate,
      request: (method, path, body, contentType = 'application/json') =>
        send({ method, port, path, token, certificate, contentType }, body),
      port,
      stopApiServer: () => end(running),
      async startApiServer() {
        running = start(apiServer, apiServerFlags);
        await ready();
      },
      async compact() {
        const ask = async (path: string, body: unknown): Promise<{ header?: { revision: string } }> => {
          const response = await fetch(`${store}${path}`, { method: 'POST', body: JSON.stringify(body) });
          return (await response.json()) as { header?: { revision: string } };
        };
        const { header } = await ask('/v3/kv/range', { key: Buffer.from('/').toString('base64') });
        await ask('/v3/kv/compaction', { revision: header?.revision, physical: true });
      },
      stop,
    };
    const ready = () =>
      eventually(
        async () => {
          if ((await server.request('GET', '/readyz')).status !== 200)
            throw new Error(`kube-apiserver is not ready: ${output}`);
        },
        { withinMs: 60_000, everyMs: 100 },
      );
    await ready();
    return server;
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Call {
  readonly method: string;
  readonly port: number;
  readonly path: string;
  readonly token: string;
  readonly certificate: string;
  readonly contentType: string;
}

async function send(
  { method, port, path, token, certificate, contentType }: Call,
  body: unknown,
): Promise<KubeResponse> {
  return new Promise((resolve, reject) => {
    const call = httpsRequest(
      {
        ...{ method, port, path, host: '127.0.0.1', ca: certificate },
        headers: { authorization: `Bearer ${token}`, accept: 'application/json', 'content-type': contentType },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const json = response.headers['content-type']?.includes('json') ?? false;
          resolve({
            status: response.statusCode ?? 0,
            body: json ? (JSON.parse(text) as Record<string, unknown>) : { text },
          });
        });
      },
    );
    call.on('error', reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
