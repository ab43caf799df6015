/**
 * How Checks arrive. Phases know nothing of it: a transport turns what Envoy sends into a CheckRequest, asks
 * `check`, and sends the Decision back. `grpc.ts` is the reference; a faster one passes the same tests.
 */
import type { Decision } from '../decision.js';
import type { CheckRequest } from '../request.js';

export type TransportAddress =
  /** Unix socket: Envoy runs as the same user. */
  | { readonly socketPath: string }
  /** Port 0 picks a free one. */
  | { readonly host: string; readonly port: number };

/** Who may connect to a port. */
export interface TransportTls {
  /** PEM as it is now: own chain and key, and the authorities that clients' certificates must come from. */
  readonly files: () => {
    readonly certificate: Buffer;
    readonly privateKey: Buffer;
    readonly caCertificate: Buffer;
  };
  /** Tells of renewed files; answers how to end that. */
  readonly onRenewal: (listener: () => void) => () => void;
  /** Judges the subject alternative names of a client's certificate, in the text form of Node (`DNS:a, URI:b`). */
  readonly admits: (subjectAltNames: string) => boolean;
  readonly onRefused?: (message: string) => void;
}

export interface TransportOptions {
  readonly address: TransportAddress;
  /** For a port: only these clients. Absent: whoever reaches it. */
  readonly tls?: TransportTls;
  /** Never rejects; a transport refuses the request all the same if it does. */
  readonly check: (request: CheckRequest) => Promise<Decision>;
  /** Answer of the gRPC health service, so that Envoy stops choosing an authorizer that has no table. */
  readonly ready: () => boolean;
  readonly onError?: (error: unknown) => void;
  /** Told what about Envoy's configuration makes a Check unsafe; it is refused. */
  readonly onUnsafe?: (fault: string) => void;
  /** The caller's address is the one Envoy took from X-Forwarded-For; only with an Envoy that has trusted hops. */
  readonly trustsProxies?: boolean;
}

export interface Transport {
  /** Resolves with the bound address once Checks can arrive. @throws when the address is taken. */
  listen(): Promise<TransportAddress>;
  /** Health says NOT_SERVING, calls in flight finish, then it closes; `deadlineMs` ends the wait. */
  drain(deadlineMs: number): Promise<void>;
  /** Ends calls in flight. */
  close(): void;
}
