/** Model → snapshot: the pure edge of this folder. */
import { ClusterSchema } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '../../gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { Model } from '../../model/model.js';
import { HTTPS_CERTIFICATE, ROUTE_CONFIGURATION } from '../names.js';
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from '../resource-types.js';
import { createSnapshot, versioned, type Snapshot } from '../snapshot.js';
import { isDnsBackend, renderClusters } from './cluster.js';
import { renderListeners } from './listener.js';
import type { RenderOptions } from './options.js';
import { renderRouteConfiguration } from './routes.js';
import { certificateSecret } from './tls.js';

/** A new name is looked up before its cluster serves; routes to it wait that long after the ACK. */
const DNS_SETTLE_MS = 200;

/** Everything Envoy gets over ADS. The same model gives the same bytes and versions. */
export function renderSnapshot(model: Model, options: RenderOptions): Snapshot {
  const { https } = options;
  return createSnapshot(
    new Map([
      [
        CLUSTER_TYPE,
        new Map(
          renderClusters(model, options.caBundlePath).map((cluster) => [
            cluster.name,
            versioned(ClusterSchema, cluster, isDnsBackend(cluster) ? DNS_SETTLE_MS : undefined),
          ]),
        ),
      ],
      [SECRET_TYPE, new Map(https ? [[HTTPS_CERTIFICATE, versioned(SecretSchema, certificateSecret(https))]] : [])],
      [
        LISTENER_TYPE,
        new Map(renderListeners(options).map((listener) => [listener.name, versioned(ListenerSchema, listener)])),
      ],
      [
        ROUTE_TYPE,
        new Map([[ROUTE_CONFIGURATION, versioned(RouteConfigurationSchema, renderRouteConfiguration(model))]]),
      ],
    ]),
  );
}
