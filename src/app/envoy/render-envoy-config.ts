/** The whole Envoy configuration as plain data, for `countersign render`. */
import type { JsonValue } from '@bufbuild/protobuf';
import { join } from 'node:path';
import type { Config } from '../../config/settings.js';
import { BootstrapSchema } from '../../gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { Model } from '../../model/model.js';
import { toEnvoyJson } from '../../xds/registry.js';
import { renderBootstrap } from '../../xds/render/bootstrap/bootstrap.js';
import { DEFAULT_MAX_DOWNSTREAM_CONNECTIONS } from '../../xds/render/options.js';
import { renderSnapshot } from '../../xds/render/snapshot.js';
import { renderStaticConfig } from '../../xds/render/bootstrap/static-config.js';
import { renderOptions } from '../context.js';

/** @param socketFolder where the sockets of authorizer, controller and Envoy's admin address would be. */
export function renderEnvoyConfig(model: Model, config: Config, socketFolder: string): JsonValue {
  const bootstrap = renderBootstrap({
    nodeId: 'envoy',
    nodeCluster: 'countersign',
    adminSocketPath: join(socketFolder, 'envoy.sock'),
    xds: { socketPath: join(socketFolder, 'ads.sock') },
    authorizerSocketPaths: [join(socketFolder, 'authz.sock')],
    maxDownstreamConnections: DEFAULT_MAX_DOWNSTREAM_CONNECTIONS,
  });
  return toEnvoyJson(BootstrapSchema, renderStaticConfig(renderSnapshot(model, renderOptions(config)), bootstrap));
}
