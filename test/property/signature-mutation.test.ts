/** Each covered place of each accepted request, changed in every way that one byte can be; none may be accepted. */
import { describe, expect, test } from '@jest/globals';
import type { Verification, WireRequest } from '../../src/signature/dialect.js';
import { DIALECTS } from '../../src/signature/dialects.js';
import {
  changedTexts,
  judge,
  outcomeOf,
  readBases,
  withHeader,
  type Base,
} from '../support/signing/signature-mutants.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'get', 'Post', 'GETX', ''];
const TARGET_BYTES = ['%', '+', '&', '=', '/', ';', '?', 'a', '%20', '%25', '%26'];
const VALUE_BYTES = [' ', '\t', ',', 'a', '0', '\u00e9', '\u00a0'];
const CREDENTIAL_BYTES = [' ', ',', '/', 'a', '0', '\u00e9'];
const BODY_BYTES = ['\0', ' ', '&', '=', 'a', '\u00ff'];

function* mutantsOf(base: Base): Generator<readonly [place: string, request: WireRequest]> {
  const { request } = base;
  for (const method of METHODS) if (method !== request.method) yield ['method', { ...request, method }];
  for (const target of changedTexts(request.target, TARGET_BYTES)) yield ['target', { ...request, target }];
  for (const [i, [name, value]] of request.headers.entries()) {
    const isCredential = name === 'authorization';
    if (!isCredential && !base.signedHeaders.includes(name)) continue;
    const place = isCredential ? 'credential' : 'signed header';
    for (const text of changedTexts(value, isCredential ? CREDENTIAL_BYTES : VALUE_BYTES)) {
      yield [place, withHeader(request, i, text)];
    }
    yield [place, { ...request, headers: request.headers.filter((_, at) => at !== i) }];
    yield [place, { ...request, headers: [...request.headers, [name, `${value}x`]] }];
    yield [place, { ...request, headers: [[name, `x${value}`], ...request.headers] }];
    yield [place, { ...request, headers: request.headers.map(([n, v], at) => [at === i ? `${n}x` : n, v]) }];
  }
  const body = Buffer.from(request.body ?? []).toString('latin1');
  for (const text of changedTexts(body.slice(0, 512), BODY_BYTES)) {
    yield ['body', { ...request, body: Buffer.from(text + body.slice(512), 'latin1') }];
  }
  for (const shiftMs of [...WITHIN_MS, ...BEYOND_MS]) {
    const moved = withDate(base, shiftMs);
    if (moved) yield ['date', moved];
  }
}

/** Off the clock by less and by more than a date may be; clients write whole seconds. */
const WITHIN_MS = [-899_000, 899_000];
const BEYOND_MS = [-901_000, 901_000, -86_400_000, 86_400_000];

/** The signed date replaced by another one, as the client writes it; `undefined` where no header with a date is signed. */
function withDate({ request, signedHeaders, nowMs }: Base, shiftMs: number): WireRequest | undefined {
  const name = signedHeaders.find((each) => each.endsWith('date'));
  const at = request.headers.findIndex(([each]) => each === name);
  if (at < 0) return undefined;
  const other = new Date(Math.floor(nowMs / 1000) * 1000 + shiftMs);
  const isCompact = /^\d{8}T\d{6}Z$/.test(request.headers[at]![1]);
  return withHeader(request, at, isCompact ? other.toISOString().replace(/[-:]|\.000/g, '') : other.toUTCString());
}

const BASES = readBases();
const PLACES = ['method', 'target', 'signed header', 'credential', 'body', 'date'];

describe.each(DIALECTS.map(({ name }) => name))('%s', (dialect) => {
  test('of more than 5,000 changes to what is covered none is accepted', () => {
    const findings: string[] = [];
    const refused = new Map(PLACES.map((place) => [place, 0]));
    for (const base of BASES.filter(({ options }) => options.dialects[0] === dialect)) {
      for (const [place, request] of mutantsOf(base)) {
        const outcome = outcomeOf(base, request);
        if (outcome === 'refused') refused.set(place, refused.get(place)! + 1);
        else if (outcome !== 'same') findings.push(`${base.name}, ${place}: ${outcome.finding}`);
      }
    }
    expect(findings.slice(0, 10)).toEqual([]);
    expect(PLACES.filter((place) => refused.get(place) === 0)).toEqual([]);
    expect([...refused.values()].reduce((sum, count) => sum + count)).toBeGreaterThan(5_000);
  });

  test('a date beyond the window is clock_skew for who signed it, and bad_signature for who wrote it in', () => {
    const reasonOf = (verification: Verification | undefined): string =>
      verification?.ok ? 'accepted' : (verification?.reason ?? 'not judged');
    const bases = BASES.filter(({ options }) => options.dialects[0] === dialect);
    let written = 0;
    for (const base of bases) {
      const verification = judge(base, base.request);
      const signedAtMs = verification?.ok ? verification.timestampMs! : NaN;
      const asSigned = (shiftMs: number): string =>
        reasonOf(judge({ ...base, nowMs: signedAtMs - shiftMs }, base.request));
      expect({ base: base.name, within: WITHIN_MS.map(asSigned), beyond: BEYOND_MS.map(asSigned) }).toEqual({
        base: base.name,
        within: WITHIN_MS.map(() => 'accepted'),
        beyond: BEYOND_MS.map(() => 'clock_skew'),
      });
      for (const shiftMs of [...WITHIN_MS, ...BEYOND_MS]) {
        const request = withDate(base, shiftMs);
        if (!request) continue;
        written++;
        // JD Cloud's credential names the day as well.
        const reasons = dialect === 'JDCloud' ? ['bad_signature', 'invalid_scope'] : ['bad_signature'];
        expect(reasons).toContain(reasonOf(judge(base, request)));
      }
    }
    expect(written).toBeGreaterThan(50);
  });
});
