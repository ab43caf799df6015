/** The whole configuration in one file, for `countersign render` and `envoy --mode validate`. */
import { clone, create } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import {
  BootstrapSchema,
  Bootstrap_StaticResourcesSchema,
  type Bootstrap,
} from '../../../gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { ClusterSchema } from '../../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema, type Listener } from '../../../gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../../gen/envoy/config/route/v3/route_pb.js';
import { HttpConnectionManagerSchema } from '../../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { SecretSchema } from '../../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { DownstreamTlsContextSchema } from '../../../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { XDS_CLUSTER } from '../../names.js';
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from '../../resource-types.js';
import type { Snapshot } from '../../snapshot.js';

/** `bootstrap` without ADS, with what the snapshot holds as static resources and the routes inside the listeners. */
export function renderStaticConfig(snapshot: Snapshot, bootstrap: Bootstrap): Bootstrap {
  const of = <Desc extends DescMessage>(typeUrl: string, schema: Desc): MessageShape<Desc>[] =>
    [...(snapshot.resources.get(typeUrl)?.values() ?? [])].map(({ resource }) => anyUnpack(resource, schema)!);

  const config = clone(BootstrapSchema, bootstrap);
  delete config.dynamicResources;
  const [routes] = of(ROUTE_TYPE, RouteConfigurationSchema);
  config.staticResources = create(Bootstrap_StaticResourcesSchema, {
    listeners: of(LISTENER_TYPE, ListenerSchema).map((listener) => inlineReferences(listener, routes)),
    clusters: [
      ...(config.staticResources?.clusters ?? []).filter(({ name }) => name !== XDS_CLUSTER),
      ...of(CLUSTER_TYPE, ClusterSchema),
    ],
    secrets: of(SECRET_TYPE, SecretSchema),
  });
  return config;
}

function inlineReferences(
  listener: Listener,
  routes: MessageShape<typeof RouteConfigurationSchema> | undefined,
): Listener {
  for (const chain of listener.filterChains) {
    for (const { configType } of chain.filters) {
      if (configType.case !== 'typedConfig') continue;
      const manager = anyUnpack(configType.value, HttpConnectionManagerSchema);
      if (!manager) continue;
      manager.routeSpecifier = { case: 'routeConfig', value: routes ?? create(RouteConfigurationSchema) };
      configType.value = anyPack(HttpConnectionManagerSchema, manager);
    }
    const socket = chain.transportSocket?.configType;
    const tls = socket?.case === 'typedConfig' ? anyUnpack(socket.value, DownstreamTlsContextSchema) : undefined;
    if (!tls || socket?.case !== 'typedConfig') continue;
    // Without a source the name means a static secret.
    for (const reference of tls.commonTlsContext?.tlsCertificateSdsSecretConfigs ?? []) delete reference.sdsConfig;
    socket.value = anyPack(DownstreamTlsContextSchema, tls);
  }
  return listener;
}
