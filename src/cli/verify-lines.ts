/**
 * `verify --stdin-json`: one request a line in, one verdict a line out, for other people's conformance runs.
 * A line that cannot be read is answered like any other, so that answers keep their count.
 */
import { guardRequest } from '../app/guard.js';
import { errorMessage } from '../lib/errors.js';
import { readLines } from '../lib/read-lines.js';
import { Redacted } from '../lib/redacted.js';
import { aes, type AesAlgorithm } from '../signature/aes/scheme.js';
import { basic } from '../signature/basic/scheme.js';
import type { DialectName, VerificationContext, WireRequest } from '../signature/dialect.js';
import { explainRequest } from '../signature/explain.js';
import { parseCompactDate } from '../signature/wire.js';
import type { CommandIo } from './io.js';
import { readVerification } from './options/verification-options.js';

interface Line {
  readonly name: string;
  /** Basic and AES are schemes towards a backend. */
  readonly dialect: DialectName | 'Basic' | 'AES';
  /** AES: the cipher key; `secret` is its vector. */
  readonly keyId: string;
  readonly secret: string;
  readonly request: {
    readonly method: string;
    readonly target: string;
    readonly httpVersion?: string;
    /** One latin1 character per wire byte. */
    readonly headers: readonly (readonly [name: string, value: string])[];
    readonly bodyBase64?: string;
  };
  /** ISO 8601, its basic form as the credentials write it (`20240305T080910Z`), or milliseconds since the epoch. */
  readonly at?: string | number;
  readonly options?: Readonly<Record<string, unknown>>;
  /** Path down to the environment's segment, which TencentApplication does not sign: `release`, `/orders/release`. */
  readonly environmentPath?: string | { readonly basePath: string; readonly segment: string };
  /** AES only: what the credential calls the key. */
  readonly keyName?: string;
  readonly algorithm?: string;
}

interface Verdict {
  readonly name: string;
  readonly valid: boolean;
  readonly profile?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly guard?: string;
  readonly canonicalRequest?: string;
  readonly stringToSign?: string;
}

export async function verifyLines(io: CommandIo): Promise<void> {
  for await (const text of readLines(io.stdin, { unfinished: 'keep' })) {
    if (text.trim() !== '') io.stdout(`${JSON.stringify(verifyLine(text))}\n`);
  }
}

function verifyLine(text: string): Verdict {
  let name = '';
  try {
    const line = JSON.parse(text) as Line;
    name = line.name;
    return judge(line);
  } catch (error) {
    return { name, valid: false, reason: 'invalid_line', message: errorMessage(error) };
  }
}

function judge(line: Line): Verdict {
  const request: WireRequest = {
    method: line.request.method,
    target: line.request.target,
    headers: wireHeaders(line.request.headers),
    body: Buffer.from(line.request.bodyBase64 ?? '', 'base64'),
  };
  const nowMs = timeOf(line.at);
  // Basic has no date.
  if (Number.isNaN(nowMs) && line.dialect !== 'Basic') throw new TypeError('at must be a time');
  if (line.dialect === 'Basic' || line.dialect === 'AES') return judgeBackendScheme(line, request, nowMs);
  const { verdict, attempts } = explainRequest(
    request,
    readVerification({ dialects: [line.dialect], ...line.options }),
    contextOf(line.environmentPath),
    (id) => (id === line.keyId ? { keyId: id, secrets: [{ secret: new Redacted(line.secret) }] } : undefined),
    nowMs,
  );
  const guard = guardRequest(request);
  const attempt = attempts.find((each) => each.matches) ?? attempts[0];
  return {
    name: line.name,
    valid: verdict.ok,
    ...(verdict.ok ? { profile: verdict.profile } : { reason: verdict.reason, message: verdict.detail }),
    ...(guard === undefined ? {} : { guard }),
    ...(attempt?.canonicalRequest === undefined ? {} : { canonicalRequest: attempt.canonicalRequest }),
    ...(attempt ? { stringToSign: attempt.stringToSign } : {}),
  };
}

function timeOf(at: Line['at']): number {
  return typeof at === 'number' ? at : (parseCompactDate(at ?? '') ?? Date.parse(at ?? ''));
}

function contextOf(path: Line['environmentPath']): VerificationContext {
  if (path === undefined || path === '') return {};
  if (typeof path !== 'string') return { environmentPath: path };
  const segments = path.split('/').filter((segment) => segment !== '');
  const segment = segments.pop();
  return segment === undefined ? {} : { environmentPath: { basePath: `/${segments.join('/')}`, segment } };
}

/** Over HTTP/2 the host is `:authority`; other pseudo headers are the request line. */
function wireHeaders(headers: Line['request']['headers']): [name: string, value: string][] {
  const lower = headers.map(([name, value]): [string, string] => [name.toLowerCase(), value]);
  const hasHost = lower.some(([name]) => name === 'host');
  return lower.flatMap(([name, value]): [string, string][] => {
    if (name === ':authority' && !hasHost) return [['host', value]];
    return name.startsWith(':') ? [] : [[name, value]];
  });
}

const AES_ALGORITHMS: Readonly<Record<string, AesAlgorithm>> = {
  AES128CFB: 'AES128CFB',
  AES256CFB: 'AES256CFB',
  'aes-128-cfb': 'AES128CFB',
  'aes-256-cfb': 'AES256CFB',
};

function judgeBackendScheme(line: Line, request: WireRequest, nowMs: number): Verdict {
  const authorization = request.headers.find(([name]) => name === 'authorization')?.[1];
  if (authorization === undefined) return { name: line.name, valid: false, reason: 'missing_credential' };
  const { maxClockSkewMs } = readVerification({ dialects: ['Huawei'], ...line.options });
  const check = { nowMs, maxClockSkewMs };
  let result;
  if (line.dialect === 'Basic') {
    result = basic.verify(authorization, request, [{ keyId: line.keyId, secret: new Redacted(line.secret) }], check);
  } else {
    const algorithm = AES_ALGORITHMS[line.algorithm ?? ''];
    if (algorithm === undefined || line.keyName === undefined) throw new TypeError('AES needs keyName and algorithm');
    const key = { name: line.keyName, algorithm, key: new Redacted(line.keyId), vector: new Redacted(line.secret) };
    result = aes.verify(authorization, request, [key], check);
  }
  if (!result.ok) return { name: line.name, valid: false, reason: result.reason, message: result.detail };
  return {
    name: line.name,
    valid: true,
    ...(result.canonicalRequest === undefined ? {} : { canonicalRequest: result.canonicalRequest }),
    ...(result.stringToSign === undefined ? {} : { stringToSign: result.stringToSign }),
  };
}
