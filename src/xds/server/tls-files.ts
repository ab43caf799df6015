/**
 * mTLS from three files that are read again when they change: certificate, key and the authority of the other side.
 * A pair that does not fit, as between the two writes of a renewal, is not taken; the last good one stays.
 */
import { credentials, experimental, type ChannelCredentials, type ServerCredentials } from '@grpc/grpc-js';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { checkServerIdentity } from 'node:tls';
import { AppError, errorMessage } from '../../lib/errors.js';

export interface TlsFilesOptions {
  /** PEM: own certificate chain, its key, authorities that the peer's certificate must come from. */
  readonly certificatePath: string;
  readonly privateKeyPath: string;
  readonly caPath: string;
  /** A renewal was taken (`undefined`), or could not be. */
  readonly onReload?: (error: string | undefined) => void;
  readonly checkEveryMs?: number;
}

export interface TlsFiles {
  /** For a server: every client must show a certificate of the authority. */
  serverCredentials(): ServerCredentials;
  /** For a client: the server's certificate must be of the authority and for `serverName`. */
  channelCredentials(serverName: string): ChannelCredentials;
  /** PEM as it is now, for a server of another library. */
  readonly files: TlsMaterial;
  /** Called after each renewal that was taken; answers how to end that. */
  onRenewal(listener: () => void): () => void;
  /** Rises with each renewal that was taken: connections made before used an older one. */
  readonly renewals: number;
  close(): void;
}

export interface TlsMaterial {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
  readonly caCertificate: Buffer;
}

/** Kubernetes swaps mounted Secrets by a link, which file events miss; three small reads cost nothing. */
const CHECK_EVERY_MS = 2000;

/** Reads the files once. @throws AppError when one is missing or they do not fit. */
export async function openTlsFiles(options: TlsFilesOptions): Promise<TlsFiles> {
  const { onReload, checkEveryMs = CHECK_EVERY_MS } = options;
  const identityListeners = new Set<experimental.IdentityCertificateUpdateListener>();
  const caListeners = new Set<experimental.CaCertificateUpdateListener>();
  const renewalListeners = new Set<() => void>();
  let renewals = 0;
  let lastError: string | undefined;
  let files: TlsMaterial;
  try {
    files = await readFiles(options);
  } catch (error) {
    throw new AppError('ERR_TLS', errorMessage(error), { cause: error });
  }

  async function check(): Promise<void> {
    let next: TlsMaterial;
    try {
      next = await readFiles(options);
    } catch (error) {
      const message = errorMessage(error);
      if (message !== lastError) onReload?.(message);
      lastError = message;
      return;
    }
    lastError = undefined;
    if ((Object.keys(next) as (keyof TlsMaterial)[]).every((name) => next[name].equals(files[name]))) return;
    files = next;
    renewals += 1;
    for (const listener of caListeners) listener(files);
    for (const listener of identityListeners) listener(files);
    for (const listener of renewalListeners) listener();
    onReload?.(undefined);
  }

  let checking: Promise<void> | undefined;
  const timer = setInterval(() => {
    checking ??= check().finally(() => (checking = undefined));
  }, checkEveryMs);
  timer.unref();

  // Listeners are told after they are all set up: the server misses what comes earlier.
  // One object for both parts, so that a server never mixes an old certificate with a new authority.
  const provider: experimental.CertificateProvider = {
    addCaCertificateListener(listener) {
      caListeners.add(listener);
      queueMicrotask(() => listener(files));
    },
    removeCaCertificateListener: (listener) => void caListeners.delete(listener),
    addIdentityCertificateListener(listener) {
      identityListeners.add(listener);
      queueMicrotask(() => listener(files));
    },
    removeIdentityCertificateListener: (listener) => void identityListeners.delete(listener),
  };

  return {
    serverCredentials: () => experimental.createCertificateProviderServerCredentials(provider, provider, true),
    channelCredentials: (serverName) =>
      // As they are now: a client connects anew for a renewal, and asks again then.
      credentials.createSsl(files.caCertificate, files.privateKey, files.certificate, {
        checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
      }),
    get files() {
      return files;
    },
    onRenewal(listener) {
      renewalListeners.add(listener);
      return () => void renewalListeners.delete(listener);
    },
    get renewals() {
      return renewals;
    },
    close: () => clearInterval(timer),
  };
}

async function readFiles({ certificatePath, privateKeyPath, caPath }: TlsFilesOptions): Promise<TlsMaterial> {
  const [certificate, privateKey, caCertificate] = (await Promise.all(
    [certificatePath, privateKeyPath, caPath].map((path) => readFile(path)),
  )) as [Buffer, Buffer, Buffer];
  const leaf = parse(certificatePath, () => new X509Certificate(certificate));
  parse(caPath, () => new X509Certificate(caCertificate));
  const key = parse(privateKeyPath, () => createPrivateKey(privateKey));
  if (!leaf.checkPrivateKey(key)) throw new Error(`${privateKeyPath} is not the key of ${certificatePath}`);
  return { certificate, privateKey, caCertificate };
}

/** Messages of the parser name no file, and some quote a part of it. */
function parse<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`${path} is not PEM that can be read`, { cause: error });
  }
}
