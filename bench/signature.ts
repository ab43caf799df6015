// CPU of one verification and one signature per dialect: a canonical text of 500 bytes, caches warm, one core.
import { Redacted } from '../src/lib/redacted.js';
import type { Dialect, OutgoingRequest, VerificationContext, WireRequest } from '../src/signature/dialect.js';
import { DIALECTS } from '../src/signature/dialects.js';
import { DEFAULT_VERIFICATION } from '../src/signature/options.js';
import { verifyRequest } from '../src/signature/verify.js';

const CANONICAL_BYTES = 500;
const WARM_UP = 20_000;
const ROUNDS = 7;
const PER_ROUND = 20_000;
const GOAL_MICROSECONDS = 15;

const nowMs = Date.UTC(2024, 5, 1);
const key = { keyId: 'AKBENCH0123456789', secret: new Redacted('0123456789abcdefghijklmnopqrstuv') };
const verificationKey = { keyId: key.keyId, secrets: [{ secret: key.secret }] };
const context: VerificationContext = {};

function outgoing(padding: number): OutgoingRequest {
  return {
    method: 'POST',
    target: '/orders/v1/orders?limit=20&page=3&sort=created',
    host: 'api.example.com',
    signHeaders: [
      ['x-countersign-api', 'shop/orders/create-order'],
      ['x-padding', 'p'.repeat(padding)],
    ],
    contentType: 'application/json',
    body: Buffer.from('{"item":"a","count":1}'),
  };
}

function sign(dialect: Dialect, request: OutgoingRequest) {
  return dialect.sign(request, key, { nowMs, nonce: 'c0ffee00-0000-4000-8000-000000000000', requestId: 'r-1' });
}

function received(dialect: Dialect, request: OutgoingRequest): WireRequest {
  const headers = new Map([
    ['host', request.host],
    ['user-agent', 'bench/1'],
    ['accept-encoding', 'gzip'],
    ['content-type', request.contentType!],
    ...request.signHeaders,
    ...sign(dialect, request),
  ]);
  return { method: request.method, target: request.target, headers: [...headers], body: request.body };
}

const optionsOf = (dialect: Dialect) => ({ ...DEFAULT_VERIFICATION, dialects: [dialect.name] });

function verify(dialect: Dialect, request: WireRequest, options = optionsOf(dialect)) {
  const verification = verifyRequest(request, options, context, () => verificationKey, nowMs);
  if (!verification.ok) throw new Error(`${dialect.name}: ${verification.reason}`);
  return verification;
}

/** A request whose canonical text has 500 bytes, or more where the scheme's least is more. */
function paddedRequest(dialect: Dialect): { readonly request: OutgoingRequest; readonly bytes: number } {
  const textOf = (request: OutgoingRequest): string => {
    const { canonicalRequest, stringToSign } = verify(dialect, received(dialect, request));
    return canonicalRequest ?? stringToSign;
  };
  const request = outgoing(Math.max(0, CANONICAL_BYTES - textOf(outgoing(0)).length));
  return { request, bytes: textOf(request).length };
}

/** Least CPU of several rounds, in µs a call: what the work costs without the machine's other work. */
function measure(work: () => void): number {
  for (let i = 0; i < WARM_UP; i++) work();
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < PER_ROUND; i++) work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / PER_ROUND);
  }
  return least;
}

console.log(`CPU µs per request (goal: verify + sign ≤ ${GOAL_MICROSECONDS})`);
console.log('dialect              bytes  verify    sign     sum');
for (const dialect of DIALECTS) {
  const { request, bytes } = paddedRequest(dialect);
  const wire = received(dialect, request);
  const options = optionsOf(dialect);
  const verifying = measure(() => verify(dialect, wire, options));
  const signing = measure(() => sign(dialect, request));
  const cells = [verifying, signing, verifying + signing].map((n) => n.toFixed(1).padStart(6)).join('  ');
  console.log(`${dialect.name.padEnd(20)} ${String(bytes).padStart(5)}  ${cells}`);
}
