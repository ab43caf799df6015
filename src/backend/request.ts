import type { WireRequest } from '../signature/dialect.js';

/** A request as Node has it from the wire, with the body that was read from it. */
export interface GatewayRequest {
  readonly method?: string | undefined;
  /** Path and query as received: `request.url`, or Express's `request.originalUrl`, never a decoded form. */
  readonly url?: string | undefined;
  /** `request.rawHeaders`: name, value, name, value, repeats kept. `request.headers` has lost the repeats. */
  readonly rawHeaders: readonly string[];
  /**
   * The bytes of the body before any parser or decompression; empty if there was none. `undefined` = not read,
   * which only `body: 'Streamed'` accepts.
   */
  readonly body?: Uint8Array | undefined;
}

/** Node's raw headers as wire headers. Over HTTP/2 `:authority` stands for Host; a Host that differs stays a second one. */
function wireHeaders(rawHeaders: readonly string[]): (readonly [string, string])[] {
  const headers: (readonly [string, string])[] = [];
  let authority: string | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (name === ':authority') authority = rawHeaders[i + 1]!;
    else if (!name.startsWith(':')) headers.push([name, rawHeaders[i + 1]!]);
  }
  if (authority !== undefined && !headers.some(([name, value]) => name === 'host' && value === authority)) {
    headers.push(['host', authority]);
  }
  return headers;
}

/** `undefined` where a part is missing or is not what the wire carries, e.g. a parsed body. */
export function wireRequest({ method, url, rawHeaders, body }: GatewayRequest): WireRequest | undefined {
  if (typeof method !== 'string' || typeof url !== 'string' || !Array.isArray(rawHeaders)) return undefined;
  if (body !== undefined && !(body instanceof Uint8Array)) return undefined;
  return { method, target: url, headers: wireHeaders(rawHeaders), body };
}
