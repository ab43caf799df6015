/**
 * Where the API server is and who we are: a kubeconfig, or the service account of the pod. The heavy client library
 * is loaded here, by dynamic import, and only for this; its watch and its token cache do not do what we need
 * (watches without bookmarks, parse errors skipped, a rotated token noticed after a minute).
 */
import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { AppError, errorMessage } from '../../lib/errors.js';

export interface KubeLocation {
  /** Path of a kubeconfig; absent = the service account mounted into this pod. */
  readonly kubeconfig?: string;
  /** Context of the kubeconfig; default its current one. */
  readonly context?: string;
}

export interface KubeCredentials {
  /** `https://host:port`, perhaps with a path. */
  readonly server: string;
  /** Of the service account or of the context. */
  readonly namespace: string | undefined;
  /** TLS options and headers of a request that is made now. */
  requestOptions(): Promise<RequestOptions>;
  /** The server refused the token: the next request reads its file again. */
  rejectToken(): void;
}

/** The kubelet replaces a token at 80 % of its life, so a token this old is still good. */
const TOKEN_AGE_MS = 10_000;

/** @throws AppError when there is no usable kubeconfig or service account. */
export async function loadCredentials({ kubeconfig, context }: KubeLocation): Promise<KubeCredentials> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  let tokenFile: string | undefined;
  try {
    if (kubeconfig === undefined) config.loadFromCluster();
    else config.loadFromFile(kubeconfig);
    if (context !== undefined) {
      const known = config.getContexts().map(({ name }) => name);
      if (!known.includes(context))
        throw new Error(`there is no context ${context}${known.length === 0 ? '' : `; it has ${known.join(', ')}`}`);
      config.setCurrentContext(context);
    }
    tokenFile =
      kubeconfig === undefined
        ? clusterTokenFile(config.getCurrentUser())
        : await kubeconfigTokenFile(kubeconfig, config.getCurrentUser()?.name);
  } catch (error) {
    throw new AppError('ERR_KUBECONFIG', `${kubeconfig ?? 'the service account of this pod'}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
  const cluster = config.getCurrentCluster();
  if (!cluster || cluster.server.includes('//undefined'))
    throw new AppError(
      'ERR_KUBECONFIG',
      kubeconfig === undefined
        ? 'not in a pod, and no kubeconfig is given'
        : `${kubeconfig}: the current context names no cluster`,
    );
  const token = tokenFile === undefined ? undefined : createTokenFile(tokenFile);
  // Ours replaces it; the library would serve an old token for up to a minute after a rotation.
  if (token) config.users = config.users.map(({ authProvider: _ours, token: _read, ...user }) => user);
  return {
    server: cluster.server.replace(/\/+$/, ''),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    async requestOptions() {
      const options: RequestOptions = {};
      await config.applyToHTTPSOptions(options);
      // The library's agent is needed for proxies only; it makes a new connection for each request.
      if (cluster.proxyUrl === undefined || cluster.proxyUrl === '') delete options.agent;
      if (token) options.headers = { ...(options.headers as object), Authorization: `Bearer ${await token.read()}` };
      return options;
    },
    rejectToken: () => token?.forget(),
  };
}

function clusterTokenFile(user: { readonly authProvider?: unknown } | null): string | undefined {
  const provider = user?.authProvider as { config?: { tokenFile?: string } } | undefined;
  return provider?.config?.tokenFile;
}

/** The library reads `tokenFile` of a kubeconfig once, so its path is taken from the text. */
async function kubeconfigTokenFile(kubeconfig: string, userName: string | undefined): Promise<string | undefined> {
  const text = parse(await readFile(kubeconfig, 'utf8')) as {
    users?: { name?: string; user?: { tokenFile?: string } }[];
  };
  const file = text.users?.find(({ name }) => name === userName)?.user?.tokenFile;
  return file === undefined ? undefined : resolve(dirname(kubeconfig), file);
}

function createTokenFile(path: string): { read(): Promise<string>; forget(): void } {
  let token: string | undefined;
  let readAtMs = 0;
  return {
    async read() {
      const nowMs = performance.now();
      if (token === undefined || nowMs - readAtMs > TOKEN_AGE_MS) {
        try {
          token = (await readFile(path, 'utf8')).trim();
          readAtMs = nowMs;
        } catch (error) {
          // A file that is being replaced; what we have may still be good.
          if (token === undefined) throw error;
        }
      }
      return token;
    },
    forget() {
      readAtMs = Number.NEGATIVE_INFINITY;
    },
  };
}
