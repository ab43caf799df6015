/** What translation and rendering take from the configuration. */
import { existsSync } from 'node:fs';
import type { Config } from '../config/settings.js';
import type { Endpoint, TranslateContext } from '../translate/translation.js';
import { DEFAULT_RENDER_OPTIONS, type RenderOptions } from '../xds/render/options.js';
import { storeModeOf } from './store-place.js';

export function translateContext(config: Config): Omit<TranslateContext, 'nowMs'> {
  const services = new Map<string, Endpoint[]>();
  for (const { namespace, name, port, host, targetPort } of config.services) {
    const key = `${namespace}/${name}:${String(port)}`;
    services.set(key, [...(services.get(key) ?? []), { host, port: targetPort }]);
  }
  return {
    services,
    allowedBackendHosts:
      config.backendHosts.length === 0 || config.backendHosts.includes('*') ? 'Any' : config.backendHosts,
    hostnameClaims: config.hostnames,
    counterStore: storeModeOf(config),
    advertised: advertisedOf(config),
  };
}

/** Without the port that the scheme has anyway, as URLs are written. */
function advertisedOf({
  advertisedScheme,
  advertisedPort,
  httpPort,
  httpsPort,
}: Config): NonNullable<TranslateContext['advertised']> {
  const scheme = advertisedScheme === 'auto' ? (httpsPort === undefined ? 'http' : 'https') : advertisedScheme;
  const port = advertisedPort ?? (scheme === 'https' ? httpsPort : httpPort) ?? httpPort;
  return port === (scheme === 'https' ? 443 : 80) ? { scheme } : { scheme, port };
}

/**
 * In a cluster: Services are reached by their DNS names. Other hosts must be named by a setting, since a URL could
 * lead into other namespaces; `*` still refuses the node's own addresses.
 */
export const clusterTranslateContext = (config: Config): Omit<TranslateContext, 'nowMs'> => ({
  ...translateContext(config),
  allowedBackendHosts: config.backendHosts,
  clusterDomain: config.clusterDomain,
});

/** Where systems keep the certificate authorities they trust; the first that exists. */
const CA_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

export function renderOptions(config: Config): RenderOptions {
  const { httpAddress: address, httpPort, httpsPort, tlsCert, tlsKey } = config;
  return {
    http: { address, port: httpPort },
    https:
      httpsPort === undefined || tlsCert === undefined || tlsKey === undefined
        ? undefined
        : { address, port: httpsPort, certificatePath: tlsCert, privateKeyPath: tlsKey },
    authz: { timeoutMs: config.authorizerTimeoutMs },
    trustedHops: config.trustedHops,
    caBundlePath: config.caBundle ?? CA_BUNDLES.find((path) => existsSync(path)) ?? DEFAULT_RENDER_OPTIONS.caBundlePath,
  };
}
