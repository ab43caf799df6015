/** Each covered place of each accepted request, changed in every way that one byte can be; none may be accepted. */
import { describe, expect, test } from '@jest/globals';
import type { WireRequest } from '../../src/signature/dialect.js';
import { DIALECTS } from '../../src/signature/dialects.js';
import { changedTexts, outcomeOf, readBases, withHeader, type Base } from '../support/signature-mutants.js';

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
  for (const [part, shiftMs] of [
    ['date', 900_001],
    ['date', -900_001],
  ] as const) {
    const date = base.signedHeaders.find((name) => name.endsWith('date'));
    const at = request.headers.findIndex(([name]) => name === date);
    if (at >= 0) yield [part, withHeader(request, at, new Date(base.nowMs + shiftMs).toUTCString())];
  }
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
});
