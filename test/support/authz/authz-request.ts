/** Checks as Envoy would send them, from a short form: signed by one of our dialects, then perhaps altered. */
import { randomUUID } from 'node:crypto';
import { Redacted } from '../../../src/lib/redacted.js';
import type { CheckRequest } from '../../../src/authz/request.js';
import { dialectByName } from '../../../src/signature/dialects.js';
import type { DialectName } from '../../../src/signature/dialect.js';

type Header = readonly [name: string, value: string];

export interface RequestInput {
  readonly method?: string;
  readonly protocol?: string;
  readonly target: string;
  readonly headers?: readonly Header[];
  /** Text; signed and sent as UTF-8. `null`: not buffered. */
  readonly body?: string;
  readonly sign?: {
    readonly dialect: DialectName;
    readonly keyId: string;
    readonly secret: string;
    /** Seconds from the time of the check. */
    readonly atSeconds?: number;
    /** Names or values that are signed beside what the dialect signs by itself. */
    readonly headers?: readonly Header[];
  };
  readonly alter?: readonly Alteration[];
  readonly route?: string;
  readonly sourceAddress?: string;
  readonly authority?: string;
  readonly partialBody?: boolean;
  readonly rawHeaders?: boolean;
  readonly gatewayFault?: string;
  readonly requestId?: string;
  readonly streamToken?: string;
}

/** What an attacker does to a signed request. */
export type Alteration =
  | { readonly replaceInAuthorization: readonly [from: string, to: string] }
  | { readonly authorization: string }
  | { readonly add: Header }
  | { readonly addFirst: Header }
  | { readonly remove: string }
  | { readonly set: Header }
  | { readonly method: string }
  | { readonly target: string }
  | { readonly body: string }
  | { readonly signature: SignatureChange };

export type SignatureChange =
  'empty' | 'cut' | 'doubled' | 'upper-case' | 'trailing junk' | { readonly flipBit: number };

/** The MAC in an Authorization value: `Signature=…` of JDCloud and Huawei, `signature="…"` of Tencent. */
const MAC = /(Signature=|signature=")([^",]*)/;

function changeMac(mac: string, change: SignatureChange): string {
  if (typeof change === 'object') {
    const encoding = /^[0-9a-f]+$/.test(mac) && mac.length === 64 ? 'hex' : 'base64';
    const bytes = Buffer.from(mac, encoding);
    bytes[change.flipBit >> 3]! ^= 1 << (change.flipBit & 7);
    return bytes.toString(encoding);
  }
  switch (change) {
    case 'empty':
      return '';
    case 'cut':
      return mac.slice(0, -2);
    case 'doubled':
      return mac + mac;
    case 'upper-case':
      return mac.toUpperCase();
    case 'trailing junk':
      return `${mac}!`;
  }
}

interface Draft {
  method: string;
  target: string;
  headers: Header[];
  body: string;
}

function alter(draft: Draft, alteration: Alteration): void {
  const mapAuthorization = (change: (value: string) => string): void => {
    draft.headers = draft.headers.map(([name, value]) => [name, name === 'authorization' ? change(value) : value]);
  };
  if ('replaceInAuthorization' in alteration) {
    const [from, to] = alteration.replaceInAuthorization;
    mapAuthorization((value) => value.replace(from, to));
  } else if ('authorization' in alteration) mapAuthorization(() => alteration.authorization);
  else if ('signature' in alteration)
    mapAuthorization((value) =>
      value.replace(MAC, (_, start: string, mac: string) => start + changeMac(mac, alteration.signature)),
    );
  else if ('add' in alteration) draft.headers.push(alteration.add);
  else if ('addFirst' in alteration) draft.headers.unshift(alteration.addFirst);
  else if ('remove' in alteration) draft.headers = draft.headers.filter(([name]) => name !== alteration.remove);
  else if ('set' in alteration)
    draft.headers = [...draft.headers.filter(([name]) => name !== alteration.set[0]), alteration.set];
  else Object.assign(draft, alteration);
}

/** A Check at `nowMs`. `random` makes nonces and stream ids; the same text every time replays. */
export function buildRequest(input: RequestInput, nowMs: number, random: () => string = randomUUID): CheckRequest {
  const authority = input.authority ?? 'api.example.com';
  const draft: Draft = {
    method: input.method ?? 'GET',
    target: input.target,
    headers: [['host', authority], ...(input.headers ?? [])],
    body: input.body ?? '',
  };
  if (input.sign) {
    const { dialect, keyId, secret, atSeconds = 0, headers = [] } = input.sign;
    draft.headers.push(...headers);
    const signed = dialectByName(dialect).sign(
      {
        method: draft.method,
        target: draft.target,
        host: authority,
        signHeaders: headers,
        contentType: draft.headers.find(([name]) => name === 'content-type')?.[1],
        body: Buffer.from(draft.body),
      },
      { keyId, secret: new Redacted(secret) },
      { nowMs: nowMs + atSeconds * 1000, nonce: random(), requestId: 'client' },
    );
    draft.headers.push(...signed);
  }
  for (const alteration of input.alter ?? []) alter(draft, alteration);
  const body = Buffer.from(draft.body);
  const hasLength = draft.headers.some(([name]) => name === 'content-length');
  return {
    method: draft.method,
    target: draft.target,
    headers:
      body.length > 0 && !hasLength ? [...draft.headers, ['content-length', String(body.length)]] : draft.headers,
    body,
    authority,
    protocol: input.protocol ?? 'HTTP/1.1',
    sourceAddress: input.sourceAddress ?? '192.0.2.7',
    route: input.route ?? 'orders-release',
    partialBody: input.partialBody ?? false,
    rawHeaders: input.rawHeaders ?? true,
    gatewayFault: input.gatewayFault,
    requestId: input.requestId ?? 'request-1',
    streamToken: input.streamToken ?? random(),
  };
}
