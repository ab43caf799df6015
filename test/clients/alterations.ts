/** One byte or more changed in a request that a client signed: everything an attacker on the way could try, part by part. */
import { headerOf, type WireRequest } from './recorded.js';

export interface Alteration {
  /** `method`, `path`, `query`, `body`, `key id`, `signature`, `signed list` or a header name. */
  readonly part: string;
  readonly what: string;
  readonly request: WireRequest;
}

/** Headers worth a change even where a client does not sign them. */
const ALWAYS = ['host', 'content-type', 'x-jdcloud-date', 'x-jdcloud-nonce', 'x-sdk-date'];

/** @param also headers to change beside those of the list. */
export function alterationsOf(request: WireRequest, also: readonly string[] = []): Alteration[] {
  const { method, target, body } = request;
  const [path = '', query] = target.split(/\?(.*)/s);
  const authorization = headerOf(request, 'authorization') ?? '';
  const withAuthorization = (value: string): WireRequest => withHeader(request, 'authorization', value);
  const list: Alteration[] = [
    { part: 'method', what: 'another method', request: { ...request, method: method === 'PUT' ? 'POST' : 'PUT' } },
    { part: 'path', what: 'a letter more', request: { ...request, target: target.replace(path, `${path}x`) } },
    { part: 'path', what: 'another letter', request: { ...request, target: target.replace('/v1/', '/v2/') } },
    {
      part: 'query',
      what: 'a parameter more',
      request: { ...request, target: `${path}?${query ? `${query}&` : ''}admin=1` },
    },
    { part: 'body', what: 'a byte more', request: withBody(request, Buffer.concat([body, Buffer.from('x')])) },
    {
      part: 'key id',
      what: 'another key id',
      request: withAuthorization(authorization.replace(/(Credential=|Access=|id=")./, '$1Z')),
    },
    {
      part: 'signature',
      what: 'another signature',
      request: withAuthorization(
        authorization.replace(
          /(signature="?)(.)/i,
          (_, name: string, digit: string) => name + (digit === 'a' ? 'b' : 'a'),
        ),
      ),
    },
    {
      part: 'signed list',
      what: 'a header less in the list',
      request: withAuthorization(authorization.replace(/((?:SignedHeaders|headers)="?)[^; ",]+[; ]?/, '$1')),
    },
  ];
  if (query) {
    list.push({ part: 'query', what: 'a longer value', request: { ...request, target: `${target}x` } });
    list.push({ part: 'query', what: 'no query', request: { ...request, target: path } });
  }
  if (body.length > 0) {
    const flipped = Buffer.from(body);
    flipped[body.length >> 1]! ^= 1;
    list.push({ part: 'body', what: 'one bit', request: withBody(request, flipped) });
    list.push({ part: 'body', what: 'no body', request: withBody(request, Buffer.alloc(0)) });
  }
  for (const name of new Set([...signedNames(authorization), ...ALWAYS, ...also])) {
    const value = headerOf(request, name);
    if (value !== undefined)
      list.push({ part: name, what: 'another value', request: withHeader(request, name, otherValue(name, value)) });
  }
  return list;
}

/** Names in SignedHeaders (JD Cloud, Huawei) or headers (Tencent), lower case. */
export const signedNames = (authorization: string): string[] =>
  (/(?:SignedHeaders=|headers=")([^,"]+)/.exec(authorization)?.[1] ?? '').toLowerCase().split(/[; ]/);

function otherValue(name: string, value: string): string {
  if (name === 'host') return value.replace('127.0.0.1', 'localhost'); // the group serves both names
  if (name === 'content-type') return 'text/plain';
  if (name === 'date' || name === 'x-date') return new Date(Date.parse(value) + 1000).toUTCString();
  if (/^x-(sdk|jdcloud)-date$/.test(name)) return value.replace(/.(?=Z$)/, (digit) => String((Number(digit) + 1) % 10));
  return value.slice(0, -1) + (value.endsWith('0') ? '1' : '0');
}

export const withHeader = (request: WireRequest, name: string, value: string): WireRequest => ({
  ...request,
  headers: request.headers.map(([each, old]) => [each, each.toLowerCase() === name ? value : old] as const),
});

const withBody = (request: WireRequest, body: Buffer): WireRequest => ({
  ...request,
  headers: [
    ...request.headers.filter(([name]) => !/^(content-length|transfer-encoding)$/i.test(name)),
    ['Content-Length', String(body.length)],
  ],
  body,
});
