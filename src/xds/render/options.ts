/** What the process configuration decides about Envoy; everything else follows from the model. */

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

export interface HttpsOptions extends ListenAddress {
  /** Files, never contents: Envoy reads them itself and again whenever `watchedDirectory` sees a file moved in. */
  readonly certificatePath: string;
  readonly privateKeyPath: string;
  /** Default: the folder of the certificate. */
  readonly watchedDirectory?: string;
}

export interface RenderOptions {
  readonly http: ListenAddress | undefined;
  readonly https: HttpsOptions | undefined;
  readonly authz: {
    /** For the whole check with its retries. */
    readonly timeoutMs: number;
  };
  /** Proxies of our own in front of Envoy whose `X-Forwarded-For` is believed; 0 = the peer is the client. */
  readonly trustedHops: number;
  /** PEM bundle for backends whose `tls` names no CA. */
  readonly caBundlePath: string;
}

/** Controllers on the network. The name may stand for several: Envoy keeps to the one that is healthy, which leads. */
export interface XdsAddress {
  readonly host: string;
  readonly port: number;
  /** Service name that the leader's health service answers for. */
  readonly healthService: string;
  readonly tls: {
    /** Name that the controller's certificate must have. */
    readonly serverName: string;
    /** Files with the secrets of `xdsSecrets`: Envoy watches files that secrets name, not those of a bootstrap. */
    readonly certificateSecretPath: string;
    readonly validationSecretPath: string;
  };
}

/** PEM files of Envoy towards the controller, or towards authorizers on the network. */
export interface XdsTlsFiles {
  readonly certificatePath: string;
  readonly privateKeyPath: string;
  readonly caPath: string;
  /** Names of which the other side's certificate must have one: DNS, or URIs where they hold `://`. */
  readonly serverNames: readonly string[];
}

export type AuthorizerAddress = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export interface BootstrapOptions {
  readonly nodeId: string;
  readonly nodeCluster: string;
  readonly adminSocketPath: string;
  readonly xds: { readonly socketPath: string } | XdsAddress;
  /** One per authorizer process: Envoy opens one connection per worker and endpoint. */
  readonly authorizerSocketPaths: readonly string[];
  /** Of all listeners together; more are refused at accept. */
  readonly maxDownstreamConnections: number;
  /** Where Envoy's metrics are served; default nowhere but at the admin socket. */
  readonly stats?: ListenAddress | undefined;
}

export const DEFAULT_RENDER_OPTIONS: Pick<RenderOptions, 'authz' | 'trustedHops' | 'caBundlePath'> = {
  authz: { timeoutMs: 500 },
  trustedHops: 0,
  caBundlePath: '/etc/ssl/certs/ca-certificates.crt',
};

export const DEFAULT_MAX_DOWNSTREAM_CONNECTIONS = 50_000;
