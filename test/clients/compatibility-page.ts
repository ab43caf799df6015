/**
 * docs/clients/README.md: a row for each vendor client, written by the run of that client. `UPDATE_GOLDEN=1` rewrites
 * the rows of the clients that ran; without it a row that differs from what was measured fails.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BURST, CASES, type ClientCase } from './cases.js';
import type { VendorClient } from './client.js';

const FILE = join(import.meta.dirname, '../../docs/clients/README.md');
const updating = process.env['UPDATE_GOLDEN'] === '1';

export interface Outcome {
  readonly outcome: 'ok' | 'not expressible' | 'refused by design';
  readonly reason?: string;
}

/** Cells of the table but the last, which says who measured them, and the note below it. */
interface Row {
  readonly cells: readonly string[];
  readonly note: string | undefined;
}

interface WrittenRow extends Row {
  readonly carriedOver: boolean;
}

const CASE_COLUMNS = CASES.map(({ name }) => name);
const MEASURED_COLUMNS = ['Client', 'Dialect', ...CASE_COLUMNS, BURST.name, 'Left unsigned by the client'];
const COLUMNS = [...MEASURED_COLUMNS, 'Measured'];
const CARRIED_OVER = 'carried over';

const HEAD = `# Vendor clients

Unmodified clients, sent through a running gateway with a real Envoy, in a group whose \`verification\` holds nothing but
\`dialects: [X]\`. This page is written by \`npm run test:all\` (\`UPDATE_GOLDEN=1\` rewrites it): a row that no longer
holds fails the test.

How to point a client at Countersign: [Huawei Cloud](huawei.md), [JD Cloud](jdcloud.md), [Tencent Cloud key pairs](tencent.md) and
[applications](tencent-application.md).

- **ok**: the client got 200, and the backend received method, path, parameters and body as asked. The request was then
  recorded and sent again with each part changed in turn (method, path, query, every signed header, body, key id,
  signature, list of signed headers): 401 each time, but for the parts in the last column.
- **not expressible**: the client has no way to send such a request.
- **refused by design**: what the client signs does not hold what it sends, so nobody could verify it, or is also what
  another client signs for another request: 401.
- **${BURST.name}**: four concurrent senders, each request five times. Requests of one second that are signed alike all pass.
- **Left unsigned by the client**: a change of it is not noticed, since the client's scheme leaves it out.
  \`requiredSignedHeaders\` and \`body: Signed\` refuse requests that do.
- **${CARRIED_OVER}**: where this page was last written the client's language was not installed. The row is that of an earlier run.
`;

export function pageRow({
  client,
  outcomes,
  cases,
  uncoveredIn,
}: {
  readonly client: VendorClient;
  readonly outcomes: ReadonlyMap<string, Outcome>;
  readonly cases: readonly ClientCase[];
  readonly uncoveredIn: (caseName: string) => readonly string[];
}): { readonly measured: Row; present(): Row | undefined } {
  const measured: Row = {
    cells: [
      client.name,
      client.dialect,
      ...CASE_COLUMNS.map((name) => outcomes.get(name)?.outcome ?? ''),
      outcomes.get(BURST.name)?.outcome ?? '',
      unsignedText(client, uncoveredIn) || '–',
    ],
    note: noteOf(cases, outcomes),
  };
  return {
    measured,
    present() {
      if (updating) writeRows(readRows().set(client.name, { ...measured, carriedOver: false }));
      const row = readRows().get(client.name);
      return row && { cells: row.cells, note: row.note };
    },
  };
}

/** A client that cannot run here keeps its row, which says so. */
export function carryOver(clientName: string): void {
  const rows = readRows();
  const row = rows.get(clientName);
  if (updating && row) writeRows(rows.set(clientName, { ...row, carriedOver: true }));
}

function unsignedText(client: VendorClient, uncoveredIn: (name: string) => readonly string[]): string {
  const every = uncoveredIn('every').filter((part, i, all) => all.indexOf(part) === i);
  const some = CASE_COLUMNS.flatMap((name) =>
    (client.uncovered?.[name] ?? []).filter((part) => !every.includes(part)).map((part) => `${part} of ${name}`),
  );
  const put = (client.uncovered?.['without body'] ?? []).map((part) => `${part} put where none was`);
  return [...every, ...some, ...put].join(', ');
}

function noteOf(cases: readonly ClientCase[], outcomes: ReadonlyMap<string, Outcome>): string | undefined {
  const byReason = new Map<string, string[]>();
  for (const { name } of cases) {
    const { outcome, reason } = outcomes.get(name) ?? {};
    if (outcome === undefined || (outcome === 'ok' && CASE_COLUMNS.includes(name))) continue;
    const text = reason === undefined ? outcome : `${outcome}, ${reason}`;
    byReason.set(text, [...(byReason.get(text) ?? []), name]);
  }
  return byReason.size === 0
    ? undefined
    : [...byReason].map(([text, names]) => `${names.join(', ')}: ${text}`).join('; ');
}

const splitRow = (line: string): string[] =>
  line
    .slice(1, -1)
    .split(' | ')
    .map((cell) => cell.trim());

function readRows(): Map<string, WrittenRow> {
  const lines = existsSync(FILE) ? readFileSync(FILE, 'utf8').split('\n') : [];
  const notes = new Map(
    lines.flatMap((line) => {
      const note = /^- `(.+?)`: (.*)$/.exec(line);
      return note ? [[note[1] ?? '', note[2] ?? ''] as const] : [];
    }),
  );
  return new Map(
    lines
      .filter((line) => line.startsWith('|'))
      .slice(2)
      .map((line) => {
        const cells = splitRow(line);
        const name = cells[0] ?? '';
        const carriedOver = cells[MEASURED_COLUMNS.length] === CARRIED_OVER;
        return [name, { cells: cells.slice(0, MEASURED_COLUMNS.length), note: notes.get(name), carriedOver }];
      }),
  );
}

function writeRows(rows: ReadonlyMap<string, WrittenRow>): void {
  const ordered = [...rows.values()].sort((a, b) => orderOf(a).localeCompare(orderOf(b), 'en'));
  const table = [COLUMNS, ...ordered.map(({ cells, carriedOver }) => [...cells, carriedOver ? CARRIED_OVER : 'yes'])];
  const widths = COLUMNS.map((_, column) => Math.max(...table.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  const notes = ordered.flatMap(({ cells, note }) => (note === undefined ? [] : [`- \`${cells[0]}\`: ${note}`]));
  const [head = '', ...body] = table.map(line);
  writeFileSync(FILE, [HEAD, head, rule, ...body, '', ...notes, ''].join('\n'));
}

const orderOf = ({ cells }: Row): string => `${cells[1]} ${cells[0]}`;
