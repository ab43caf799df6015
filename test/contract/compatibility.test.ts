/**
 * docs/compatibility.md: its table of captures is what this run found. `UPDATE_GOLDEN=1` rewrites the table, the text
 * around it is written by hand.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Redacted } from '../../src/lib/redacted.js';
import { encryptCfb } from '../../src/signature/aes/scheme.js';
import type { VerificationOptions } from '../../src/signature/dialect.js';
import { DIALECTS } from '../../src/signature/dialects.js';
import { verifyRequest } from '../../src/signature/verify.js';
import { runCli } from '../support/cli.js';
import { BACKEND_VECTORS, CIPHER_VECTORS, type BackendVector } from '../vectors/backend-vectors.js';
import { contextOf, expectationsOf, optionsFor } from '../vectors/labels.js';
import { VECTORS, type Vector } from '../vectors/vector.js';

/** The clients suite writes it: unmodified clients through a running gateway. */
const CLIENTS_PAGE = new URL('../../docs/clients/README.md', import.meta.url);
const PAGE = new URL('../../docs/compatibility.md', import.meta.url);
const BEGIN = '<!-- captures: written by test/contract/compatibility.test.ts -->';
const END = '<!-- end of captures -->';
const CLIENTS_BEGIN = '<!-- clients: taken from docs/clients/README.md by test/contract/compatibility.test.ts -->';
const CLIENTS_END = '<!-- end of clients -->';

/** Profile or reason, as the log would say. */
function outcomeOf(vector: Vector, options: Partial<VerificationOptions>): { ok: boolean; word: string } {
  const key = { keyId: vector.keyId, secrets: [{ secret: new Redacted(vector.secret) }] };
  const keys = (id: string) => (id === vector.keyId ? key : undefined);
  const verification = verifyRequest(
    vector.request,
    optionsFor(vector.dialect, options),
    contextOf(vector),
    keys,
    vector.nowMs,
  );
  return { ok: verification.ok, word: verification.ok ? verification.profile : verification.reason };
}

/** The files name each changed copy by its original. */
const sourceOf = ({ source }: Vector): string =>
  source === '' || source.startsWith('derived from') ? 'changed copies of captures' : source;

class Row {
  total = 0;
  accepted = 0;
  asLabelled = 0;
  readonly acceptedAs = new Map<string, number>();
  readonly refusedAs = new Map<string, number>();

  add(vector: Vector): void {
    this.total++;
    const expectations = expectationsOf(vector);
    const wrong = expectations.filter(({ options, verdict }) => {
      const { ok, word } = outcomeOf(vector, options);
      return ok !== verdict.accepted || word !== (verdict.accepted ? verdict.profile : verdict.reason);
    });
    if (wrong.length === 0) this.asLabelled++;
    const outcome = outcomeOf(vector, {});
    if (outcome.ok) this.accepted++;
    const lenient = outcome.ok ? outcome : outcomeOf(vector, { compatibility: 'Lenient' });
    const word = lenient.ok && !outcome.ok ? `${outcome.word} (Lenient: ${lenient.word})` : outcome.word;
    this.#count(outcome.ok ? this.acceptedAs : this.refusedAs, word);
  }

  /** Of a scheme that has neither profiles nor options. */
  addPlain(asLabelled: boolean, outcome: { readonly valid: boolean; readonly word: string }): void {
    this.total++;
    if (asLabelled) this.asLabelled++;
    if (outcome.valid) this.accepted++;
    this.#count(outcome.valid ? this.acceptedAs : this.refusedAs, outcome.word);
  }

  #count(words: Map<string, number>, word: string): void {
    words.set(word, (words.get(word) ?? 0) + 1);
  }
}

const counted = (words: ReadonlyMap<string, number>): string =>
  [...words]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([word, count]) => `${word} ${count}`)
    .join(', ') || '–';

type Rows = Map<string, Row>;

function rowOf(rows: Rows, source: string): Row {
  const row = rows.get(source) ?? new Row();
  rows.set(source, row);
  return row;
}

/** What the schemes towards backends say, by the command that tells everybody. */
async function backendRows(): Promise<Map<BackendVector['dialect'], Rows>> {
  const { stdout } = await runCli(['verify', '--stdin-json'], {
    stdin: BACKEND_VECTORS.map(({ line }) => `${JSON.stringify(line)}\n`).join(''),
  });
  const verdicts = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { valid: boolean; profile?: string; reason?: string });
  const byDialect = new Map<BackendVector['dialect'], Rows>();
  for (const [i, { dialect, source, verdict }] of BACKEND_VECTORS.entries()) {
    const rows = byDialect.get(dialect) ?? new Map<string, Row>();
    byDialect.set(dialect, rows);
    const { valid = false, profile = 'default', reason = '' } = verdicts[i] ?? {};
    const asLabelled = valid === verdict.valid && (verdict.valid || reason === verdict.reason);
    rowOf(rows, source).addPlain(asLabelled, { valid, word: valid ? profile : reason });
  }
  const ofAes = byDialect.get('AES');
  for (const vector of CIPHER_VECTORS) {
    const key = {
      algorithm: vector.algorithm === 'aes-128-cfb' ? 'AES128CFB' : 'AES256CFB',
      key: new Redacted(Buffer.from(vector.keyHex, 'hex')),
      vector: new Redacted(Buffer.from(vector.ivHex, 'hex')),
    } as const;
    const valid = encryptCfb(key, Buffer.from(vector.plaintextHex, 'hex')).toString('hex') === vector.ciphertextHex;
    if (ofAes)
      rowOf(ofAes, `cipher alone: ${vector.source}`).addPlain(valid, {
        valid,
        word: valid ? 'default' : 'other bytes',
      });
  }
  return byDialect;
}

async function rowsByDialect(): Promise<readonly (readonly [dialect: string, rows: Rows])[]> {
  const towardsBackends = await backendRows();
  const callers = DIALECTS.map(({ name }) => {
    const rows: Rows = new Map(name === 'JDCloud' ? towardsBackends.get(name) : []);
    for (const vector of VECTORS.filter(({ dialect }) => dialect === name)) rowOf(rows, sourceOf(vector)).add(vector);
    return [name, rows] as const;
  });
  const schemes = (['Basic', 'AES'] as const).map((name) => [name, towardsBackends.get(name) ?? new Map()] as const);
  return [...callers, ...schemes];
}

async function table(): Promise<string> {
  const lines = [
    '| dialect | source | requests | as labelled | accepted | as profile or switch | refused | reason |',
    '| --- | --- | --: | --: | --: | --- | --: | --- |',
  ];
  for (const [name, rows] of await rowsByDialect()) {
    for (const [source, row] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const { total, asLabelled, accepted, acceptedAs, refusedAs } = row;
      const cells = [
        name,
        source,
        total,
        asLabelled,
        accepted,
        counted(acceptedAs),
        total - accepted,
        counted(refusedAs),
      ];
      lines.push(`| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`);
    }
  }
  return lines.join('\n');
}

/** The rows of the clients' own page, one cell for each case. */
const clientTable = (): string =>
  readFileSync(CLIENTS_PAGE, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.replace(/ {2,}/g, ' ').replace(/-{4,}/g, '---'))
    .join('\n');

/** `page` with what stands between the two marks replaced. */
function withSection(page: string, begin: string, end: string, text: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  expect(from).toBeGreaterThan(0);
  expect(to).toBeGreaterThan(from);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}

describe('docs/compatibility.md', () => {
  test('every capture behaves as labelled', async () => {
    const row = new Row();
    for (const vector of VECTORS) row.add(vector);
    expect(row.asLabelled).toBe(VECTORS.length);
    expect(VECTORS.length).toBeGreaterThan(100);
    const towardsBackends = [...(await backendRows()).values()].flatMap((rows) => [...rows.values()]);
    const sum = (count: (row: Row) => number): number =>
      towardsBackends.reduce((total, each) => total + count(each), 0);
    expect(sum(({ total }) => total)).toBe(BACKEND_VECTORS.length + CIPHER_VECTORS.length);
    expect(sum(({ asLabelled }) => asLabelled)).toBe(BACKEND_VECTORS.length + CIPHER_VECTORS.length);
  });

  test('its tables are what this run and the clients suite found (UPDATE_GOLDEN=1 rewrites it)', async () => {
    const page = readFileSync(PAGE, 'utf8');
    const captures = withSection(page, BEGIN, END, await table());
    const wanted = withSection(captures, CLIENTS_BEGIN, CLIENTS_END, clientTable());
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(PAGE, wanted);
    else expect(page).toBe(wanted);
  });
});
