/** Where Envoy gets dynamic resources: the one ADS stream. */
import { create } from '@bufbuild/protobuf';
import {
  ApiVersion,
  ConfigSourceSchema,
  type ConfigSource,
} from '../../../gen/envoy/config/core/v3/config_source_pb.js';

export const adsSource: ConfigSource = create(ConfigSourceSchema, {
  configSourceSpecifier: { case: 'ads', value: {} },
  resourceApiVersion: ApiVersion.V3,
});
