/** Every capture as its file holds it, through the interface for other people's conformance runs. */
import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import type { DialectName } from '../../src/signature/dialect.js';
import { runCli } from '../support/cli.js';
import { BACKEND_VECTORS } from '../vectors/backend-vectors.js';
import { contextOf, expectationsOf } from '../vectors/labels.js';
import { VECTORS } from '../vectors/vector.js';

interface FileVector {
  readonly name: string;
  readonly keyId?: string;
  readonly accessKey?: string;
  readonly secret?: string;
  readonly secretKey?: string;
  readonly method: string;
  readonly target: string;
  readonly httpVersion?: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body?: string;
  readonly bodyBase64?: string;
  readonly bodyEncoding?: BufferEncoding;
  readonly now?: string;
}

const readVectors = (file: string): FileVector[] => {
  const { vectors, negatives = [] } = JSON.parse(
    readFileSync(new URL(`../vectors/${file}`, import.meta.url), 'utf8'),
  ) as { vectors: FileVector[]; negatives?: FileVector[] };
  return [...vectors, ...negatives];
};

const lineOf = (vector: FileVector, more: object): object => ({
  name: vector.name,
  keyId: vector.accessKey ?? vector.keyId,
  secret: vector.secretKey ?? vector.secret,
  request: {
    method: vector.method,
    target: vector.target,
    httpVersion: vector.httpVersion ?? '1.1',
    headers: vector.headers,
    bodyBase64: vector.bodyBase64 ?? Buffer.from(vector.body ?? '', vector.bodyEncoding ?? 'utf8').toString('base64'),
  },
  at: vector.now,
  ...more,
});

async function verdictsOf(lines: readonly object[]): Promise<Record<string, unknown>[]> {
  const { stdout, exitCode } = await runCli(['verify', '--stdin-json'], {
    stdin: lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
  });
  expect(exitCode).toBe(0);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const FILES: readonly (readonly [file: string, dialects: readonly DialectName[]])[] = [
  ['jdcloud.json', ['JDCloud']],
  ['huawei.json', ['Huawei']],
  ['tencent.json', ['Tencent', 'TencentApplication']],
];

describe('verify --stdin-json', () => {
  test.each(FILES)('judges each capture of %s as labelled', async (file, dialects) => {
    const raw = new Map(readVectors(file).map((vector) => [vector.name, vector]));
    const cases = VECTORS.filter(({ dialect }) => dialects.includes(dialect)).flatMap((vector) =>
      expectationsOf(vector).map((expectation) => ({ vector, expectation })),
    );
    expect(new Set(cases.map(({ vector }) => vector.name)).size).toBeGreaterThan(40);
    const verdicts = await verdictsOf(
      cases.map(({ vector, expectation }) => {
        const { environmentPath } = contextOf(vector);
        return lineOf(raw.get(vector.name)!, {
          dialect: vector.dialect,
          options: expectation.options,
          ...(environmentPath ? { environmentPath: `/${environmentPath.segment}` } : {}),
        });
      }),
    );
    expect(verdicts).toHaveLength(cases.length);
    for (const [i, { vector, expectation }] of cases.entries()) {
      const { verdict } = expectation;
      expect(verdicts[i]).toMatchObject({
        name: vector.name,
        valid: verdict.accepted,
        ...(verdict.accepted ? { profile: verdict.profile } : { reason: verdict.reason }),
      });
      if (verdict.accepted && vector.canonicalRequest !== undefined)
        expect(verdicts[i]?.['canonicalRequest']).toBeDefined();
    }
  });

  test('judges the captures of Basic, of the AES profile and of JD Cloud\u2019s backend signature as labelled', async () => {
    expect(BACKEND_VECTORS).toHaveLength(14);
    const verdicts = await verdictsOf(BACKEND_VECTORS.map(({ line }) => line));
    expect(verdicts).toHaveLength(BACKEND_VECTORS.length);
    for (const [i, { name, verdict, canonicalRequest, stringToSign }] of BACKEND_VECTORS.entries()) {
      expect(verdicts[i]).toMatchObject({ name, ...verdict });
      if (canonicalRequest !== undefined) expect(verdicts[i]).toMatchObject({ canonicalRequest, stringToSign });
    }
  });
});
