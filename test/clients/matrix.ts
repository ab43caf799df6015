/** The suite every vendor client goes through: each case is served, each changed byte refused, fifty at once admitted. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { alterationsOf, signedNames } from './alterations.js';
import { BURST, CASES, type ClientCase } from './cases.js';
import { runProgram, type Job, type JobResult, type Program, type VendorClient } from './client.js';
import { carryOver, pageRow, type Outcome } from './compatibility-page.js';
import { GROUPS, KEY, startClientGateway, type ClientGateway } from './gateway.js';
import { notRun } from './not-run.js';
import { headerOf, sendWire, startRecorder, startTap, type Recorder, type WireRequest } from './recorded.js';

const RUN_MS = 120_000; // a program that starts a virtual machine on a busy computer
const BURST_MS = 1000;
const BURST_ATTEMPTS = 5; // a busy computer may need several to send fifty requests within the second

/** Reasons of a request that is not as it was signed; a replay is not among them. */
const FORGERY =
  /^(bad_signature|body_mismatch|unknown_key|missing_date|missing_signed_header|required_header_not_signed|invalid_scope|malformed_credential|ambiguous_signature)$/;

/** Runs in the order given; a client that cannot run here is a skipped test that says why. */
export async function describeClients(clients: readonly VendorClient[]): Promise<void> {
  const ready: (readonly [VendorClient, Program])[] = [];
  for (const client of clients) {
    const program = await client.prepare();
    if ('missing' in program) {
      notRun(client.name, program.missing);
      carryOver(client.name);
    } else ready.push([client, program]);
  }
  if (ready.length === 0) return;

  let served: ClientGateway;
  beforeAll(async () => {
    served = await startClientGateway();
  }, RUN_MS);
  afterAll(() => served?.close());

  for (const [client, program] of ready) describeClient(client, program, () => served);
}

const hasNoBody = ({ json, bodyBase64 }: ClientCase): boolean => json === undefined && bodyBase64 === undefined;

const slug = (name: string): string => name.toLowerCase().replaceAll(' ', '-');

function describeClient(client: VendorClient, program: Program, running: () => ClientGateway): void {
  const cases = [...CASES, ...(client.extraCases ?? [])].map((each) => ({
    ...each,
    path: `/${GROUPS[client.dialect]}${each.path}`,
    headers: { ...each.headers, 'X-Case': slug(each.name) },
  }));
  const burst = {
    ...BURST,
    cases: BURST.cases.map((each) => ({ ...each, path: `/${GROUPS[client.dialect]}${each.path}` })),
  };
  const uncoveredIn = (name: string): readonly string[] => [
    ...(client.uncovered?.['every'] ?? []),
    ...(client.uncovered?.[name] ?? []),
    ...(cases.some((each) => each.name === name && hasNoBody(each)) ? (client.uncovered?.['without body'] ?? []) : []),
  ];

  describe(`${client.name} in a group with dialects: [${client.dialect}]`, () => {
    let results: JobResult;
    let recorder: Recorder;
    const outcomes = new Map<string, Outcome>();
    const run = (port: number, job: Pick<Job, 'cases' | 'burst'>) =>
      runProgram(program, { endpoint: `http://127.0.0.1:${port}`, ...KEY, ...job });

    beforeAll(async () => {
      running().backend.clear();
      results = await run(running().gateway.httpPort, { cases });
      recorder = await startRecorder();
      await run(recorder.port, { cases });
    }, RUN_MS);
    afterAll(() => recorder?.close());

    const isCase = (name: string) => (request: { readonly headers: WireRequest['headers'] }) =>
      request.headers.some(([each, value]) => each.toLowerCase() === 'x-case' && value === slug(name));

    test.each(cases)('$name', async (asked) => {
      const result = results.cases.get(asked.name);
      expect(result?.error).toBeUndefined();
      const arrived = running().backend.requests.filter(isCase(asked.name));
      const reason = client.refused?.[asked.name];
      if (result?.notExpressible !== undefined) {
        expect(arrived).toEqual([]);
        outcomes.set(asked.name, { outcome: 'not expressible', reason: result.notExpressible });
        return;
      }
      if (reason !== undefined) {
        expect(result?.status).toBe(401);
        expect(arrived).toEqual([]);
        outcomes.set(asked.name, { outcome: 'refused by design', reason });
        return;
      }
      expect(result?.status).toBe(200);
      expect(arrived).toHaveLength(1);
      const served = arrived[0]!;
      const { method, target, body } = served;
      const [path = '', query = ''] = target.split(/\?(.*)/s);
      expect({ method, path: decodeURIComponent(path), query: sorted(new URLSearchParams(query)) }).toEqual({
        method: asked.method,
        path: asked.path.slice(GROUPS[client.dialect].length + 1),
        query: sorted(asked.query),
      });
      if (asked.json !== undefined) expect(JSON.parse(body.toString())).toEqual(asked.json);
      else expect(body.toString('base64')).toBe(asked.bodyBase64 ?? '');
      if (asked.contentType !== undefined) expect(served.header('content-type')).toBe(asked.contentType);
      expect(served.header('x-countersign-key-id')).toBe(KEY.keyId);
      expect(served.header('authorization')).toBeUndefined();
      outcomes.set(asked.name, { outcome: 'ok' });
    });

    // What is refused as it stands shows nothing when it is refused with a change.
    test.each(cases.filter(({ name }) => client.refused?.[name] === undefined))(
      '$name, changed on the way',
      async (asked) => {
        const recorded = recorder.requests.find(isCase(asked.name));
        if (!recorded) {
          expect(results.cases.get(asked.name)?.notExpressible).toBeDefined();
          return;
        }
        const { gateway, backend } = running();
        const uncovered = uncoveredIn(asked.name);
        const alterations = alterationsOf(recorded, client.signedUnlisted);
        // The list below says that no signed header was overlooked.
        expect(alterations.map(({ part }) => part)).toEqual(
          expect.arrayContaining(signedNames(headerOf(recorded, 'authorization') ?? '')),
        );
        backend.clear();
        const refusals: string[] = [];
        for (const { part, what, request } of alterations.filter((each) => !uncovered.includes(each.part))) {
          const { status, requestId } = await sendWire(gateway.httpPort, request);
          expect({ part, what, status }).toEqual({ part, what, status: 401 });
          refusals.push(requestId);
        }
        expect(backend.requests).toEqual([]);
        // Refused for what they are, not because one before used up their nonce.
        for (const { reason } of await Promise.all(refusals.map((id) => gateway.accessLogOf(id))))
          expect(reason).toMatch(FORGERY);
        // The same request untouched: what was refused above was refused for the change alone.
        const untouched = await sendWire(gateway.httpPort, recorded);
        expect(untouched.status).toBe(200);
        for (const { part, what, request } of alterations.filter((each) => uncovered.includes(each.part)))
          expect({ part, what, status: (await sendWire(gateway.httpPort, request)).status }).toEqual({
            part,
            what,
            status: 200,
          });
      },
    );

    test(
      '50 requests in one second from four senders, equal ones among them',
      async () => {
        const tap = await startTap(running().gateway.httpPort);
        try {
          for (let attempt = 1; ; attempt++) {
            const before = tap.heads().length;
            // The first request loads what the language loads late; it does not count.
            const result = (await run(tap.port, { cases: burst.cases.slice(0, 1), burst })).burst;
            expect(result?.statuses).toEqual(burst.cases.map(() => 200));
            const heads = tap.heads().slice(before + 1);
            expect(heads).toHaveLength(burst.cases.length);
            expect(mostAlike(heads)).toBeGreaterThanOrEqual(2);
            if (result!.elapsedMs <= BURST_MS) break;
            if (attempt === BURST_ATTEMPTS)
              throw new Error(`sending took ${result!.elapsedMs} ms in the last of ${attempt} attempts`);
          }
          outcomes.set(BURST.name, { outcome: 'ok' });
        } finally {
          await tap.close();
        }
      },
      RUN_MS,
    );

    test('has its row in docs/clients/README.md', () => {
      expect([...outcomes.keys()]).toEqual([...cases.map(({ name }) => name), BURST.name]); // else one failed above
      const row = pageRow({ client, outcomes, cases, uncoveredIn });
      expect(row.present()).toEqual(row.measured);
    });
  });
}

const sorted = (pairs: Iterable<readonly [string, string]>): string[] =>
  [...pairs].map((pair) => JSON.stringify(pair)).sort();

/** How many requests were equal to the byte, but for JD Cloud's nonce and what follows from it. */
function mostAlike(heads: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const head of heads) {
    const nonceFree = /x-jdcloud-nonce/i.test(head)
      ? head.replace(/x-jdcloud-nonce: .*/i, '').replace(/Signature=[0-9a-f]+/, '')
      : head;
    counts.set(nonceFree, (counts.get(nonceFree) ?? 0) + 1);
  }
  return Math.max(...counts.values());
}
