/**
 * Where requests go: merges group, environment and API backends, then resolves Service, CA Secret and host.
 * A backend that does not resolve is absent from its routes: their requests are answered 503, never sent elsewhere.
 */
import { BlockList, isIP } from 'node:net';
import type { ApiGroupBackend, ApiGroupEnvironmentBackend } from '../../api/types.js';
import { durationMs } from '../../api/units.js';
import { stableHash } from '../../lib/stable-hash.js';
import type { Backend } from '../../model/model.js';
import { resourceKey, type ResourceSet } from '../../resources/resource-set.js';
import { REFUSED, type Absence } from '../absence.js';
import type { Problems } from '../statuses/status.js';
import { type Endpoint, nameOfSetting, type TranslateContext } from '../translation.js';

export const DEFAULT_TIMEOUT_MS = 15_000;
const IPV4_IN_IPV6_BITS = 96;

/** A backend after merging, with the path of each part that a problem may be about. */
export interface BackendSettings {
  readonly target:
    | { readonly type: 'Service'; readonly name: string; readonly port: number }
    | { readonly type: 'URL'; readonly url: string }
    | undefined;
  readonly targetPath: string;
  readonly host: string | undefined;
  readonly timeoutMs: number;
  readonly tls: ApiGroupBackend['tls'];
  readonly tlsPath: string;
  readonly headers: readonly 'Tencent'[];
}

export const NO_BACKEND: BackendSettings = {
  target: undefined,
  targetPath: 'spec.backend',
  host: undefined,
  timeoutMs: DEFAULT_TIMEOUT_MS,
  tls: undefined,
  tlsPath: 'spec.backend.tls',
  headers: [],
};

/**
 * Lays an override over a backend, field by field; a `type` replaces the target. TLS settings stay: dropping them
 * with the target would turn an encrypted hop into a plain one without anybody writing so.
 */
export function mergeBackend(
  base: BackendSettings,
  override: ApiGroupEnvironmentBackend | undefined,
  path: string,
): BackendSettings {
  if (!override) return base;
  const { type, service, url, host, timeout, tls, headers } = override;
  const target =
    type === 'Service' && service
      ? { type, ...service }
      : type === 'URL' && url !== undefined
        ? { type, url }
        : undefined;
  return {
    target: target ?? base.target,
    targetPath: target ? `${path}.${target.type === 'Service' ? 'service' : 'url'}` : base.targetPath,
    host: host ?? base.host,
    timeoutMs: timeout !== undefined ? durationMs(timeout) : base.timeoutMs,
    tls: tls ? { ...base.tls, ...tls } : base.tls,
    tlsPath: tls ? `${path}.tls` : base.tlsPath,
    headers: headers ?? base.headers,
  };
}

/** What a group's backends are looked up in. */
export interface BackendLookup {
  readonly namespace: string;
  readonly resources: Pick<ResourceSet, 'Service' | 'Secret'>;
  readonly context: Pick<
    TranslateContext,
    'services' | 'clusterDomain' | 'allowedBackendHosts' | 'servicesElsewhere' | 'addressesNeeded'
  >;
  readonly absence: Absence;
}

/** The backend, or `undefined` with the reason among `problems`. */
export function resolveBackend(
  settings: BackendSettings,
  lookup: BackendLookup,
  problems: Problems,
): Backend | undefined {
  const { target } = settings;
  if (!target) return undefined;
  const reached =
    target.type === 'Service'
      ? reachService(target, settings, lookup, problems)
      : reachUrl(target.url, settings, lookup, problems);
  if (!reached) return undefined;
  const tls = reached.tls ? resolveTls(reached.serverName, settings, lookup, problems) : undefined;
  if (reached.tls && !tls) return undefined;
  const host = settings.host ?? (target.type === 'URL' ? 'Backend' : 'Preserve');
  const content = {
    endpoints: reached.endpoints,
    tls,
    protocol: reached.protocol,
    host:
      host === 'Preserve'
        ? ({ type: 'Preserve' } as const)
        : ({ type: 'Fixed', value: host === 'Backend' ? reached.authority : host } as const),
    headers: settings.headers,
  };
  return { id: stableHash(content), description: reached.description, ...content };
}

interface Reached {
  readonly description: string;
  readonly endpoints: readonly Endpoint[];
  readonly protocol: Backend['protocol'];
  /** Host header for `host: Backend`. */
  readonly authority: string;
  readonly serverName: string;
  readonly tls: boolean;
}

function reachService(
  { name, port }: { readonly name: string; readonly port: number },
  settings: BackendSettings,
  { namespace, resources, context, absence }: BackendLookup,
  problems: Problems,
): Reached | undefined {
  const key = resourceKey(namespace, name);
  const service = resources.Service.get(key);
  const servicePort = service?.spec?.ports?.find((entry) => entry.port === port);
  const host = `${name}.${namespace}.svc`;
  let endpoints = context.services.get(`${key}:${port}`);
  const knownByName = context.clusterDomain ?? (context.servicesElsewhere ? 'cluster.local' : undefined);
  if (!endpoints && service && knownByName !== undefined) {
    if (!servicePort) {
      problems.unresolved('ServiceNotFound', `${settings.targetPath}.port`, `Service ${name} has no port ${port}`);
      return undefined;
    }
    const { externalName = '' } = service.spec ?? {};
    const refusal = externalName === '' ? undefined : refuseAlias(externalName, context);
    if (refusal) {
      problems.error('BackendNotPermitted', settings.targetPath, `Service ${name} is an ExternalName: ${refusal}`);
      return undefined;
    }
    if (context.addressesNeeded)
      problems.warn(
        'ServiceNotFound',
        settings.targetPath,
        `Service ${name} is in this folder, and run reaches it only where --service ${key}:${port}=HOST:PORT tells its address`,
      );
    endpoints = [{ host: absolute(`${host}.${knownByName}`), port }];
  }
  if (!endpoints) {
    const absent = absence('Service', namespace, name);
    if (context.servicesElsewhere && knownByName !== undefined && absent !== REFUSED) {
      const message =
        context.clusterDomain === undefined
          ? `is neither in this folder nor given by --service ${key}:${port}=HOST:PORT, which run needs`
          : 'is not in this folder: it is taken to be in the cluster, with no appProtocol and no externalName';
      problems.warn('ServiceNotFound', settings.targetPath, `Service ${name} ${message}`);
      endpoints = [{ host: absolute(`${host}.${knownByName}`), port }];
    } else {
      const message =
        context.clusterDomain === undefined && absent !== REFUSED
          ? `has no address; give --service ${key}:${port}=HOST:PORT`
          : absent;
      problems.unresolved('ServiceNotFound', settings.targetPath, `Service ${name} ${message}`);
      return undefined;
    }
  }
  return {
    description: `${key}:${port}`,
    endpoints,
    protocol: /^(kubernetes\.io\/h2c|h2c|grpc|http2)$/.test(servicePort?.appProtocol ?? '') ? 'HTTP2' : 'HTTP1',
    authority: port === (settings.tls ? 443 : 80) ? host : `${host}:${port}`,
    serverName: host,
    tls: settings.tls !== undefined,
  };
}

function reachUrl(
  text: string,
  settings: BackendSettings,
  { context }: BackendLookup,
  problems: Problems,
): Reached | undefined {
  // The URL parser turns every spelling of an IPv4 address (127.1, 2130706433, 0x7f.1) into the plain one.
  const url = URL.parse(text);
  if (!url) {
    problems.error('InvalidValue', settings.targetPath, 'is no URL with a valid host and port');
    return undefined;
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const refusal = refuseHost(host, context);
  if (refusal) {
    problems.error('BackendNotPermitted', settings.targetPath, refusal);
    return undefined;
  }
  const tls = url.protocol === 'https:';
  return {
    description: url.origin,
    endpoints: [
      {
        host: context.clusterDomain === undefined ? host : absolute(host),
        port: url.port === '' ? (tls ? 443 : 80) : Number(url.port),
      },
    ],
    protocol: 'HTTP1',
    authority: url.host,
    serverName: host,
    tls,
  };
}

/**
 * With the root dot, so that a resolver asks for this name alone. In a pod it tries its search list first: as
 * `api.example.com.svc.cluster.local` the name would be that of a pod of Service `example` in somebody's namespace
 * `com`. Names that cannot be meant so stay: without a dot, or ending in `.svc`.
 */
const absolute = (host: string): string =>
  isIP(host) !== 0 || !host.includes('.') || /\.(svc)?$/.test(host) ? host : `${host}.`;

/** Unspecified, loopback and link-local. */
const FORBIDDEN_IPV4 = [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
] as const;

const forbiddenAddresses = new BlockList();
for (const [network, bits] of FORBIDDEN_IPV4) {
  forbiddenAddresses.addSubnet(network, bits, 'ipv4');
  // IPv4-compatible addresses (`::` and `::1` are among them) and those that a NAT64 gateway translates.
  for (const prefix of ['::', '64:ff9b::'])
    forbiddenAddresses.addSubnet(`${prefix}${network}`, IPV4_IN_IPV6_BITS + bits, 'ipv6');
}
forbiddenAddresses.addSubnet('fe80::', 10, 'ipv6');

/** Names that resolvers and hosts files give to loopback. */
const LOOPBACK_NAME = /(^|\.)localhost$|^localhost[46]?(\.localdomain[46]?)?$|^ip6-(localhost|loopback)$/;

type HostContext = Pick<TranslateContext, 'allowedBackendHosts' | 'clusterDomain'>;

/**
 * Why a host may not be a backend. Loopback, link-local and unspecified addresses would let a tenant reach the
 * gateway's own pod or a cloud's metadata service; a pattern does not admit them. Names are judged as text: what
 * they resolve to is the resolver's and the network policy's matter.
 */
function refuseHost(named: string, context: HostContext): string | undefined {
  const { allowedBackendHosts: allowed } = context;
  if (allowed === 'Any') return undefined;
  // A name with its root dot is the same name.
  const host = named.replace(/\.$/, '');
  const family = isIP(host);
  const forbidden =
    family === 0 ? LOOPBACK_NAME.test(host) : forbiddenAddresses.check(host, family === 6 ? 'ipv6' : 'ipv4');
  if (forbidden) return `${host} is a loopback, link-local or unspecified address`;
  const admitted = allowed.some(
    (pattern) => pattern === '*' || pattern === host || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1))),
  );
  return admitted ? undefined : `${nameOfSetting('backendHosts', context)} does not admit ${host}`;
}

/** A Service of type ExternalName is a DNS alias, which would lead where `--backend-hosts` does not. */
function refuseAlias(externalName: string, context: HostContext): string | undefined {
  const url = URL.parse(`http://${externalName}`);
  return url ? refuseHost(url.hostname, context) : `${externalName} is no valid host`;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

function resolveTls(
  serverName: string,
  settings: BackendSettings,
  lookup: BackendLookup,
  problems: Problems,
): Backend['tls'] {
  const named = { serverName: settings.tls?.serverName ?? serverName };
  const reference = settings.tls?.caSecretRef;
  if (!reference) return { caCertificates: undefined, ...named };
  const path = `${settings.tlsPath}.caSecretRef`;
  const secret = lookup.resources.Secret.get(resourceKey(lookup.namespace, reference.name));
  if (!secret) {
    problems.unresolved(
      'SecretNotFound',
      path,
      `Secret ${reference.name} ${lookup.absence('Secret', lookup.namespace, reference.name)}`,
    );
    return undefined;
  }
  // Certificates alone: a private key beside them in the datum must not travel to Envoy.
  const certificates = secret.text('ca.crt')?.match(CERTIFICATE);
  if (!certificates) {
    problems.unresolved('InvalidSecret', path, `Secret ${reference.name} has no PEM certificate in its datum ca.crt`);
    return undefined;
  }
  return { caCertificates: `${certificates.join('\n')}\n`, ...named };
}
