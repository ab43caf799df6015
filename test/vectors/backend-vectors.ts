/** Captures of what a gateway sends to a backend, as lines of `verify --stdin-json`: Basic, AES, and JD Cloud's backend signature. */
import { readFileSync } from 'node:fs';
import type { DenyReason } from '../../src/lib/reason.js';

interface FileVector {
  readonly name: string;
  readonly scheme?: string;
  readonly source?: string;
  readonly version?: string;
  readonly keyId?: string;
  readonly accessKey?: string;
  readonly secret?: string;
  readonly secretKey?: string;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: string;
  readonly bodyBase64?: string;
  readonly bodyEncoding?: BufferEncoding;
  readonly now?: string;
  readonly date?: string;
  readonly keyName?: string;
  readonly algorithm?: string;
  readonly canonicalRequest?: string;
  readonly stringToSign?: string;
  readonly expect?: { readonly valid: boolean; readonly code?: string };
}

export interface BackendVector {
  readonly name: string;
  readonly dialect: 'JDCloud' | 'Basic' | 'AES';
  /** As the table by source names it. */
  readonly source: string;
  /** One of `verify --stdin-json`. */
  readonly line: object;
  readonly verdict: { readonly valid: true } | { readonly valid: false; readonly reason: DenyReason };
  readonly canonicalRequest: string | undefined;
  readonly stringToSign: string | undefined;
}

/** A block of the cipher alone: no request, so nothing that the command could read. */
export interface CipherVector {
  readonly name: string;
  readonly source: string;
  readonly algorithm: 'aes-128-cfb' | 'aes-256-cfb';
  readonly keyHex: string;
  readonly ivHex: string;
  readonly plaintextHex: string;
  readonly ciphertextHex: string;
}

const REASONS: Readonly<Record<string, DenyReason>> = {
  'auth-format': 'malformed_credential',
  'key-unknown': 'unknown_key',
  mismatch: 'bad_signature',
};

const read = <T>(file: string): T => JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')) as T;
const huawei = read<{ readonly vectors: readonly (FileVector & CipherVector)[] }>('huawei.json').vectors;
const jdcloud = read<{ readonly backendVectors: readonly FileVector[] }>('jdcloud.json').backendVectors;

function verdictOf({ name, expect }: FileVector): BackendVector['verdict'] {
  // Those of JD Cloud's backend signature are all good.
  if (!expect || expect.valid) return { valid: true };
  const reason = REASONS[expect.code ?? ''];
  if (reason === undefined) throw new Error(`vector ${name}: no reason for code "${expect.code}"`);
  return { valid: false, reason };
}

const backendVector = (dialect: BackendVector['dialect'], source: string, vector: FileVector): BackendVector => ({
  name: vector.name,
  dialect,
  source,
  line: {
    name: vector.name,
    dialect,
    keyId: vector.accessKey ?? vector.keyId,
    secret: vector.secretKey ?? vector.secret,
    request: {
      method: vector.method,
      target: vector.target,
      headers: vector.headers,
      bodyBase64: vector.bodyBase64 ?? Buffer.from(vector.body ?? '', vector.bodyEncoding ?? 'utf8').toString('base64'),
    },
    ...(dialect === 'AES' ? { keyName: vector.keyName, algorithm: vector.algorithm } : {}),
    at: vector.now ?? vector.date,
  },
  verdict: verdictOf(vector),
  canonicalRequest: vector.canonicalRequest,
  stringToSign: vector.stringToSign,
});

const ofScheme = (scheme: string) => huawei.filter((vector) => vector.scheme === scheme);

export const BACKEND_VECTORS: readonly BackendVector[] = [
  ...jdcloud.map((vector) => backendVector('JDCloud', 'towards backends: by the documented steps', vector)),
  ...ofScheme('basic').map((vector) => backendVector('Basic', 'towards backends: RFC 7617', vector)),
  ...ofScheme('aes-profile-p1').map((vector) => backendVector('AES', 'towards backends: profile P1', vector)),
];

export const CIPHER_VECTORS: readonly CipherVector[] = ofScheme('aes-cfb128');
