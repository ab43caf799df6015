/**
 * `verify --stdin-json`: one request a line in, one verdict a line out, for other people's conformance runs.
 * A line that cannot be read is answered like any other, so that answers keep their count.
 */
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { guardRequest } from '../app/guard.js';
import { errorMessage } from '../lib/errors.js';
import { Redacted } from '../lib/redacted.js';
import type { DialectName, WireRequest } from '../signature/dialect.js';
import { explainRequest } from '../signature/explain.js';
import type { CommandIo } from './io.js';
import { readVerification } from './verification-options.js';

interface Line {
  readonly name: string;
  readonly dialect: DialectName;
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
  /** ISO 8601, or milliseconds since the epoch. */
  readonly at: string | number;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly environmentPath?: { readonly basePath: string; readonly segment: string };
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
  for await (const text of createInterface({ input: Readable.from(io.stdin), crlfDelay: Infinity })) {
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
    headers: line.request.headers.map(([name, value]) => [name.toLowerCase(), value]),
    body: Buffer.from(line.request.bodyBase64 ?? '', 'base64'),
  };
  const nowMs = typeof line.at === 'number' ? line.at : Date.parse(line.at);
  if (Number.isNaN(nowMs)) throw new TypeError('at must be a time');
  const { verdict, attempts } = explainRequest(
    request,
    readVerification({ dialects: [line.dialect], ...line.options }),
    line.environmentPath ? { environmentPath: line.environmentPath } : {},
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
