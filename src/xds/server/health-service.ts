/** grpc.health.v1 as far as Envoy asks: one question, serving or not. Messages of one field, read and written by hand. */
import type { MethodDefinition, ServerUnaryCall } from '@grpc/grpc-js';

/** Name under which the ADS server tells whether it leads. */
export const HEALTH_SERVICE = 'countersign.xds';

/** Request: the name of a service; response: whether it serves. */
export type HealthCall = ServerUnaryCall<string, boolean>;

const SERVING = 1;
const NOT_SERVING = 2;
/** Tag of field 1, length-delimited, in the request and field 1, varint, in the response. */
const SERVICE_TAG = 0x0a;
const STATUS_TAG = 0x08;
/** One byte of length; a longer name is none of ours. */
const MAX_NAME_BYTES = 127;

function readName(bytes: Buffer): string {
  const length = bytes[1] ?? 0;
  if (bytes.length === 0) return '';
  return bytes[0] === SERVICE_TAG && length <= MAX_NAME_BYTES && bytes.length === length + 2
    ? bytes.toString('utf8', 2)
    : 'unreadable';
}

const check: MethodDefinition<string, boolean> = {
  path: '/grpc.health.v1.Health/Check',
  requestStream: false,
  responseStream: false,
  requestSerialize: (name) => Buffer.concat([Buffer.from([SERVICE_TAG, Buffer.byteLength(name)]), Buffer.from(name)]),
  requestDeserialize: readName,
  responseSerialize: (serving) => Buffer.from([STATUS_TAG, serving ? SERVING : NOT_SERVING]),
  responseDeserialize: (bytes) => bytes[1] === SERVING,
};

export const healthService = { check };
