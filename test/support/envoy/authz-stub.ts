/** An ext_authz service that does what a test tells it, and remembers the checks it saw. */
import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import {
  CheckRequestSchema,
  CheckResponseSchema,
  type CheckRequest,
  type CheckResponse,
} from '../../../src/gen/envoy/service/auth/v3/external_auth_pb.js';

export type Answer = (check: SeenCheck) => MessageInitShape<typeof CheckResponseSchema>;

export interface SeenCheck {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  /** From `context_extensions`. */
  readonly route: string;
  readonly sourceAddress: string;
  readonly rawBody: Uint8Array;
  readonly message: CheckRequest;
}

export interface AuthzStub {
  readonly checks: SeenCheck[];
  answer: Answer;
  close(): void;
}

/** Metadata as the real authorizer sends it. */
export const decided = (decision: string, reason: string) => ({
  decision,
  reason,
  api: 'shop/orders/api',
  environment: 'release',
  key_id: 'AK1',
  plan: 'up1',
});

export const allow: Answer = () => ({
  status: { code: 0 },
  httpResponse: { case: 'okResponse', value: {} },
  dynamicMetadata: decided('allow', 'ok'),
});

export const deny =
  (status: number, body: string, contentType = 'application/json'): Answer =>
  () => ({
    status: { code: 7 },
    httpResponse: {
      case: 'deniedResponse',
      value: { status: { code: status }, body, headers: [{ header: { key: 'content-type', value: contentType } }] },
    },
    dynamicMetadata: decided('deny', 'bad_signature'),
  });

export async function startAuthzStub(socketPath: string): Promise<AuthzStub> {
  const server = new Server({ 'grpc.max_receive_message_length': 32 * 1024 * 1024 });
  const stub: AuthzStub = { checks: [], answer: allow, close: () => server.forceShutdown() };
  const service: ServiceDefinition = {
    check: {
      path: '/envoy.service.auth.v3.Authorization/Check',
      requestStream: false,
      responseStream: false,
      requestSerialize: (request: CheckRequest) => Buffer.from(toBinary(CheckRequestSchema, request)),
      requestDeserialize: (bytes: Buffer) => fromBinary(CheckRequestSchema, bytes),
      responseSerialize: (response: CheckResponse) => Buffer.from(toBinary(CheckResponseSchema, response)),
      responseDeserialize: (bytes: Buffer) => fromBinary(CheckResponseSchema, bytes),
    },
  };
  server.addService(service, {
    check: (call: { request: CheckRequest }, reply: (error: Error | null, response: CheckResponse) => void) => {
      const seen = seenCheck(call.request);
      stub.checks.push(seen);
      reply(null, create(CheckResponseSchema, stub.answer(seen)));
    },
  });
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    ),
  );
  return stub;
}

function seenCheck(message: CheckRequest): SeenCheck {
  const { request, contextExtensions, source } = message.attributes ?? {};
  const { http } = request ?? {};
  const address = source?.address?.address;
  return {
    method: http?.method ?? '',
    path: http?.path ?? '',
    host: http?.host ?? '',
    route: contextExtensions?.['route'] ?? '',
    sourceAddress: address?.case === 'socketAddress' ? address.value.address : '',
    rawBody: http?.rawBody ?? new Uint8Array(),
    message,
  };
}
