/**
 * mTLS from three files that are read again when they change: certificate, key and the authority of the other side.
 * A pair that does not fit, as between the two writes of a renewal, is not taken; the last good one stays.
 */
import { credentials, type ChannelCredentials, type ServerCredentials } from '@grpc/grpc-js';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { checkServerIdentity } from 'node:tls';
import { AppError, errorMessage } from '../../lib/errors.js';
import { createCertificateSource, type TlsMaterial } from './certificate-source.js';

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

/** Kubernetes swaps mounted Secrets by a link, which file events miss; three small reads cost nothing. */
const CHECK_EVERY_MS = 2000;

/** Reads the files once. @throws AppError when one is missing or they do not fit. */
export async function openTlsFiles(options: TlsFilesOptions): Promise<TlsFiles> {
  const { onReload, checkEveryMs = CHECK_EVERY_MS } = options;
  const source = createCertificateSource();
  let lastError: string | undefined;
  let first: TlsMaterial;
  try {
    first = await readFiles(options);
  } catch (error) {
    throw new AppError('ERR_TLS', errorMessage(error), { cause: error });
  }
  source.set(first);
  const current = (): TlsMaterial => source.material ?? first;

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
    if (source.set(next)) onReload?.(undefined);
  }

  let checking: Promise<void> | undefined;
  const timer = setInterval(() => {
    checking ??= check().finally(() => (checking = undefined));
  }, checkEveryMs);
  timer.unref();

  return {
    serverCredentials: () => source.serverCredentials(),
    channelCredentials(serverName) {
      // As they are now: a client connects anew for a renewal, and asks again then.
      const { caCertificate, privateKey, certificate } = current();
      return credentials.createSsl(caCertificate, privateKey, certificate, {
        checkServerIdentity: (_host, peer) => checkServerIdentity(serverName, peer),
      });
    },
    get files() {
      return current();
    },
    onRenewal: (listener) => source.onRenewal(listener),
    get renewals() {
      return source.renewals;
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
