/** What docs/clients says about stricter settings and these clients. */
import { expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { CASES, type ClientCase } from './cases.js';
import { runProgram, type VendorClient } from './client.js';
import { GROUPS, KEY, startClientGateway } from './gateway.js';
import { notRun } from './not-run.js';

export interface Setting {
  readonly client: VendorClient;
  /** Of the group, beside `dialects`. */
  readonly verification: Readonly<Record<string, unknown>>;
  readonly request: ClientCase;
  readonly reason: string;
}

export const caseNamed = (name: string): ClientCase => {
  const found = CASES.find((each) => each.name === name);
  if (!found) throw new Error(`no case ${name}`);
  return found;
};

const START_MS = 120_000;

/** A client that cannot run here is a skipped test that says why. */
export async function settingTests(settings: readonly Setting[]): Promise<void> {
  for (const { client, verification, request, reason } of settings) {
    const title = `${client.name}, ${request.name}, ${JSON.stringify(verification)}: 401 ${reason}`;
    const program = await client.prepare();
    if ('missing' in program) {
      notRun(title, program.missing);
      continue;
    }
    test(
      title,
      async () => {
        const served = await startClientGateway(GROUPS, verification);
        try {
          const asked = { ...request, path: `/${GROUPS[client.dialect]}${request.path}` };
          const { cases } = await runProgram(program, { endpoint: served.gateway.httpUrl, ...KEY, cases: [asked] });
          expect(cases.get(request.name)).toEqual({ name: request.name, status: 401 });
          // The log entry of an answer may follow it.
          const logged = await eventually(() => {
            if (served.gateway.accessLog.length === 0) throw new Error('no entry in the access log yet');
            return served.gateway.accessLog;
          });
          expect(logged.map((entry) => entry.reason)).toEqual([reason]);
          expect(served.backend.requests).toEqual([]);
        } finally {
          await served.close();
        }
      },
      START_MS,
    );
  }
}
