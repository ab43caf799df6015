/** A vendor's client as a program of its own: it reads a job from stdin and prints a line of JSON for each case. */
import { spawn } from 'node:child_process';
import type { ClientCase } from './cases.js';
import type { ClientDialect } from './gateway.js';

export interface VendorClient {
  /** As the compatibility page names it. */
  readonly name: string;
  readonly language: string;
  readonly dialect: ClientDialect;
  /** What makes it ready to run: installs the vendor's package, compiles. */
  prepare(): Promise<Program | Missing>;
  /**
   * Parts that this client leaves out of its signature: their change is not noticed, and the page says so.
   * `every` holds for all cases, `without body` for those that send none.
   */
  readonly uncovered?: Readonly<Record<string, readonly string[]>>;
  /** Headers that the signature covers although its list does not name them. */
  readonly signedUnlisted?: readonly string[];
  /** Cases that no server can verify, with the reason: the gateway must answer 401. */
  readonly refused?: Readonly<Record<string, string>>;
  /** Cases beside the common ones. */
  readonly extraCases?: readonly ClientCase[];
}

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Missing {
  /** Why it cannot run here. */
  readonly missing: string;
}

export interface Job {
  readonly endpoint: string;
  readonly keyId: string;
  readonly secret: string;
  readonly cases: readonly ClientCase[];
  readonly burst?: { readonly senders: number; readonly cases: readonly ClientCase[] };
}

export interface CaseResult {
  readonly name: string;
  /** What the client saw. */
  readonly status?: number;
  /** Why this client cannot send such a request. */
  readonly notExpressible?: string;
  readonly error?: string;
}

export interface BurstResult {
  readonly statuses: readonly number[];
  readonly elapsedMs: number;
}

export interface JobResult {
  readonly cases: ReadonlyMap<string, CaseResult>;
  readonly burst: BurstResult | undefined;
}

const JOB_MS = 60_000;

export async function runProgram({ command, args, environment }: Program, job: Job): Promise<JobResult> {
  const child = spawn(command, args, {
    stdio: 'pipe',
    env: { ...withoutProxies(process.env), ...environment },
    timeout: JOB_MS,
  });
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  child.stdin.end(JSON.stringify(job));
  const code = await ended;
  const said = Buffer.concat(errors).toString();
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${said}`);
  const lines = Buffer.concat(output)
    .toString()
    .split('\n')
    .filter((line) => line.startsWith('{"name":')) // SDKs log to the same stream
    .map((line) => JSON.parse(line) as CaseResult);
  return {
    cases: new Map(lines.filter(({ name }) => name !== 'burst').map((line) => [line.name, line])),
    burst: lines.find(({ name }) => name === 'burst') as BurstResult | undefined,
  };
}

/** The machine's proxy is not for the loopback interface. */
export const withoutProxies = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !/_proxy$/i.test(name)));
