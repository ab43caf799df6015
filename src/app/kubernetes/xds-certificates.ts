/**
 * Certificates of xDS that the controller makes itself and keeps in Secrets. Loaded only where they are generated.
 * The server listens before there is a certificate: until then, connections are closed.
 */
import type { ServerCredentials } from '@grpc/grpc-js';
import { alternativeNames } from '../../certificates/issue.js';
import type { Lifetimes } from '../../certificates/plan.js';
import { ROLES, type Role } from '../../certificates/roles.js';
import { createBackoff } from '../../lib/backoff.js';
import type { Clock } from '../../lib/clock.js';
import { errorMessage } from '../../lib/errors.js';
import { createXdsCertificateSecrets, type CertificateApi } from '../../provider/kubernetes/write/xds-certificates.js';
import type { Logger } from '../../telemetry/logger.js';
import { createCertificateSource } from '../../xds/server/certificate-source.js';

export interface GeneratedCertificatesOptions {
  readonly api: CertificateApi;
  /** The operator's own. */
  readonly namespace: string;
  readonly prefix: string;
  /** DNS names or URIs, at least one for each role; all of them stand in the certificate. */
  readonly names: Readonly<Record<Role, readonly string[]>>;
  /** Only the leader writes. */
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lifetimes?: Lifetimes;
  readonly checkEveryMs?: number;
}

export interface GeneratedCertificates {
  /** For a server: every client must show a certificate of the authority. */
  serverCredentials(): ServerCredentials;
  /** Whether there is a certificate to serve with. */
  readonly present: boolean;
  /** Rises with each renewal that was taken: connections made before used an older one. */
  readonly renewals: number;
  /** Called after each renewal that was taken; answers how to end that. */
  onRenewal(listener: () => void): () => void;
  /** Looks now instead of at the next turn, as after gaining leadership. Never rejects: what fails is logged. */
  reconcile(): Promise<void>;
  close(): Promise<void>;
}

/** Well below the time for which a new authority waits before it signs. */
const CHECK_EVERY_MS = 30_000;
/** While there is none, and after a failure. */
const RETRY = { initialMs: 500, maxMs: 10_000 };

/** Begins to look at once. @throws AppError when a name cannot be in a certificate. */
export function openGeneratedCertificates(options: GeneratedCertificatesOptions): GeneratedCertificates {
  const { api, namespace, prefix, names, isLeader, clock, log, lifetimes, checkEveryMs = CHECK_EVERY_MS } = options;
  for (const role of ROLES) alternativeNames(names[role]);
  const source = createCertificateSource();
  const backoff = createBackoff(RETRY);
  const closing = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let isAskedAgain = false;
  /** What was logged at the last turn: an obstacle is told once, not at each turn. */
  let told: readonly string[] = [];
  let faults: string[] = [];

  const secrets = createXdsCertificateSecrets({
    ...{ api, namespace, prefix, names, isLeader, clock },
    ...(lifetimes && { lifetimes }),
    onWritten(secret, { reason, breaksTrust }) {
      log.info({ secret }, `certificates written: the Secret ${reason}`);
      if (breaksTrust)
        log.warn(
          { secret },
          'the authority of xDS was replaced: data planes connect again once they have the new Secrets',
        );
    },
    onFault: (message) => faults.push(message),
  });

  async function turn(): Promise<void> {
    faults = [];
    let isDone = false;
    try {
      const served = await secrets.reconcile(closing.signal);
      if (served) {
        const isFirst = source.material === undefined;
        const isNew = source.set({
          certificate: Buffer.from(served.certificate),
          privateKey: Buffer.from(served.privateKey.reveal()),
          caCertificate: Buffer.from(served.trust),
        });
        if (isNew) log.info(isFirst ? 'certificates read' : 'certificates renewed');
      }
      isDone = served !== undefined;
    } catch (error) {
      faults.push(errorMessage(error));
    }
    if (closing.signal.aborted) return;
    const messages = [...new Set(faults)];
    for (const message of messages) if (!told.includes(message)) log.error(`certificates not renewed: ${message}`);
    told = messages;
    if (isDone) backoff.reset();
    timer = setTimeout(() => void reconcile(), isDone ? checkEveryMs : Math.min(checkEveryMs, backoff.next()));
    timer.unref();
  }

  async function run(): Promise<void> {
    do {
      isAskedAgain = false;
      clearTimeout(timer);
      await turn();
    } while (isAskedAgain && !closing.signal.aborted);
  }

  function reconcile(): Promise<void> {
    if (closing.signal.aborted) return Promise.resolve();
    // What runs may have looked before the caller's news: it looks once more.
    if (running) isAskedAgain = true;
    running ??= run().finally(() => (running = undefined));
    return running;
  }

  void reconcile();
  return {
    serverCredentials: () => source.serverCredentials(),
    get present() {
      return source.material !== undefined;
    },
    get renewals() {
      return source.renewals;
    },
    onRenewal: (listener) => source.onRenewal(listener),
    reconcile,
    async close() {
      closing.abort();
      clearTimeout(timer);
      await running;
    },
  };
}
