/** Short forms for the message shapes that every file here writes. */
import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack, type Any, type Duration } from '@bufbuild/protobuf/wkt';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { AddressSchema, type Address } from '../../gen/envoy/config/core/v3/address_pb.js';

export const any = <Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any =>
  anyPack(schema, create(schema, init));

export interface Extension {
  readonly name: string;
  readonly typedConfig: Any;
}

export const extension = <Desc extends DescMessage>(
  name: string,
  schema: Desc,
  init: MessageInitShape<Desc>,
): Extension => ({ name, typedConfig: any(schema, init) });

export const duration = (ms: number): Duration =>
  create(DurationSchema, { seconds: BigInt(Math.trunc(ms / 1000)), nanos: (ms % 1000) * 1_000_000 });

export const socketAddress = (address: string, port: number): Address =>
  create(AddressSchema, {
    address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } },
  });

export const pipeAddress = (path: string, mode = 0): Address =>
  create(AddressSchema, { address: { case: 'pipe', value: { path, mode } } });
