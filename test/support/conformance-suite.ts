/** Runs the conformance suite as its users do, as a process, and reads what it reports. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

export interface ConformanceReport {
  readonly seed: number;
  readonly results: readonly { readonly name: string; readonly error?: string; readonly elapsedMs: number }[];
  /** `Kind namespace/name` → `status reason` by condition type. */
  readonly conditions: Readonly<Record<string, unknown>>;
}

/** @throws Error with what the suite printed when it ended without a report. */
export async function runConformance(args: readonly string[]): Promise<ConformanceReport> {
  const child = spawn(process.execPath, [join(root, 'scripts/conformance.mjs'), '--output', 'json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  await once(child, 'close');
  if (!output.startsWith('{')) throw new Error(`the conformance suite gave no report:\n${output}${errors}`);
  return JSON.parse(output) as ConformanceReport;
}

/** Name and error of each case that failed, with the seed that repeats the order. */
export const failures = ({ seed, results }: ConformanceReport): readonly string[] =>
  results.flatMap(({ name, error }) => (error === undefined ? [] : [`seed ${seed}: ${name}: ${error}`]));

/** Least number of cases: a suite that ran nothing has proved nothing. */
export const LEAST_CASES = 150;

/** `--service` of the gateway for the Services of the suite and of examples/quickstart. */
export const conformanceServices = (echoPort: number): readonly string[] =>
  ['conformance-provider/echo:8080', 'shop/orders:8080'].map((service) => `${service}=127.0.0.1:${echoPort}`);
