/**
 * `envoy.service.auth.v3`: CheckRequest in, CheckResponse out, numbers as in its .proto. Unknown fields are
 * skipped. `encodeDecision` is the only writer of answers: proto3's default status is 0, which is "allow", so
 * the code is always written out and is 0 for Allow alone.
 */
import type { Allow, Decision, DecisionFacts, HeaderPair } from '../decision.js';
import type { CheckRequest } from '../request.js';
import { FieldReader, FieldWriter, WIRE_BYTES, WIRE_VARINT } from './wire.js';

/** google.rpc.Code */
const OK = 0;
const PERMISSION_DENIED = 7;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** HeaderValueOption.HeaderAppendAction */
const OVERWRITE_IF_EXISTS_OR_ADD = 2;

/** Our own keys of `context_extensions`. */
const ROUTE_KEY = 'route';
const NODE_KEY = 'node';

/** `false` when Envoy buffered the whole body; the header is Envoy's own. */
const PARTIAL_BODY_HEADER = 'x-envoy-auth-partial-body';

/** The caller's address as Envoy determined it; Envoy removes what a client sends under this name. */
const EXTERNAL_ADDRESS_HEADER = 'x-envoy-external-address';

const NO_BODY = new Uint8Array(0);

/** What Envoy writes into every Check; one that is missing is hidden by `allowed_headers` or `disallowed_headers`. */
const ALWAYS_SENT = [':authority', ':method', ':path'];

/**
 * What an Envoy that believes no caller removes from requests. One of them in a Check was sent by the caller, or by
 * Envoy because it takes the caller for one of its own: the router would obey it.
 */
const REMOVED_AT_THE_EDGE: ReadonlySet<string> = new Set([
  'x-envoy-internal',
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-max-retries',
  'x-envoy-retriable-header-names',
  'x-envoy-retriable-status-codes',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-decorator-operation',
  'x-envoy-original-path',
]);

/** For these Envoy adds an address of its own to `X-Forwarded-For`. */
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1']);

/** What is wrong about Envoy's configuration, as far as a Check shows it. */
function gatewayFault({ headerMap, hasTextBody, route, sourceAddress }: Draft): string | undefined {
  if (!headerMap) return 'encode_raw_headers is off';
  if (hasTextBody) return 'pack_as_bytes is off at the filter';
  if (route === '') return 'the route has no context_extensions of ours';
  const names = new Set<string>();
  let forwardedFor = '';
  for (const [name, value] of headerMap) {
    names.add(name);
    if (name === 'x-forwarded-for') forwardedFor = value;
    if (REMOVED_AT_THE_EDGE.has(name))
      return `${name} arrived: use_remote_address is off, or internal_address_config trusts callers`;
  }
  for (const name of ALWAYS_SENT)
    if (!names.has(name)) return `${name} is not sent: allowed_headers or disallowed_headers is set`;
  // Envoy adds the address of the connection, after whatever the caller claims.
  const added = forwardedFor.slice(forwardedFor.lastIndexOf(',') + 1).trim();
  if (added === '' || (sourceAddress !== '' && added !== sourceAddress && !LOOPBACK.has(sourceAddress)))
    return 'X-Forwarded-For does not end with the address of the connection: use_remote_address is off';
  return undefined;
}

/** Collects what the phases need while the message is walked once. */
interface Draft {
  id: string;
  method: string;
  path: string;
  host: string;
  protocol: string;
  size: number;
  /** `body`, the text form: present only when `pack_as_bytes` is off, which loses bytes. */
  hasTextBody: boolean;
  rawBody: Uint8Array;
  headerMap: [name: string, value: string][] | undefined;
  sourceAddress: string;
  route: string;
  node: string;
}

function readHeader(reader: FieldReader): [name: string, value: string] {
  let name = '';
  let value = '';
  while (reader.next()) {
    if (reader.field === 1) name = reader.latin1();
    else if (reader.field === 3) value = reader.latin1();
    else reader.skip();
  }
  return [name.toLowerCase(), value];
}

function readHttp(reader: FieldReader, draft: Draft): void {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        draft.id = reader.latin1();
        break;
      case 2:
        draft.method = reader.latin1();
        break;
      case 4:
        draft.path = reader.latin1();
        break;
      case 5:
        draft.host = reader.latin1();
        break;
      case 9:
        if (reader.wireType === WIRE_VARINT) draft.size = reader.varint();
        else reader.skip();
        break;
      case 10:
        draft.protocol = reader.latin1();
        break;
      case 11:
        draft.hasTextBody = reader.bytes().length > 0;
        break;
      case 12:
        draft.rawBody = reader.bytes();
        break;
      case 13: {
        const headers = (draft.headerMap ??= []);
        const map = reader.message();
        while (map.next()) {
          if (map.field === 1 && map.wireType === WIRE_BYTES) headers.push(readHeader(map.message()));
          else map.skip();
        }
        break;
      }
      default:
        reader.skip();
    }
  }
}

/** Walks into `path[0]`, inside it into `path[1]`, …, and reads text there; skips all else. */
function readText(reader: FieldReader, path: readonly number[], depth = 0): string {
  let text = '';
  while (reader.next()) {
    if (reader.field !== path[depth]) reader.skip();
    else text = depth === path.length - 1 ? reader.latin1() : readText(reader.message(), path, depth + 1);
  }
  return text;
}

/** Peer.address.socket_address.address */
const PEER_ADDRESS = [1, 1, 2] as const;

function readContextExtension(reader: FieldReader, draft: Draft): void {
  let key = '';
  let value = '';
  while (reader.next()) {
    if (reader.field === 1) key = reader.latin1();
    else if (reader.field === 2) value = reader.latin1();
    else reader.skip();
  }
  if (key === ROUTE_KEY) draft.route = value;
  else if (key === NODE_KEY) draft.node = value;
}

function readAttributes(reader: FieldReader, draft: Draft): void {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        draft.sourceAddress = readText(reader.message(), PEER_ADDRESS);
        break;
      case 4: {
        const request = reader.message();
        while (request.next()) {
          if (request.field === 2) readHttp(request.message(), draft);
          else request.skip();
        }
        break;
      }
      case 10:
        readContextExtension(reader.message(), draft);
        break;
      default:
        reader.skip();
    }
  }
}

/**
 * Reads a serialized `envoy.service.auth.v3.CheckRequest`. `node` names the Envoy that asks, where its messages
 * do not say. `trustsProxies`: Envoy stands behind proxies it trusts (`--trusted-hops`), so the caller's address is
 * the one Envoy took from X-Forwarded-For, not the TCP peer's. @throws RangeError when the bytes are no such message.
 */
export function decodeCheckRequest(bytes: Buffer, node = '', trustsProxies = false): CheckRequest {
  const draft: Draft = {
    id: '',
    method: '',
    path: '',
    host: '',
    protocol: '',
    size: 0,
    hasTextBody: false,
    rawBody: NO_BODY,
    headerMap: undefined,
    sourceAddress: '',
    route: '',
    node,
  };
  const reader = new FieldReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) readAttributes(reader.message(), draft);
    else reader.skip();
  }
  return fromDraft(draft, trustsProxies);
}

function fromDraft(draft: Draft, trustsProxies: boolean): CheckRequest {
  const headers: HeaderPair[] = [];
  let authority: string | undefined;
  let target = draft.path;
  let host: string | undefined;
  let requestId: string | undefined;
  let forwardedFor: string | undefined;
  let partialBody =
    draft.rawBody.length > 0 && draft.size > draft.rawBody.length && draft.size <= Number.MAX_SAFE_INTEGER; // -1: unknown
  for (const header of draft.headerMap ?? []) {
    const [name, value] = header;
    if (name.startsWith(':')) {
      if (name === ':authority') authority = value;
      // The text attribute has `!` for every byte that is no UTF-8; the backend gets the bytes.
      else if (name === ':path') target = value;
      continue;
    }
    if (name === 'host') host = value;
    else if (name === 'x-request-id') requestId ??= value;
    else if (name === EXTERNAL_ADDRESS_HEADER) forwardedFor = value;
    else if (name === PARTIAL_BODY_HEADER && value !== 'false') partialBody = true;
    headers.push(header);
  }
  authority ??= draft.host;
  // HTTP/2 has no Host line. Where a client sends one beside `:authority` it must say the same: two different
  // ones stay two, and a repeated host is refused.
  if (host !== authority) headers.unshift(['host', authority]);
  return {
    method: draft.method,
    target,
    headers,
    body: draft.rawBody,
    authority,
    protocol: draft.protocol,
    sourceAddress: (trustsProxies && forwardedFor) || draft.sourceAddress,
    route: draft.route,
    partialBody,
    rawHeaders: draft.headerMap !== undefined && !draft.hasTextBody,
    gatewayFault: gatewayFault(draft),
    requestId: requestId ?? draft.id,
    streamToken: `${draft.node}/${draft.id}`,
  };
}

/** HeaderValueOption with `append: false`: what a client or backend sent under this name is replaced. */
function writeHeaders(writer: FieldWriter, field: number, headers: readonly HeaderPair[], appendAction: boolean): void {
  for (let i = headers.length - 1; i >= 0; i--) {
    const [name, value] = headers[i]!;
    writer.message(field, () => {
      // Towards the caller Envoy goes by `append_action`, and by it only where `append` is absent.
      if (appendAction) writer.varint(3, OVERWRITE_IF_EXISTS_OR_ADD);
      else writer.message(2, () => undefined);
      writer.message(1, () => {
        writer.text(2, value);
        writer.text(1, name);
      });
    });
  }
}

/** What the client sent, of what the decision makes Envoy change before the access log is written. */
function overwritten({ setHeaders }: Allow, request: ClientView): (readonly [string, string])[] {
  const fields: (readonly [string, string])[] = [];
  for (const [name] of setHeaders) {
    if (name === ':method') fields.push(['method', request.method]);
    else if (name === ':path') fields.push(['path', request.target.split('?', 1)[0]!]);
    else if (name === 'host') fields.push(['authority', request.authority]);
  }
  return fields;
}

/** `google.protobuf.Struct` of texts: `%DYNAMIC_METADATA(envoy.filters.http.ext_authz:reason)%` in Envoy's log. */
function writeMetadata(
  writer: FieldWriter,
  decision: string,
  reason: string,
  facts: DecisionFacts,
  more: readonly (readonly [string, string])[] = [],
): void {
  const fields: readonly (readonly [string, string])[] = [
    ['decision', decision],
    ['reason', reason],
    ['api', facts.api],
    ['environment', facts.environment],
    ['key_id', facts.keyId],
    ['plan', facts.planId],
    ['profile', facts.profile],
    ...more,
  ];
  writer.message(4, () => {
    for (const [key, value] of fields) {
      writer.message(1, () => {
        writer.message(2, () => writer.text(3, value));
        writer.text(1, key);
      });
    }
  });
}

/** Anything but an error status would be a denial that reads as success. */
const errorStatus = (status: number): number =>
  Number.isInteger(status) && status >= 400 && status <= 599 ? status : 503;

function denialCode(reason: string, status: number): number {
  if (reason === 'internal_error') return UNAVAILABLE;
  return status === 401 ? UNAUTHENTICATED : PERMISSION_DENIED;
}

/** The request line as the client sent it. */
type ClientView = Pick<CheckRequest, 'method' | 'target' | 'authority'>;

/** Serializes the `envoy.service.auth.v3.CheckResponse` of a decision about `request`. */
export function encodeDecision(decision: Decision, request: ClientView): Buffer {
  const writer = new FieldWriter();
  if (decision.outcome === 'allow') {
    writeMetadata(writer, 'allow', 'ok', decision.facts, overwritten(decision, request));
    writer.message(3, () => {
      writeHeaders(writer, 6, decision.responseHeaders, true);
      for (let i = decision.removeHeaders.length - 1; i >= 0; i--) writer.text(5, decision.removeHeaders[i]!);
      writeHeaders(writer, 2, decision.setHeaders, false);
    });
    writer.message(1, () => writer.varint(1, OK));
    return writer.finish();
  }
  const { reason, facts, headers, body } = decision;
  const status = errorStatus(decision.status);
  writeMetadata(writer, 'deny', reason, facts);
  writer.message(2, () => {
    writer.text(3, body);
    writeHeaders(writer, 2, headers, false);
    writer.message(1, () => writer.varint(1, status));
  });
  writer.message(1, () => writer.varint(1, denialCode(reason, status)));
  return writer.finish();
}
