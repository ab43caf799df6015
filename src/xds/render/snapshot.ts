/** Model → snapshot: the pure edge of this folder. */
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { ClusterSchema } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '../../gen/envoy/config/listener/v3/listener_pb.js';
import { SecretSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { Backend, Model } from '../../model/model.js';
import { clusterName, HTTPS_CERTIFICATE, ROUTE_CONFIGURATION } from '../names.js';
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from '../resource-types.js';
import { createSnapshot, versioned, versionedAny, type Snapshot, type VersionedResource } from '../snapshot.js';
import { backendsOf, isDnsBackend, renderCluster } from './clusters/cluster.js';
import { renderListeners } from './listeners/listener.js';
import type { RenderOptions } from './options.js';
import { packRouteConfiguration } from './routes/routes.js';
import { certificateSecret } from './clusters/tls.js';

/** A new name is looked up before its cluster serves; routes to it wait that long after the ACK. */
const DNS_SETTLE_MS = 200;

/** Everything Envoy gets over ADS. The same model gives the same bytes and versions. */
export function renderSnapshot(model: Model, options: RenderOptions): Snapshot {
  const { https } = options;
  return createSnapshot(
    new Map([
      [CLUSTER_TYPE, clustersOf(model, options.caBundlePath)],
      [SECRET_TYPE, new Map(https ? [[HTTPS_CERTIFICATE, versioned(SecretSchema, certificateSecret(https))]] : [])],
      [
        LISTENER_TYPE,
        new Map(renderListeners(options).map((listener) => [listener.name, versioned(ListenerSchema, listener)])),
      ],
      [ROUTE_TYPE, routesOf(model)],
    ]),
  );
}

type ByName = ReadonlyMap<string, VersionedResource>;

/** By list of groups: an edit of a key or a grant leaves Envoy alone. */
const routes = new WeakMap<Model['groups'], ByName>();

function routesOf(model: Model): ByName {
  let byName = routes.get(model.groups);
  if (!byName) {
    const resource = versionedAny(create(AnySchema, { typeUrl: ROUTE_TYPE, value: packRouteConfiguration(model) }));
    routes.set(model.groups, (byName = new Map([[ROUTE_CONFIGURATION, resource]])));
  }
  return byName;
}

const clusters = new WeakMap<Backend, { readonly caBundlePath: string; readonly resource: VersionedResource }>();

const clustersOf = (model: Model, caBundlePath: string): ByName =>
  new Map(backendsOf(model).map((backend) => [clusterName(backend.id), clusterOf(backend, caBundlePath)]));

function clusterOf(backend: Backend, caBundlePath: string): VersionedResource {
  const known = clusters.get(backend);
  if (known?.caBundlePath === caBundlePath) return known.resource;
  const cluster = renderCluster(backend, caBundlePath);
  const resource = versioned(ClusterSchema, cluster, isDnsBackend(cluster) ? DNS_SETTLE_MS : undefined);
  clusters.set(backend, { caBundlePath, resource });
  return resource;
}
