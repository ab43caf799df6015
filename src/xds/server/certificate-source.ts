/** Credentials of a gRPC server whose certificate may change, or come only after the server listens. */
import { experimental, type ServerCredentials } from '@grpc/grpc-js';

/** PEM. */
export interface TlsMaterial {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
  readonly caCertificate: Buffer;
}

export interface CertificateSource {
  /** `undefined` before the first; until then connections are closed. */
  readonly material: TlsMaterial | undefined;
  /** Rises with each change after the first material: connections made before used an older one. */
  readonly renewals: number;
  /** Called after each of these changes; answers how to end that. */
  onRenewal(listener: () => void): () => void;
  /** For connections from now on. @returns whether it differs from the last. */
  set(material: TlsMaterial): boolean;
  /** Every client must show a certificate of the authority. */
  serverCredentials(): ServerCredentials;
}

export function createCertificateSource(): CertificateSource {
  const identityListeners = new Set<experimental.IdentityCertificateUpdateListener>();
  const caListeners = new Set<experimental.CaCertificateUpdateListener>();
  const renewalListeners = new Set<() => void>();
  let material: TlsMaterial | undefined;
  let renewals = 0;

  function tell<T>(listener: (value: T) => void, value: T | undefined): void {
    if (value) listener(value);
  }
  // Listeners are told after they are all set up: the server misses what comes earlier.
  // One object for both parts, so that a server never mixes an old certificate with a new authority.
  const provider: experimental.CertificateProvider = {
    addCaCertificateListener(listener) {
      caListeners.add(listener);
      queueMicrotask(() => tell(listener, material));
    },
    removeCaCertificateListener: (listener) => void caListeners.delete(listener),
    addIdentityCertificateListener(listener) {
      identityListeners.add(listener);
      queueMicrotask(() => tell(listener, material));
    },
    removeIdentityCertificateListener: (listener) => void identityListeners.delete(listener),
  };

  return {
    get material() {
      return material;
    },
    get renewals() {
      return renewals;
    },
    onRenewal(listener) {
      renewalListeners.add(listener);
      return () => void renewalListeners.delete(listener);
    },
    set(next) {
      const last = material;
      if (last && (Object.keys(next) as (keyof TlsMaterial)[]).every((name) => next[name].equals(last[name])))
        return false;
      material = next;
      if (last) renewals += 1;
      for (const listener of caListeners) listener(next);
      for (const listener of identityListeners) listener(next);
      if (last) for (const listener of renewalListeners) listener();
      return true;
    },
    serverCredentials: () => experimental.createCertificateProviderServerCredentials(provider, provider, true),
  };
}
