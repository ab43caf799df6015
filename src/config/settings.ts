/**
 * Every setting of the process, in one table: flag, environment variable, key of the configuration file,
 * default and meaning. Help texts and docs/reference/configuration.md are made from it. What belongs to an
 * API is a resource, not a setting.
 */
import * as kinds from './kinds.js';
import type { Kind } from './kinds.js';

/** Commands that take settings; `render` and `lint` need those that change what `run` would do. */
export type SettingCommand =
  'run' | 'lint' | 'render' | 'keys' | 'usage' | 'controller' | 'authorizer' | 'bootstrap' | 'status';

export interface Setting<T = unknown> {
  /** `--http-port`; the environment variable and the file key follow from it. */
  readonly flag: `--${string}`;
  readonly kind: Kind<T>;
  /** Many values: the flag is repeated, the variable separates by commas, the file has a list. */
  readonly many?: boolean;
  /** As a user would write it; absent = not set. */
  readonly default?: string | readonly string[];
  /** What is shown instead of the default where it is computed. */
  readonly defaultText?: string;
  readonly about: string;
  /** The same on commands that reach no counter store. */
  readonly aboutWithoutStore?: string;
  readonly commands: readonly SettingCommand[];
}

const RUN = ['run'] as const;
/** What runs until it is told to end. */
const SERVERS = ['run', 'controller', 'authorizer'] as const;
const GATEWAY = ['run', 'render', 'controller'] as const;
const RESOURCES = ['run', 'render', 'lint', 'keys', 'usage', 'controller'] as const;
const STORE = ['run', 'usage', 'controller', 'authorizer'] as const;
/** Ends of the mTLS connections to the controller. */
const XDS = ['controller', 'authorizer', 'bootstrap'] as const;
const XDS_FILES = [...XDS, 'render'] as const;
const DATA_PLANE = ['authorizer', 'bootstrap'] as const;
/** What asks a Kubernetes API. */
const KUBERNETES = ['controller', 'status'] as const;
const CLUSTER_OBJECTS = [...KUBERNETES, 'usage'] as const;

export const SETTINGS = {
  httpAddress: {
    flag: '--http-address',
    kind: kinds.address,
    default: '127.0.0.1',
    about: 'Address on which Envoy listens for requests; 0.0.0.0 for all.',
    commands: GATEWAY,
  },
  httpPort: { flag: '--http-port', kind: kinds.port, default: '8080', about: 'Port for HTTP.', commands: GATEWAY },
  httpsPort: {
    flag: '--https-port',
    kind: kinds.port,
    about: 'Port for HTTPS; needs --tls-cert and --tls-key.',
    commands: GATEWAY,
  },
  tlsCert: { flag: '--tls-cert', kind: kinds.path, about: 'Certificate chain for HTTPS, PEM file.', commands: GATEWAY },
  tlsKey: { flag: '--tls-key', kind: kinds.path, about: 'Private key for HTTPS, PEM file.', commands: GATEWAY },
  advertisedScheme: {
    flag: '--advertised-scheme',
    kind: kinds.oneOf('auto', 'http', 'https'),
    default: 'auto',
    about:
      'Scheme of the URLs in status, where callers reach the gateway through something else; auto: https with --https-port.',
    commands: GATEWAY,
  },
  advertisedPort: {
    flag: '--advertised-port',
    kind: kinds.port,
    defaultText: 'the port that Envoy listens on',
    about: 'Port of the URLs in status, such as that of a load balancer or Service before the gateway.',
    commands: GATEWAY,
  },
  adminAddress: {
    flag: '--admin-address',
    kind: kinds.address,
    default: '127.0.0.1',
    about: 'Address of /livez, /readyz, /metrics and /status.',
    commands: SERVERS,
  },
  adminPort: {
    flag: '--admin-port',
    kind: kinds.port,
    default: '8081',
    about: 'Port of the admin address.',
    commands: [...SERVERS, 'status'],
  },
  redisUrl: {
    flag: '--redis-url',
    kind: kinds.redisUrl,
    defaultText: 'counters in memory',
    about:
      'Redis or Valkey, one server, that keeps limits and replay markers. May hold user and password; prefer files.',
    commands: STORE,
  },
  redisSentinels: {
    flag: '--redis-sentinel',
    kind: kinds.hostPort,
    many: true,
    default: [],
    about: 'A Sentinel that names the master to use, instead of --redis-url. Repeatable.',
    commands: STORE,
  },
  redisMasterName: {
    flag: '--redis-master-name',
    kind: kinds.text,
    about: 'Name under which the Sentinels know the master.',
    commands: STORE,
  },
  redisCluster: {
    flag: '--redis-cluster',
    kind: kinds.hostPort,
    many: true,
    default: [],
    about:
      'A server of a Redis Cluster, instead of --redis-url; the others are learned from it. Repeatable. Limits of scope Plan are refused then.',
    aboutWithoutStore:
      'A server of the Redis Cluster that will keep the limits: those of scope Plan are refused then. It is not asked.',
    commands: [...RESOURCES, 'authorizer'],
  },
  redisUsernameFile: {
    flag: '--redis-username-file',
    kind: kinds.path,
    defaultText: 'default',
    about: 'File with the name of the ACL user. Like all files of Redis: a change is taken up within seconds.',
    commands: STORE,
  },
  redisPasswordFile: {
    flag: '--redis-password-file',
    kind: kinds.path,
    about: 'File with the password.',
    commands: STORE,
  },
  redisSentinelUsernameFile: {
    flag: '--redis-sentinel-username-file',
    kind: kinds.path,
    defaultText: 'default',
    about: 'File with the name of the ACL user of the Sentinels.',
    commands: STORE,
  },
  redisSentinelPasswordFile: {
    flag: '--redis-sentinel-password-file',
    kind: kinds.path,
    about: 'File with the password of the Sentinels.',
    commands: STORE,
  },
  redisTls: {
    flag: '--redis-tls',
    kind: kinds.oneOf('auto', 'on', 'off'),
    default: 'auto',
    about: 'TLS to Redis and Sentinels; auto: on with rediss:// or when one of the settings below is given.',
    commands: STORE,
  },
  redisTlsCa: {
    flag: '--redis-tls-ca',
    kind: kinds.path,
    defaultText: 'those that Node.js ships',
    about: 'Certificate authorities of Redis, PEM file.',
    commands: STORE,
  },
  redisTlsCert: {
    flag: '--redis-tls-cert',
    kind: kinds.path,
    about: 'Client certificate for Redis, PEM file; needs --redis-tls-key.',
    commands: STORE,
  },
  redisTlsKey: {
    flag: '--redis-tls-key',
    kind: kinds.path,
    about: 'Private key of the client certificate, PEM file.',
    commands: STORE,
  },
  redisTlsServerName: {
    flag: '--redis-tls-server-name',
    kind: kinds.text,
    defaultText: 'the host that is connected to',
    about: 'Name that the certificate of Redis must have.',
    commands: STORE,
  },
  redisCommandTimeoutMs: {
    flag: '--redis-command-timeout',
    kind: kinds.duration,
    default: '50ms',
    about: 'How long a check waits for Redis.',
    commands: STORE,
  },
  redisConnectTimeoutMs: {
    flag: '--redis-connect-timeout',
    kind: kinds.duration,
    default: '100ms',
    about: 'How long a connection to Redis may take to open.',
    commands: STORE,
  },
  authorizerTimeoutMs: {
    flag: '--authorizer-timeout',
    kind: kinds.duration,
    default: '500ms',
    about: 'How long Envoy waits for a check before it answers 503.',
    commands: GATEWAY,
  },
  trustedHops: {
    flag: '--trusted-hops',
    kind: kinds.hops,
    default: '0',
    about: 'Proxies of your own in front of the gateway whose X-Forwarded-For is believed.',
    commands: [...GATEWAY, 'authorizer'],
  },
  caBundle: {
    flag: '--ca-bundle',
    kind: kinds.path,
    defaultText: 'that of the system',
    about: 'Certificate authorities for backends with TLS that name none, PEM file.',
    commands: GATEWAY,
  },
  envoy: {
    flag: '--envoy',
    kind: kinds.path,
    defaultText: 'from PATH, else installed into the cache',
    about: 'Envoy executable, version 1.40.',
    commands: RUN,
  },
  envoyConcurrency: {
    flag: '--envoy-concurrency',
    kind: kinds.count,
    defaultText: 'one per CPU',
    about: 'Worker threads of Envoy.',
    commands: RUN,
  },
  drainTimeMs: {
    flag: '--drain-time',
    kind: kinds.duration,
    default: '5s',
    about: 'How long requests in flight may take to finish when the gateway stops.',
    commands: SERVERS,
  },
  stateDir: {
    flag: '--state-dir',
    kind: kinds.path,
    defaultText: 'DIR/.countersign',
    about: 'Folder of generated keys and of who was in the folder of YAML first (mode 0700).',
    commands: RESOURCES,
  },
  services: {
    flag: '--service',
    kind: kinds.service,
    many: true,
    default: [],
    about: 'Where a Service is reached: namespace/name:port=host:port. Repeatable.',
    commands: RESOURCES,
  },
  hostnames: {
    flag: '--hostnames',
    kind: kinds.hostnameClaim,
    many: true,
    default: [],
    defaultText: 'any',
    about:
      'Host names that a namespace may claim: namespace=pattern. Repeatable; a namespace without one may claim none once any is given.',
    commands: RESOURCES,
  },
  backendHosts: {
    flag: '--backend-hosts',
    kind: kinds.hostPattern,
    many: true,
    default: [],
    defaultText: 'any; on Kubernetes none',
    about: 'Hosts that backends of type URL may name: a host, *.suffix or *. Repeatable.',
    commands: RESOURCES,
  },
  folder: {
    flag: '--folder',
    kind: kinds.path,
    defaultText: 'the objects of a Kubernetes API',
    about: 'Folder of YAML that the controller serves; watched.',
    commands: ['controller'],
  },
  kubeconfig: {
    flag: '--kubeconfig',
    kind: kinds.path,
    defaultText: 'the service account of the pod, else KUBECONFIG, else ~/.kube/config',
    about: 'How the Kubernetes API is reached.',
    commands: CLUSTER_OBJECTS,
  },
  context: {
    flag: '--context',
    kind: kinds.text,
    defaultText: 'the current one',
    about: 'Context of the kubeconfig.',
    commands: CLUSTER_OBJECTS,
  },
  namespace: {
    flag: '--namespace',
    kind: kinds.text,
    defaultText: 'that of the service account or of the context; `status` outside of a pod: countersign-system',
    about: 'Namespace of the controller itself: its Lease, its certificates, Events about the installation.',
    commands: KUBERNETES,
  },
  watchNamespaces: {
    flag: '--watch-namespace',
    kind: kinds.text,
    many: true,
    default: [],
    defaultText: 'all',
    about: 'Namespace whose objects are served. Repeatable.',
    commands: CLUSTER_OBJECTS,
  },
  clusterDomain: {
    flag: '--cluster-domain',
    kind: kinds.text,
    default: 'cluster.local',
    about: 'DNS suffix of Services.',
    commands: ['controller', 'render'],
  },
  leaseName: {
    flag: '--lease-name',
    kind: kinds.text,
    default: 'countersign-controller',
    about: 'Lease by which one of several controllers leads.',
    commands: KUBERNETES,
  },
  leaseDurationMs: {
    flag: '--lease-duration',
    kind: kinds.duration,
    default: '15s',
    about: 'How long others wait for a leader that is silent before one of them leads.',
    commands: ['controller'],
  },
  leaseRenewDeadlineMs: {
    flag: '--lease-renew-deadline',
    kind: kinds.duration,
    default: '10s',
    about: 'A leader that could not renew its Lease for this long stops leading; less than --lease-duration.',
    commands: ['controller'],
  },
  leaseRetryPeriodMs: {
    flag: '--lease-retry-period',
    kind: kinds.duration,
    default: '2s',
    about: 'Time between attempts to take or renew the Lease.',
    commands: ['controller'],
  },
  xdsCertificates: {
    flag: '--xds-certificates',
    kind: kinds.oneOf('files', 'generate'),
    default: 'files',
    about:
      'Where certificates of xDS come from: files, or generated and renewed by the controller in Secrets of its namespace (Kubernetes only).',
    commands: ['controller'],
  },
  xdsSecretPrefix: {
    flag: '--xds-secret-prefix',
    kind: kinds.text,
    default: 'countersign',
    about: 'Generated Secrets are PREFIX-ca, PREFIX-controller-tls, PREFIX-envoy-tls and PREFIX-authorizer-tls.',
    commands: ['controller'],
  },
  xdsAddress: {
    flag: '--xds-address',
    kind: kinds.address,
    default: '0.0.0.0',
    about: 'Address on which the controller serves Envoys and authorizers.',
    commands: ['controller'],
  },
  xdsPort: {
    flag: '--xds-port',
    kind: kinds.port,
    default: '18000',
    about: 'Port of the xDS address.',
    commands: ['controller'],
  },
  controllerAddress: {
    flag: '--controller-address',
    kind: kinds.hostPort,
    default: 'countersign-controller:18000',
    about: 'Where the controllers are reached. A name may stand for several; the one that leads answers.',
    commands: DATA_PLANE,
  },
  controllerName: {
    flag: '--controller-name',
    kind: kinds.text,
    default: 'countersign-controller',
    about: 'Name that the certificate of a controller must have.',
    commands: XDS,
  },
  xdsCert: {
    flag: '--xds-cert',
    kind: kinds.path,
    default: '/etc/countersign/tls/tls.crt',
    about: 'Own certificate chain for xDS, PEM file. Like the next two: a change is taken up within seconds.',
    commands: XDS_FILES,
  },
  xdsKey: {
    flag: '--xds-key',
    kind: kinds.path,
    default: '/etc/countersign/tls/tls.key',
    about: 'Its private key, PEM file.',
    commands: XDS_FILES,
  },
  xdsCa: {
    flag: '--xds-ca',
    kind: kinds.path,
    default: '/etc/countersign/tls/ca.crt',
    about: 'Authorities that certificates of the other side must come from, PEM file.',
    commands: XDS_FILES,
  },
  envoyNames: {
    flag: '--envoy-name',
    kind: kinds.text,
    many: true,
    default: ['countersign-envoy'],
    about:
      'Subject alternative name (DNS, or a URI) of certificates that get the configuration of Envoy, and that may ask the authorizer at --authz-port. Repeatable.',
    commands: ['controller', 'authorizer'],
  },
  authorizerNames: {
    flag: '--authorizer-name',
    kind: kinds.text,
    many: true,
    default: ['countersign-authorizer'],
    about: 'Subject alternative name of certificates that get policy, which holds all secrets. Repeatable.',
    commands: ['controller', 'render'],
  },
  nodeLossTimeMs: {
    flag: '--node-loss-time',
    kind: kinds.duration,
    default: '10m',
    about: 'How long an Envoy or authorizer that vanished without goodbye is still expected to take up changes.',
    commands: ['controller'],
  },
  nodeId: {
    flag: '--node-id',
    kind: kinds.text,
    defaultText: 'the host name',
    about: 'Name of this data plane in status; no two may share one.',
    commands: DATA_PLANE,
  },
  socketDir: {
    flag: '--socket-dir',
    kind: kinds.path,
    default: '/run/countersign',
    about: 'Folder of the sockets between Envoy and its authorizers, which are authz-0.sock, authz-1.sock and so on.',
    commands: DATA_PLANE,
  },
  statsPort: {
    flag: '--stats-port',
    kind: kinds.port,
    defaultText: 'none',
    about: 'Port on which Envoy serves its own metrics at /stats/prometheus, and no other page of its admin interface.',
    commands: ['bootstrap'],
  },
  statsAddress: {
    flag: '--stats-address',
    kind: kinds.address,
    default: '127.0.0.1',
    about: 'Address of --stats-port.',
    commands: ['bootstrap'],
  },
  authzPort: {
    flag: '--authz-port',
    kind: kinds.port,
    defaultText: 'Unix sockets in --socket-dir',
    about: 'Port on which checks are answered instead of on sockets; with several workers this one and the next.',
    commands: ['authorizer'],
  },
  authzAddress: {
    flag: '--authz-address',
    kind: kinds.address,
    default: '0.0.0.0',
    about: 'Address of --authz-port.',
    commands: ['authorizer'],
  },
  authzTls: {
    flag: '--authz-tls',
    kind: kinds.oneOf('on', 'off'),
    default: 'on',
    about:
      'On: --authz-port wants a client certificate of an authority in --xds-ca, made out to an --envoy-name. Off only where a service mesh or the same machine does as much: whoever asks learns what backends trust.',
    commands: ['authorizer', 'render'],
  },
  workers: {
    flag: '--workers',
    kind: kinds.count,
    default: '1',
    about: 'Processes of the authorizer, each with its own socket.',
    commands: DATA_PLANE,
  },
  logLevel: {
    flag: '--log-level',
    kind: kinds.oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent'),
    default: 'info',
    about: 'Least level that is logged (to stderr).',
    commands: SERVERS,
  },
  logFormat: {
    flag: '--log-format',
    kind: kinds.oneOf('auto', 'json', 'pretty'),
    default: 'auto',
    about: 'JSON lines, or short lines for people; auto: pretty on a terminal. Also of the access log (stdout).',
    commands: SERVERS,
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS;

type ValueOf<S extends Setting> = S extends { readonly kind: Kind<infer T> }
  ? S extends { readonly many: true }
    ? readonly T[]
    : S extends { readonly default: string }
      ? T
      : T | undefined
  : never;

/** The settings as read: frozen. */
export type Config = { readonly [Name in SettingName]: ValueOf<(typeof SETTINGS)[Name]> };

/** `COUNTERSIGN_HTTP_PORT` of `--http-port`. */
export const variableOf = (setting: Setting): string =>
  `COUNTERSIGN_${setting.flag.slice(2).replaceAll('-', '_').toUpperCase()}`;

/** `httpPort` of `--http-port`: the key in the configuration file, and how the command line parser names the flag. */
export const keyOf = (setting: Setting): string =>
  setting.flag.slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** `--http-port <port>` */
export const flagUsage = (setting: Setting): string => `${setting.flag} <${setting.kind.placeholder}>`;

/** The default as help and docs show it; `undefined` = not set. */
export function defaultText(setting: Setting): string | undefined {
  if (setting.defaultText !== undefined) return setting.defaultText;
  return setting.default === undefined || setting.default.length === 0 ? undefined : String(setting.default);
}
