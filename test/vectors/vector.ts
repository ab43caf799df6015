/** Captured requests of every vendor in one shape. Where the files differ in form is settled here, what their labels mean in labels.ts. */
import { existsSync, readFileSync } from 'node:fs';
import type { DialectName, WireRequest } from '../../src/signature/dialect.js';
import { parseCompactDate } from '../../src/signature/wire.js';

export interface Vector {
  readonly name: string;
  readonly dialect: DialectName;
  /** Who made the request: package and version, or how it was derived. */
  readonly source: string;
  readonly keyId: string;
  readonly secret: string;
  readonly request: WireRequest;
  readonly nowMs: number;
  /** As the client computed them; latin1 like all wire text. */
  readonly canonicalRequest?: string;
  readonly stringToSign?: string;
  /** What the file says of the outcome, in its own words; a row of labels.ts. */
  readonly label: string;
  /** The vendor's documented text for a refusal, where the file has it. */
  readonly message?: string;
}

interface FileVector {
  readonly name: string;
  readonly sdk?: string;
  readonly source?: string;
  readonly sdkVersion?: string;
  readonly version?: string;
  readonly scheme?: string;
  readonly flavour?: string;
  readonly accessKey?: string;
  readonly secretKey?: string;
  readonly keyId?: string;
  readonly secret?: string;
  readonly now: string;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body?: string;
  readonly bodyBase64?: string;
  readonly bodyEncoding?: 'utf8' | 'base64';
  readonly canonicalRequest?: string;
  readonly stringToSign?: string;
  readonly wireVerifiable?: boolean;
  readonly bodySigned?: boolean;
  readonly profile?: string;
  readonly expectMessage?: string;
  readonly expect?: 'reject' | { readonly valid: boolean; readonly mode?: string; readonly code?: string; readonly message?: string };
}

interface VectorFile {
  readonly vectors: readonly FileVector[];
  readonly negatives?: readonly FileVector[];
}

function readVectorFile(file: string): VectorFile {
  const url = new URL(file, import.meta.url);
  if (!existsSync(url)) return { vectors: [] };
  return JSON.parse(readFileSync(url, 'utf8')) as VectorFile;
}

function requestOf(vector: FileVector): WireRequest {
  const headers: [string, string][] = [];
  for (const [name, value] of vector.headers) {
    if (name === ':authority') headers.push(['host', value]);
    else if (!name.startsWith(':')) headers.push([name.toLowerCase(), trimOptionalWhiteSpace(value)]);
  }
  const encoding = vector.bodyEncoding ?? 'utf8';
  const body = vector.bodyBase64 ? Buffer.from(vector.bodyBase64, 'base64') : Buffer.from(vector.body ?? '', encoding);
  return { method: vector.method, target: vector.target, headers, body };
}

/** Envoy trims field values; the files hold them untouched. */
const trimOptionalWhiteSpace = (value: string): string => value.replace(/^[ \t]+|[ \t]+$/g, '');

const timeOf = (now: string): number => parseCompactDate(now) ?? Date.parse(now);

/** The files hold texts as characters; we compare bytes. */
const wireText = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

function vectorOf(dialect: DialectName, vector: FileVector, label: string, message: string | undefined): Vector {
  return {
    name: vector.name,
    dialect,
    source: [vector.sdk ?? vector.source, vector.sdkVersion ?? vector.version].filter(Boolean).join(' '),
    keyId: vector.accessKey ?? vector.keyId ?? '',
    secret: vector.secretKey ?? vector.secret ?? '',
    request: requestOf(vector),
    nowMs: timeOf(vector.now),
    ...(vector.canonicalRequest === undefined ? {} : { canonicalRequest: wireText(vector.canonicalRequest) }),
    ...(vector.stringToSign === undefined ? {} : { stringToSign: wireText(vector.stringToSign) }),
    label,
    ...(message === undefined ? {} : { message }),
  };
}

function jdcloudLabel(vector: FileVector): string {
  if (vector.wireVerifiable === false) return 'wireVerifiable:false';
  if (vector.bodySigned === false) return 'bodySigned:false';
  return `profile:${vector.profile}`;
}

function jdcloudVectors(): Vector[] {
  const { vectors, negatives } = readVectorFile('jdcloud.json');
  return [
    ...vectors.map((vector) => vectorOf('JDCloud', vector, jdcloudLabel(vector), undefined)),
    ...(negatives ?? []).map((vector) => vectorOf('JDCloud', vector, `negative:${vector.name}`, vector.expectMessage)),
  ];
}

/** The two other files say `expect: {valid, mode, code}`. */
function expectVectors(file: string, dialectOf: (vector: FileVector) => DialectName | undefined): Vector[] {
  return readVectorFile(file).vectors.flatMap((vector) => {
    const dialect = dialectOf(vector);
    if (!dialect || typeof vector.expect !== 'object') return [];
    const { valid, mode, code, message } = vector.expect;
    return [vectorOf(dialect, vector, valid ? `mode:${mode ?? 'default'}` : `code:${code}`, message)];
  });
}

/** Every captured request that a dialect verifies. Basic and AES, which are for backends only, have suites of their own. */
export const VECTORS: readonly Vector[] = [
  ...jdcloudVectors(),
  ...expectVectors('huawei.json', ({ scheme }) => (scheme === 'sdk-hmac-sha256' ? 'Huawei' : undefined)),
  ...expectVectors('tencent.json', ({ flavour }) => (flavour === 'key-pair' ? 'Tencent' : 'TencentApplication')),
];
