/** What the phases see of a Check, free of gRPC and protobuf: the transport makes it, nobody changes it. */
import type { WireRequest } from '../signature/dialect.js';

export interface CheckRequest extends WireRequest {
  /** `:authority` as sent, port and case kept. */
  readonly authority: string;
  /** `HTTP/1.1`, `HTTP/2`, … */
  readonly protocol: string;
  /** Address Envoy trusts (its `source`), without port. */
  readonly sourceAddress: string;
  /** From our route's `context_extensions`; empty text when Envoy sent none. */
  readonly route: string;
  /** Envoy buffered less than the whole body. */
  readonly partialBody: boolean;
  /** `encode_raw_headers` is on (the Check carried `header_map`). */
  readonly rawHeaders: boolean;
  /** What shows that Envoy is not configured as `render` prints it; such a request is refused. */
  readonly gatewayFault?: string | undefined;
  readonly requestId: string;
  /** Same text for a Check that Envoy retries: node id and stream id. */
  readonly streamToken: string;
}
