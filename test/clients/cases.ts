/** What every vendor client is asked to send. A path is below the group's base path, everything is text before any encoding. */

export interface ClientCase {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  /** A JSON body, for the client to serialise. */
  readonly json?: unknown;
  /** A body of bytes. */
  readonly bodyBase64?: string;
}

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('base64');

/** One column of the compatibility page each. */
export const CASES: readonly ClientCase[] = [
  {
    name: 'awkward query',
    method: 'GET',
    path: '/v1/items',
    query: [
      ['a b', 'c  d'],
      ['plus', '1+1'],
      ['名', 'é中😀'],
      ['empty', ''],
      ['A', '%41'],
      ['sub', "!'()*~,;:@$"],
    ],
  },
  {
    name: 'delimiters in a query value',
    method: 'GET',
    path: '/v1/items',
    query: [
      ['expression', 'a=b&c#d'],
      ['path', 'x/y?z'],
    ],
  },
  {
    name: 'repeated names',
    method: 'GET',
    path: '/v1/items',
    query: [
      ['id', '7'],
      ['id', '10'],
      ['id', '7'],
      ['z', '1'],
    ],
  },
  {
    name: 'POST JSON',
    method: 'POST',
    path: '/v1/items',
    query: [],
    contentType: 'application/json',
    json: { name: 'Zoë', tags: ['a/b', 'c+d'], n: 1.5 },
  },
  {
    name: 'POST binary',
    method: 'POST',
    path: '/v1/files',
    query: [],
    contentType: 'application/octet-stream',
    bodyBase64: ALL_BYTES,
  },
  { name: 'PUT without body', method: 'PUT', path: '/v1/items/7', query: [] },
  { name: 'unicode path', method: 'GET', path: '/v1/中文/café/😀', query: [] },
  { name: 'space in the path', method: 'GET', path: '/v1/two words', query: [] },
];

const BURST_REQUESTS = 50;
const BURST_SENDERS = 4;

/** Fifty requests, each of ten kinds five times: within one second equal ones are signed alike. */
export const BURST = {
  name: '50 in 1 s',
  senders: BURST_SENDERS,
  cases: Array.from({ length: BURST_REQUESTS }, (_, i): ClientCase => ({
    name: `burst ${i}`,
    method: 'GET',
    path: '/v1/items',
    query: [['n', String(i % 10)]],
  })),
};
