/** The aggregated discovery service as gRPC needs it; only the incremental method is offered. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { MethodDefinition, ServerDuplexStream } from '@grpc/grpc-js';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
} from '../../gen/envoy/service/discovery/v3/discovery_pb.js';

export type DeltaCall = ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

const deltaAggregatedResources: MethodDefinition<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = {
  path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  requestStream: true,
  responseStream: true,
  requestSerialize: (request) => Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request)),
  requestDeserialize: (bytes) => fromBinary(DeltaDiscoveryRequestSchema, bytes),
  responseSerialize: (response) => Buffer.from(toBinary(DeltaDiscoveryResponseSchema, response)),
  responseDeserialize: (bytes) => fromBinary(DeltaDiscoveryResponseSchema, bytes),
};

export const aggregatedDiscoveryService = { deltaAggregatedResources };
