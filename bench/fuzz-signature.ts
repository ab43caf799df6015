// Changes accepted requests at random and looks for a change that is still accepted, or an exception.
// Usage: npm run fuzz:signature [-- --requests 1000000 --seed 1]. The exit code is 1 on a finding.
import type { WireRequest } from '../src/signature/dialect.js';
import { byForm, judge, outcomeOf, readBases, type Base } from '../test/support/signing/signature-mutants.js';

const option = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const REQUESTS = option('requests', 1_000_000);
const SEED = option('seed', Date.now() % 2 ** 31);
const PROGRESS_EVERY = 100_000;
const TIME_LIMIT_MS = 8 * 60_000;
const MAX_SHOWN = 20;
const MAX_CHANGES = 4;

/** Mulberry32: the same requests for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
const random = randomNumbers(SEED);
const below = (count: number): number => Math.floor(random() * count);
const oneOf = <T>(list: readonly T[]): T => list[below(list.length)]!;

const TARGET_TOKENS = [
  '%25',
  '25',
  '%20',
  '%2F',
  '%2B',
  '%26',
  '%3D',
  '%3B',
  '%3F',
  '%00',
  '%zz',
  '%',
  '+',
  '&',
  '=',
  ';',
  ':',
  '/',
  '//',
  '/.',
  '?',
  '#',
  'a',
  '%E4',
  '\u00e9',
];
const VALUE_TOKENS = [
  ' ',
  '  ',
  '\t',
  ',',
  ', ',
  ';',
  ':',
  '"',
  'a',
  '0',
  '\u00a0',
  '\u00c3\u00a9',
  '\u00e9',
  'UNSIGNED-PAYLOAD',
];
const CREDENTIAL_TOKENS = [
  ',',
  ', ',
  ' ',
  '=',
  '/',
  ';',
  '"',
  'host',
  'x-date',
  'Signature=',
  'headers="',
  'hmac ',
  '0',
  'f',
  'F',
  '\u00e9',
  '==',
];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'get', 'TRACE', 'PROPFIND'];
const HEADER_NAMES = [
  'host',
  'content-type',
  'accept',
  'content-md5',
  'digest',
  'date',
  'x-date',
  'source',
  'x-sdk-date',
  'x-sdk-content-sha256',
  'x-jdcloud-date',
  'x-jdcloud-nonce',
  'x-jdcloud-content-sha256',
  'x-jdcloud-security-token',
  'authorization',
  'proxy-authorization',
  'x-other',
];
const COMPATIBILITY = ['Vendor', 'Vendor', 'Vendor', 'Strict'] as const;
const BODY_MODES = ['Declared', 'Declared', 'Signed', 'Streamed'] as const;

function changedText(text: string, tokens: readonly string[]): string {
  const at = below(text.length + 1);
  const until = Math.min(text.length, at + 1 + below(4));
  switch (below(7)) {
    case 0:
      return text.slice(0, at) + oneOf(tokens) + text.slice(at);
    case 1:
      return text.slice(0, at) + oneOf(tokens) + text.slice(until);
    case 2:
      return text.slice(0, at) + text.slice(until);
    case 3:
      return text.slice(0, until) + text.slice(at, until) + text.slice(until);
    case 4:
      return text.slice(0, at) + String.fromCharCode(below(0xe0) + 0x20) + text.slice(at + 1);
    case 5: {
      // What decodes or encodes to the same byte is the likeliest to be taken for it.
      const code = text.charCodeAt(at) || 0x61;
      return `${text.slice(0, at)}%${code.toString(16).padStart(2, '0')}${text.slice(at + 1)}`;
    }
    default:
      return (
        text.slice(0, at) +
        text.slice(at).replace(/%([0-9a-fA-F]{2})/, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
      );
  }
}

function changedHeaders(headers: WireRequest['headers'], other: Base): WireRequest['headers'] {
  // Several changes may have taken every header away.
  if (headers.length === 0) return [[oneOf(HEADER_NAMES), oneOf(VALUE_TOKENS)]];
  const at = below(headers.length);
  const [name, value] = headers[at]!;
  const put = (...added: (readonly [string, string])[]) => [
    ...headers.slice(0, at),
    ...added,
    ...headers.slice(at + 1),
  ];
  switch (below(8)) {
    case 0:
      return put();
    case 1:
      return put([name, value], [name, value]);
    case 2:
      return put([oneOf(HEADER_NAMES), value]);
    case 3:
      return [...headers, [oneOf(HEADER_NAMES), oneOf(VALUE_TOKENS)]];
    case 4:
      return put(oneOf(other.request.headers));
    default:
      return put([name, changedText(value, name === 'authorization' ? CREDENTIAL_TOKENS : VALUE_TOKENS)]);
  }
}

function changed(request: WireRequest, other: Base): WireRequest {
  switch (below(12)) {
    case 0:
      return { ...request, method: oneOf(METHODS) };
    case 1:
      return { ...request, target: other.request.target };
    case 2:
    case 3:
    case 4:
    case 5:
      return { ...request, target: changedText(request.target, TARGET_TOKENS) };
    case 6:
      return { ...request, body: other.request.body };
    case 7: {
      const body = Buffer.from(request.body ?? []).toString('latin1');
      return { ...request, body: Buffer.from(changedText(body, TARGET_TOKENS), 'latin1') };
    }
    default:
      return { ...request, headers: changedHeaders(request.headers, other) };
  }
}

const bases = readBases();
const forms = byForm(bases);
// What Strict refuses unchanged was signed in a form that Strict reads as another request.
const strictBases = new Set(
  bases.filter((base) => judge(base, base.request, { ...base.options, compatibility: 'Strict' })?.ok),
);
const bySchemes = new Map<string, Base[]>();
for (const base of bases) bySchemes.set(base.scheme, [...(bySchemes.get(base.scheme) ?? []), base]);
const schemes = [...bySchemes.keys()];
const counts = new Map(
  schemes.map((scheme) => [scheme, { requests: 0, refused: 0, same: 0, findings: 0, exceptions: 0 }]),
);

function report(base: Base, request: WireRequest, what: string): void {
  const { body, ...rest } = request;
  console.log(`FINDING in ${base.scheme}, from ${base.name}: ${what}`);
  console.log(JSON.stringify({ ...rest, bodyBase64: Buffer.from(body ?? []).toString('base64') }));
}

console.log(`${REQUESTS} requests from ${bases.length} accepted ones of ${schemes.join(', ')}; seed ${SEED}`);
const started = performance.now();
let shown = 0;
let done = 0;
for (; done < REQUESTS; done++) {
  const scheme = schemes[done % schemes.length]!;
  const base = oneOf(bySchemes.get(scheme)!);
  const count = counts.get(scheme)!;
  let request = base.request;
  for (let changes = 1 + below(MAX_CHANGES); changes > 0; changes--) request = changed(request, oneOf(bases));
  const bodyMode = oneOf(BODY_MODES);
  if (bodyMode === 'Streamed' && below(2) === 0) request = { ...request, body: undefined };
  const compatibility = strictBases.has(base) ? oneOf(COMPATIBILITY) : 'Vendor';
  const options = { ...base.options, compatibility, body: bodyMode };
  count.requests++;
  try {
    const outcome = outcomeOf(base, request, options, forms);
    if (outcome === 'refused' || outcome === 'same') {
      count[outcome]++;
    } else {
      count.findings++;
      if (++shown <= MAX_SHOWN) report(base, request, outcome.finding);
    }
  } catch (error) {
    count.exceptions++;
    if (++shown <= MAX_SHOWN) report(base, request, String(error));
  }
  if ((done + 1) % PROGRESS_EVERY === 0) {
    const seconds = (performance.now() - started) / 1000;
    console.log(`${done + 1} requests, ${seconds.toFixed(0)} s, ${Math.round((done + 1) / seconds)} a second`);
    if (seconds * 1000 > TIME_LIMIT_MS) break;
  }
}

console.log('scheme              requests   refused      same  findings  exceptions');
for (const [scheme, count] of counts) {
  const cells = [count.requests, count.refused, count.same, count.findings, count.exceptions];
  console.log(scheme.padEnd(18) + cells.map((cell) => String(cell).padStart(10)).join(''));
}
const all = [...counts.values()];
const found = all.reduce((sum, { findings, exceptions }) => sum + findings + exceptions, 0);
const complete = done >= REQUESTS;
console.log(`${found} findings; seed ${SEED}${complete ? '' : `; stopped after ${done} requests for lack of time`}`);
// Too few requests, or schemes that nothing was accepted in, prove nothing.
if (found > 0 || !complete || schemes.length < 5) process.exitCode = 1;
