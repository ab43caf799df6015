/** The public attack cases that need no Envoy: every one gets its status and reason, and reaches no counter. */
import { describe, expect, test } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Decision } from '../../../src/authz/decision.js';
import { createGate, type Gate } from '../../support/authz/authz-check.js';
import type { ModelInput } from '../../support/authz/authz-model.js';
import { buildRequest, type RequestInput } from '../../support/authz/authz-request.js';

interface Expectation {
  readonly status: number;
  readonly reason?: string;
  readonly environment?: string;
  /** `null`: not at all. */
  readonly backendSees?: Readonly<Record<string, string | null>>;
}
interface Step {
  readonly request: RequestInput;
  readonly expect: Expectation;
  /** Sends one request for each bit of the signature. */
  readonly flipBits?: number;
  /** Sends the very same request so often; the second and later answers are `then`. */
  readonly repeat?: number;
  readonly then?: Expectation;
  /** Signs `Date` alone with HMAC-SHA1, as the vendor's published sample does. */
  readonly tencentDateOnly?: string;
}
interface Case {
  readonly id: string;
  readonly title: string;
  readonly steps: readonly Step[];
  /** The answers do not differ in status, headers or text. */
  readonly sameAnswer?: boolean;
}

const FOLDER = new URL('../../attacks/', import.meta.url);
const read = (file: string): unknown => parse(readFileSync(new URL(file, FOLDER), 'utf8'));
const { now, ...model } = read('fixture.yaml') as ModelInput & { readonly now: string };
const NOW_MS = Date.parse(now);

const secretOf = (keyId: string): string => model.callerKeys?.find((key) => key.keyId === keyId)?.secret ?? '';

/** Cases name keys; secrets are the fixture's unless the case has one of its own. */
function complete({ request, tencentDateOnly }: Step): RequestInput {
  if (tencentDateOnly !== undefined) {
    const date = request.headers!.find(([name]) => name === 'date')![1];
    const mac = createHmac('sha1', secretOf(tencentDateOnly)).update(`date: ${date}`).digest('base64');
    const authorization = `hmac id="${tencentDateOnly}", algorithm="hmac-sha1", headers="date", signature="${mac}"`;
    return { ...request, headers: [...request.headers!, ['authorization', authorization]] };
  }
  const { sign, body, ...rest } = request;
  return {
    ...rest,
    ...(body === undefined ? {} : { body: String(body) }),
    ...(sign ? { sign: { ...sign, secret: sign.secret ?? secretOf(sign.keyId) } } : {}),
  };
}

function judge(decision: Decision, expected: Expectation): void {
  const actual = decision.outcome === 'allow' ? { status: 200 } : { status: decision.status, reason: decision.reason };
  expect(actual).toMatchObject({ status: expected.status, ...(expected.reason ? { reason: expected.reason } : {}) });
  if (expected.environment !== undefined) expect(decision.facts.environment).toBe(expected.environment);
  if (decision.outcome !== 'allow') return;
  const set = Object.fromEntries(decision.setHeaders);
  for (const [name, value] of Object.entries(expected.backendSees ?? {})) {
    if (value === null) expect(decision.removeHeaders).toContain(name);
    else expect(set[name]).toBe(value);
  }
}

async function run(gate: Gate, step: Step): Promise<Decision[]> {
  const input = complete(step);
  const decisions: Decision[] = [];
  for (let bit = 0; bit < (step.flipBits ?? 1); bit++) {
    const flips = step.flipBits === undefined ? [] : [{ signature: { flipBit: bit } } as const];
    const request = buildRequest({ ...input, alter: [...(input.alter ?? []), ...flips] }, NOW_MS);
    for (let turn = 0; turn < (step.repeat ?? 1); turn++) {
      const decision = await gate.check({ ...request, streamToken: `${bit}/${turn}` });
      judge(decision, turn === 0 ? step.expect : step.then!);
      decisions.push(decision);
    }
  }
  return decisions;
}

const withoutReason = (decision: Decision): unknown =>
  decision.outcome === 'deny' ? [decision.status, decision.headers, decision.body] : decision;

for (const file of readdirSync(FOLDER).filter((name) => name !== 'fixture.yaml')) {
  describe(file, () => {
    for (const { id, title, steps, sameAnswer } of read(file) as Case[]) {
      test(`${id} ${title}`, async () => {
        const gate = createGate(model, { nowMs: NOW_MS });
        const decisions: Decision[] = [];
        for (const step of steps) decisions.push(...(await run(gate, step)));
        if (sameAnswer) expect(new Set(decisions.map((each) => JSON.stringify(withoutReason(each)))).size).toBe(1);
        expect(gate.errors).toEqual([]);
        expect(JSON.stringify(decisions)).not.toContain('cAnArY9f');
      });
    }
  });
}

test('P33 10,000 made-up key ids touch no store and leave nothing in what is observed', async () => {
  const gate = createGate(model, { nowMs: NOW_MS });
  const template = buildRequest(
    { target: '/orders/1', sign: { dialect: 'JDCloud', keyId: 'AKxxxxx', secret: 'guess' } },
    NOW_MS,
  );
  for (let i = 0; i < 10_000; i++) {
    const headers = template.headers.map(([name, value]) => [name, value.replace('AKxxxxx', `AK${i}`)] as const);
    const decision = await gate.check({ ...template, headers });
    expect(decision.outcome === 'deny' && decision.reason).toBe('unknown_key');
  }
  expect(gate.admissions).toEqual([]);
  expect(new Set(gate.observations.map(({ reason, dialect }) => `${reason} ${dialect}`))).toEqual(
    new Set(['unknown_key JDCloud']),
  );
});

test('P34 a 60 kB credential of punctuation is refused within 5 ms', async () => {
  const gate = createGate(model, { nowMs: NOW_MS });
  for (const scheme of ['SDK-HMAC-SHA256 ', 'JDCLOUD2-HMAC-SHA256 ', 'hmac ', '']) {
    for (const unit of [',', 'a="b",', '"', '\\', ' ', 'Access=a, ', ';', '/', '=']) {
      const request = buildRequest(
        { target: '/orders/1', headers: [['authorization', scheme + unit.repeat(60_000 / unit.length)]] },
        NOW_MS,
      );
      let leastMs = Infinity; // the first runs also compile code, and neighbours use the same processor
      for (let turn = 0; turn < 5; turn++) {
        const started = process.cpuUsage();
        expect(await gate.check(request)).toMatchObject({ outcome: 'deny', status: 401 });
        const { user, system } = process.cpuUsage(started);
        leastMs = Math.min(leastMs, (user + system) / 1000);
      }
      expect(leastMs).toBeLessThan(5);
    }
  }
});
