/** NAME.in.yaml: a model and requests in order; NAME.out.yaml: the whole decisions, as the transport gets them. */
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import { parse } from 'yaml';
import type { Decision } from '../../../src/authz/decision.js';
import { createGate } from '../../support/authz/authz-check.js';
import type { ModelInput } from '../../support/authz/authz-model.js';
import { buildRequest, type RequestInput } from '../../support/authz/authz-request.js';
import { goldenTests } from '../../support/golden.js';

interface Input {
  readonly now: string;
  readonly model: ModelInput;
  readonly requests: readonly { readonly title: string; readonly request: RequestInput }[];
}

/** Header lists as maps: a reviewer reads names, and none occurs twice. */
function readable(decision: Decision): unknown {
  if (decision.outcome === 'deny') return { ...decision, headers: Object.fromEntries(decision.headers) };
  const { setHeaders, responseHeaders, ...rest } = decision;
  return { ...rest, setHeaders: Object.fromEntries(setHeaders), responseHeaders: Object.fromEntries(responseHeaders) };
}

goldenTests(fileURLToPath(new URL('.', import.meta.url)), async (text) => {
  const { now, model, requests } = parse(text) as Input;
  const nowMs = Date.parse(now);
  const gate = createGate(model, { nowMs });
  const secretOf = (keyId: string): string => model.callerKeys?.find((key) => key.keyId === keyId)?.secret ?? '';
  const out: unknown[] = [];
  for (const [i, { title, request }] of requests.entries()) {
    const sign = request.sign && { ...request.sign, secret: request.sign.secret ?? secretOf(request.sign.keyId) };
    const id = `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`;
    const check = buildRequest(
      { ...request, ...(sign ? { sign } : {}), requestId: id, streamToken: id },
      nowMs,
      () => id,
    );
    out.push({ title, decision: readable(await gate.check(check)) });
  }
  expect(gate.errors).toEqual([]);
  for (const { secret } of model.callerKeys ?? []) if (secret) expect(JSON.stringify(out)).not.toContain(secret);
  return { out };
});
