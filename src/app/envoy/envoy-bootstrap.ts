/** The files with which a separate Envoy starts: bootstrap, and secrets that name its certificate files. */
import { join } from 'node:path';
import type { JsonValue } from '@bufbuild/protobuf';
import type { Config } from '../../config/settings.js';
import { BootstrapSchema } from '../../gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { DiscoveryResponseSchema } from '../../gen/envoy/service/discovery/v3/discovery_pb.js';
import { toEnvoyJson } from '../../xds/registry.js';
import { renderBootstrap } from '../../xds/render/bootstrap/bootstrap.js';
import { DEFAULT_MAX_DOWNSTREAM_CONNECTIONS } from '../../xds/render/options.js';
import { xdsSecrets } from '../../xds/render/clusters/xds-tls.js';
import { HEALTH_SERVICE } from '../../xds/server/health-service.js';
import { nodeIdOf, socketPathOf } from '../authorizer/authorizer-worker.js';

/** File name → content. @param folder absolute: where they will be. */
export function renderEnvoyFiles(config: Config, folder: string): ReadonlyMap<string, JsonValue> {
  const [certificateFile, validationFile] = ['xds-certificate.yaml', 'xds-validation.yaml'] as const;
  const bootstrap = renderBootstrap({
    nodeId: `${nodeIdOf(config)}/envoy`,
    nodeCluster: 'countersign',
    adminSocketPath: join(config.socketDir, 'envoy.sock'),
    xds: {
      ...config.controllerAddress,
      healthService: HEALTH_SERVICE,
      tls: {
        serverName: config.controllerName,
        certificateSecretPath: join(folder, certificateFile),
        validationSecretPath: join(folder, validationFile),
      },
    },
    authorizerSocketPaths: Array.from({ length: config.workers }, (_, index) => socketPathOf(config, index)),
    maxDownstreamConnections: DEFAULT_MAX_DOWNSTREAM_CONNECTIONS,
    stats: config.statsPort === undefined ? undefined : { address: config.statsAddress, port: config.statsPort },
  });
  const { certificate, validation } = xdsSecrets({
    certificatePath: config.xdsCert,
    privateKeyPath: config.xdsKey,
    caPath: config.xdsCa,
    serverNames: [config.controllerName],
  });
  return new Map([
    ['envoy.yaml', toEnvoyJson(BootstrapSchema, bootstrap)],
    [certificateFile, toEnvoyJson(DiscoveryResponseSchema, certificate)],
    [validationFile, toEnvoyJson(DiscoveryResponseSchema, validation)],
  ]);
}
