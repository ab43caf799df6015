/**
 * The calls to the API server that we need, over node:https: responses are bounded in time, watches are read line
 * by line, and every failure is a `KubeApiError` that says what a caller can do about it.
 */
import { Agent, type RequestOptions, request as httpsRequest } from 'node:https';
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { AppError, errorMessage } from '../../lib/errors.js';
import { readLines } from '../../lib/read-lines.js';
import { type KubeCredentials, type KubeLocation, loadCredentials } from './kube-credentials.js';
import { collectionPath, POD, type ResourceType, SECRET } from './resource-types.js';

/** An object as the server sent it: untrusted until checked. */
export type RawObject = Readonly<Record<string, unknown>>;

export interface ListPage {
  readonly items: readonly RawObject[];
  readonly resourceVersion: string;
  /** Token of the next page; `undefined` on the last one. */
  readonly continueToken: string | undefined;
}

export interface ListOptions {
  readonly namespace?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly limit?: number;
  readonly continueToken?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WatchOptions {
  readonly namespace?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Watches one cluster-scoped object by name, which a Role in the namespace of that name may permit. */
  readonly name?: string | undefined;
  /** Absent: from now, beginning with an ADDED event for each object that exists. */
  readonly resourceVersion?: string | undefined;
  /** After which the server ends the watch. */
  readonly timeoutSeconds: number;
  /** Without a byte for this long the connection is given up. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'; readonly object: RawObject }
  /** A line that is no event. */
  | { readonly type: 'MALFORMED' };

export interface ObjectPath {
  readonly type: ResourceType;
  readonly namespace?: string | undefined;
  readonly name: string;
}

export type PatchType = 'Merge' | 'Apply';

export interface PatchOptions {
  readonly subresource?: 'status';
  readonly patchType: PatchType;
  /** Required by the server for Apply. */
  readonly fieldManager?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface KubeApi {
  list(type: ResourceType, options?: ListOptions): Promise<ListPage>;
  /** Ends when the server ends the watch; throws KubeApiError when the connection or the request fails. */
  watch(type: ResourceType, options: WatchOptions): AsyncIterable<WatchEvent>;
  get(path: ObjectPath, signal?: AbortSignal): Promise<RawObject>;
  create(type: ResourceType, object: RawObject, signal?: AbortSignal): Promise<RawObject>;
  /** PUT: `object.metadata.resourceVersion` is the precondition. */
  replace(type: ResourceType, object: RawObject, signal?: AbortSignal): Promise<RawObject>;
  patch(path: ObjectPath, body: RawObject, options: PatchOptions): Promise<RawObject>;
  /** The type of a Secret without its data; `undefined` when there is no such Secret. */
  secretType(namespace: string, name: string): Promise<string | undefined>;
  /** GET of a JSON page that a pod serves, through the API server. */
  podPage(pod: PodPage, signal?: AbortSignal): Promise<RawObject>;
  /** Of the service account or the kubeconfig's context. */
  readonly namespace: string | undefined;
  close(): void;
}

export interface PodPage {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
  /** Without the leading slash. */
  readonly page: string;
}

/** The server refused, or could not be asked. */
export class KubeApiError extends AppError {
  /** HTTP status; `undefined` when there was no answer. */
  readonly status: number | undefined;
  /** `reason` of the Status object: `Conflict`, `AlreadyExists`, `Expired`, … */
  readonly reason: string | undefined;
  /** `Retry-After`. */
  readonly retryAfterMs: number | undefined;
  /** The connection was open and nothing came. */
  readonly silent: boolean;

  constructor(
    message: string,
    details: {
      readonly status?: number;
      readonly reason?: string | undefined;
      readonly retryAfterMs?: number | undefined;
    } = {},
    options?: ErrorOptions,
  ) {
    super('ERR_KUBE_API', message, options);
    this.name = 'KubeApiError';
    this.status = details.status;
    this.reason = details.reason;
    this.retryAfterMs = details.retryAfterMs;
    this.silent = options?.cause instanceof SilenceError;
  }
}

class SilenceError extends Error {}

export interface ConnectedKubeApi extends KubeApi {
  /** `https://host:port`, perhaps with a path. */
  readonly server: string;
  /** Breaks every connection; what was on its way fails, watches go on over new ones. */
  resetConnections(): void;
}

export const hasStatus = (error: unknown, status: number): error is KubeApiError =>
  error instanceof KubeApiError && error.status === status;

/** Lists of large groups take a while; nothing of ours takes longer. */
const REQUEST_TIMEOUT_MS = 30_000;
/** A Status object is small; more than this is not one. */
const MAX_ERROR_BYTES = 64 * 1024;
/** The limit of the server's store is 1.5 MiB an object; an event holds one. */
const MAX_EVENT_BYTES = 8 * 1024 * 1024;

const CONTENT_TYPES: Record<PatchType, string> = {
  Merge: 'application/merge-patch+json',
  // JSON is YAML.
  Apply: 'application/apply-patch+yaml',
};

export interface KubeApiOptions extends KubeLocation {
  /** For the server's audit log. */
  readonly userAgent?: string;
}

/** @throws AppError when the kubeconfig or the service account cannot be used. The server is not asked. */
export async function createKubeApi({
  userAgent = 'countersign',
  ...location
}: KubeApiOptions): Promise<ConnectedKubeApi> {
  return new HttpKubeApi(await loadCredentials(location), userAgent);
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: RawObject | undefined;
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
}

class HttpKubeApi implements ConnectedKubeApi {
  readonly #credentials: KubeCredentials;
  readonly #userAgent: string;
  readonly #tlsAgent = new Agent({ keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 32 });
  readonly #plainAgent = new HttpAgent({ keepAlive: true });

  constructor(credentials: KubeCredentials, userAgent: string) {
    this.#credentials = credentials;
    this.#userAgent = userAgent;
  }

  get namespace(): string | undefined {
    return this.#credentials.namespace;
  }

  get server(): string {
    return this.#credentials.server;
  }

  async list(type: ResourceType, options: ListOptions = {}): Promise<ListPage> {
    const { namespace, fieldSelector, limit, continueToken: token, signal } = options;
    const query = { fieldSelector, limit: limit === undefined ? undefined : String(limit), continue: token };
    const page = await this.#json({ method: 'GET', path: collectionPath(type, namespace), query, signal });
    const metadata = (page['metadata'] ?? {}) as { resourceVersion?: string; continue?: string };
    if (!Array.isArray(page['items']) || typeof metadata.resourceVersion !== 'string')
      throw new KubeApiError(`the list of ${type.plural} is no list`);
    return {
      items: page['items'] as RawObject[],
      resourceVersion: metadata.resourceVersion,
      continueToken: metadata.continue === '' ? undefined : metadata.continue,
    };
  }

  async *watch(type: ResourceType, options: WatchOptions): AsyncGenerator<WatchEvent, void, undefined> {
    const { namespace, name, fieldSelector, resourceVersion, timeoutSeconds, silenceMs, signal } = options;
    const collection = collectionPath(type, namespace);
    // The older form of the path carries the name, so that the server judges it by the Roles of that namespace.
    const path =
      name === undefined ? collection : `${collection.replace('/v1/', '/v1/watch/')}/${encodeURIComponent(name)}`;
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      fieldSelector,
      resourceVersion,
      timeoutSeconds: String(timeoutSeconds),
    };
    const response = await this.#open({ method: 'GET', path, query, signal }, silenceMs);
    try {
      // What follows the last line break of a connection that ends is the torso of an event.
      for await (const line of readLines(response, { maxBytes: MAX_EVENT_BYTES, unfinished: 'drop' }))
        yield parseEvent(line);
    } catch (error) {
      if (error instanceof KubeApiError) throw error;
      throw new KubeApiError(`the watch of ${type.plural} broke: ${errorMessage(error)}`, {}, { cause: error });
    } finally {
      response.destroy();
    }
  }

  get({ type, namespace, name }: ObjectPath, signal?: AbortSignal): Promise<RawObject> {
    return this.#json({ method: 'GET', path: objectPath(type, namespace, name), signal });
  }

  create(type: ResourceType, object: RawObject, signal?: AbortSignal): Promise<RawObject> {
    return this.#json({ method: 'POST', path: collectionPath(type, namespaceOf(object)), body: object, signal });
  }

  replace(type: ResourceType, object: RawObject, signal?: AbortSignal): Promise<RawObject> {
    const { name } = object['metadata'] as { name: string };
    return this.#json({ method: 'PUT', path: objectPath(type, namespaceOf(object), name), body: object, signal });
  }

  patch({ type, namespace, name }: ObjectPath, body: RawObject, options: PatchOptions): Promise<RawObject> {
    const { subresource, patchType, fieldManager, signal } = options;
    return this.#json({
      method: 'PATCH',
      path: objectPath(type, namespace, name) + (subresource === undefined ? '' : `/${subresource}`),
      // We own our status whatever another writer says.
      query: { fieldManager, force: patchType === 'Apply' ? 'true' : undefined },
      body,
      contentType: CONTENT_TYPES[patchType],
      signal,
    });
  }

  async secretType(namespace: string, name: string): Promise<string | undefined> {
    // The columns that kubectl prints hold the type and the number of data, not the data.
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    try {
      const table = await this.#json({
        method: 'GET',
        path: objectPath(SECRET, namespace, name),
        query: { includeObject: 'None' },
        accept,
      });
      const { columnDefinitions: columns = [], rows = [] } = table as {
        columnDefinitions?: { name: string }[];
        rows?: { cells: unknown[] }[];
      };
      const type = rows[0]?.cells[columns.findIndex((column) => column.name === 'Type')];
      return typeof type === 'string' ? type : undefined;
    } catch (error) {
      if (hasStatus(error, 404)) return undefined;
      throw error;
    }
  }

  podPage({ namespace, pod, port, page }: PodPage, signal?: AbortSignal): Promise<RawObject> {
    const path = `${collectionPath(POD, namespace)}/${encodeURIComponent(pod)}:${String(port)}/proxy/${page}`;
    return this.#json({ method: 'GET', path, signal });
  }

  resetConnections(): void {
    this.close();
  }

  close(): void {
    this.#tlsAgent.destroy();
    this.#plainAgent.destroy();
  }

  async #json(call: Call): Promise<RawObject> {
    const signal = AbortSignal.any([AbortSignal.timeout(REQUEST_TIMEOUT_MS), ...(call.signal ? [call.signal] : [])]);
    const response = await this.#open({ ...call, signal }, REQUEST_TIMEOUT_MS);
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      if (typeof value !== 'object' || value === null) throw new Error('not an object');
      return value as RawObject;
    } catch (error) {
      throw new KubeApiError(
        `${call.method} ${call.path}: the answer broke: ${errorMessage(error)}`,
        {},
        { cause: error },
      );
    }
  }

  /** Resolves with a successful response whose body is still to be read. */
  async #open(call: Call, silenceMs: number): Promise<IncomingMessage> {
    const { method, path, signal } = call;
    let response: IncomingMessage;
    try {
      response = await this.#send(call, silenceMs);
    } catch (error) {
      throw new KubeApiError(`${method} ${path}: ${errorMessage(error)}`, {}, { cause: error });
    }
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    if (status === 401) this.#credentials.rejectToken();
    const said = await readStatus(response).catch(() => undefined);
    signal?.throwIfAborted();
    throw new KubeApiError(`${method} ${path}: ${String(status)} ${said?.message ?? response.statusMessage ?? ''}`, {
      status,
      reason: said?.reason,
      retryAfterMs: retryAfterMs(response.headers['retry-after']),
    });
  }

  async #send(call: Call, silenceMs: number): Promise<IncomingMessage> {
    const { method, path, query = {}, body, contentType, accept = 'application/json', signal } = call;
    const options: RequestOptions = await this.#credentials.requestOptions();
    signal?.throwIfAborted();
    const url = new URL(this.#credentials.server + path);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const secure = url.protocol === 'https:';
    return new Promise((done, fail) => {
      let received: IncomingMessage | undefined;
      const sent = (secure ? httpsRequest : httpRequest)(
        url,
        {
          ...options,
          agent: options.agent ?? (secure ? this.#tlsAgent : this.#plainAgent),
          method,
          headers: {
            ...(options.headers as Record<string, string>),
            accept,
            'user-agent': this.#userAgent,
            ...(text === undefined
              ? {}
              : { 'content-type': contentType ?? 'application/json', 'content-length': Buffer.byteLength(text) }),
          },
          ...(signal && { signal }),
        },
        (response) => {
          received = response;
          done(response);
        },
      );
      sent.setTimeout(silenceMs, () => {
        const silence = new SilenceError(`nothing was heard for ${String(silenceMs / 1000)} s`);
        // A destroyed request would end its response with an error of its own, which says less.
        if (received) received.destroy(silence);
        else sent.destroy(silence);
      });
      sent.on('error', fail);
      sent.end(text);
    });
  }
}

const objectPath = (type: ResourceType, namespace: string | undefined, name: string): string =>
  `${collectionPath(type, namespace)}/${encodeURIComponent(name)}`;

const namespaceOf = (object: RawObject): string | undefined =>
  (object['metadata'] as { namespace?: string } | undefined)?.namespace;

/** Seconds, as API servers send it; dates are not understood and count as none. */
function retryAfterMs(header: string | undefined): number | undefined {
  const seconds = Number(header);
  return header !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

async function readStatus(response: IncomingMessage): Promise<{ reason?: string; message?: string }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += (chunk as Buffer).length;
    if (size > MAX_ERROR_BYTES) break;
    chunks.push(chunk as Buffer);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as { reason?: string; message?: string };
}

const EVENT_TYPES = new Set<unknown>(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']);

function parseEvent(line: string): WatchEvent {
  try {
    const event = JSON.parse(line) as WatchEvent & { object?: unknown };
    if (EVENT_TYPES.has(event.type) && typeof event.object === 'object' && event.object !== null) return event;
  } catch {
    // Told apart from an event by the caller.
  }
  return { type: 'MALFORMED' };
}
