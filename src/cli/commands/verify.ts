/** `countersign verify`: says why a request verifies or not, for the holder of the key. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { AppError } from '../../lib/errors.js';
import { fileErrorMessage } from '../../lib/file-error.js';
import { Redacted } from '../../lib/redacted.js';
import type { Comparison, Explanation } from '../../signature/explain.js';
import { readHttpMessage } from '../http-file.js';
import { CommandError, EXIT, type CommandIo } from '../io.js';
import { helpText } from '../options/help-text.js';
import { addKeyOptions, readKey, type KeyOptions } from '../options/secret-options.js';
import { readVerification } from '../options/verification-options.js';

interface VerifyOptions extends KeyOptions {
  readonly dialect?: readonly string[];
  readonly option?: readonly string[];
  readonly at?: string;
  readonly canonical?: string;
  readonly stringToSign?: string;
  readonly stdinJson?: boolean;
  readonly output: string;
}

const collect = (text: string, before: readonly string[] | undefined): string[] => [...(before ?? []), text];

export function addVerifyCommand(program: Command, io: CommandIo, setExitCode: (code: number) => void): void {
  const command = program
    .command('verify')
    .description('say why a request verifies or not: verdict, canonical request, string to sign, first difference')
    .argument('[file]', 'HTTP message: request line, headers, empty line, body, byte for byte');
  addKeyOptions(command)
    .option(
      '--dialect <name>',
      'dialect that the gateway accepts; repeatable. Default: JDCloud, Huawei, Tencent',
      collect,
    )
    .option('--option <name=value>', 'a field of spec.verification, such as compatibility=Strict; repeatable', collect)
    .option('--at <time>', 'judge the date at this time, ISO 8601, instead of now')
    .option('--canonical <file>', 'the canonical request that the client computed')
    .option('--string-to-sign <file>', 'the string to sign that the client computed')
    .addOption(new Option('--output <format>').choices(['text', 'json']).default('text'))
    .option('--stdin-json', 'read one request a line from standard input and print one verdict a line')
    .addHelpText(
      'after',
      helpText(`
Examples:
  countersign verify request.http --key-id AK1 --secret-env SECRET --dialect Huawei
  countersign verify request.http --key-id AK1 --secret-file secret.txt --canonical mine.txt --at 2026-01-31T12:00:00Z

Exit codes: 0 valid, 1 not valid, 2 wrong usage or a file that cannot be read.`),
    )
    .action(async (file: string | undefined, options: VerifyOptions) => {
      if (options.stdinJson) {
        const { verifyLines } = await import('../verify-lines.js');
        await verifyLines(io);
        return;
      }
      if (file === undefined) throw new CommandError('name a file with the request, or use --stdin-json');
      setExitCode(await verifyFile(file, options, io));
    });
}

async function verifyFile(file: string, options: VerifyOptions, io: CommandIo): Promise<number> {
  const read = (path: string): Buffer => {
    try {
      return readFileSync(resolve(io.workingFolder, path));
    } catch (error) {
      throw new CommandError(`${path} ${fileErrorMessage(error)}`);
    }
  };
  const message = readHttpMessage(read(file));
  if (!message.ok) throw new CommandError(`${file}:${String(message.line)}: ${message.message}`);
  const nowMs = options.at === undefined ? Date.now() : Date.parse(options.at);
  if (Number.isNaN(nowMs)) throw new CommandError('--at must be a time such as 2026-01-31T12:00:00Z');
  const key = await readKey(options, io);
  const { keyId } = key;
  const secret = new Redacted(key.secret);
  const [{ explainRequest }, { guardRequest }] = await Promise.all([
    import('../../signature/explain.js'),
    import('../../app/guard.js'),
  ]);
  let verification;
  try {
    verification = readVerification({
      dialects: options.dialect ?? ['JDCloud', 'Huawei', 'Tencent'],
      ...fieldsOf(options.option ?? []),
    });
  } catch (error) {
    if (error instanceof AppError) throw new CommandError(error.message);
    throw error;
  }
  const explanation = explainRequest(
    message.request,
    verification,
    {},
    (id) => (id === keyId ? { keyId, secrets: [{ secret }] } : undefined),
    nowMs,
    {
      ...(options.canonical === undefined ? {} : { canonicalRequest: read(options.canonical).toString('latin1') }),
      ...(options.stringToSign === undefined ? {} : { stringToSign: read(options.stringToSign).toString('latin1') }),
    },
  );
  const guard = guardRequest(message.request);
  const valid = explanation.verdict.ok && guard === undefined;
  if (options.output === 'json') {
    const { verdict, ...rest } = explanation;
    // A MAC that verifies is as good as the request: it is not shown.
    const shown = verdict.ok
      ? {
          ok: true,
          dialect: verdict.dialect,
          keyId: verdict.keyId,
          profile: verdict.profile,
          signedHeaders: verdict.signedHeaders,
        }
      : verdict;
    io.stdout(`${JSON.stringify({ valid, guard, verdict: shown, ...rest }, null, 2)}\n`);
  } else
    io.stdout(renderExplanation(explanation, guard, { keyId, nowMs, maxClockSkewMs: verification.maxClockSkewMs }));
  return valid ? EXIT.ok : EXIT.failed;
}

/** `requiredSignedHeaders=host,date` becomes a list; everything else stays text. */
function fieldsOf(pairs: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name = '', value = ''] = /^(\w+)=(.*)$/.exec(pair) ?? [];
      if (name === '') throw new CommandError(`--option must be name=value, not ${JSON.stringify(pair)}`);
      return [name, name === 'requiredSignedHeaders' || name === 'algorithms' ? value.split(',') : value];
    }),
  );
}

function renderExplanation(
  { verdict, attempts, canonicalRequest, stringToSign, credential }: Explanation,
  guard: string | undefined,
  judged: Judged,
): string {
  const lines: string[] = [];
  const line = (text = ''): void => void lines.push(text);
  if (verdict.ok)
    line(`signature: valid, dialect ${verdict.dialect}, key ${verdict.keyId}, profile ${verdict.profile}`);
  else line(`signature: not valid, ${verdict.reason}: ${verdict.detail}${whyNot(verdict.reason, credential, judged)}`);
  if (guard !== undefined)
    line(`path guard: the gateway refuses the request before it looks at the signature, ${guard}`);
  const matching = attempts.filter((attempt) => attempt.matches);
  for (const attempt of matching.length > 0 ? matching.slice(0, 1) : attempts) {
    line();
    line(
      `profile ${attempt.profile}: ${attempt.matches ? 'the signature matches' : 'the signature does not match'}${attempt.refuse ? ` (refused: ${attempt.refuse.reason})` : ''}`,
    );
    if (attempt.canonicalRequest !== undefined) line(block('canonical request', attempt.canonicalRequest));
    line(block('string to sign', attempt.stringToSign));
  }
  if (canonicalRequest) line(renderComparison('canonical request', canonicalRequest));
  if (stringToSign) line(renderComparison('string to sign', stringToSign));
  if (!verdict.ok && verdict.reason === 'bad_signature' && matching.length === 0) {
    if (!canonicalRequest && !stringToSign && attempts.length > 0) line(`\n${compareHint(attempts)}`);
    if (stringToSign && !stringToSign.difference)
      line('the client has signed it with another secret than the one given here, or has computed the HMAC otherwise');
  }
  return `${lines.join('\n')}\n`;
}

const compareHint = (attempts: Explanation['attempts']): string => {
  const option = attempts.some(({ canonicalRequest }) => canonicalRequest !== undefined)
    ? '--canonical FILE or --string-to-sign FILE'
    : '--string-to-sign FILE';
  return `hint: ${option}, with what the client computed, shows the first difference`;
};

interface Judged {
  readonly keyId: string;
  readonly nowMs: number;
  readonly maxClockSkewMs: number;
}

/** The two values that a person has to compare, where the verdict is about two. */
function whyNot(reason: string, credential: Explanation['credential'], judged: Judged): string {
  if (!credential) return '';
  if (reason === 'unknown_key')
    return ` (the request carries ${JSON.stringify(credential.keyId)}, not ${judged.keyId})`;
  const { timestampMs = credential.unsignedTimestampMs } = credential;
  if (reason !== 'clock_skew' || timestampMs === undefined) return '';
  const apart = Math.round(Math.abs(judged.nowMs - timestampMs) / 1000);
  return ` (date ${iso(timestampMs)}, clock ${iso(judged.nowMs)}: ${String(apart)} s apart, the limit is ${String(judged.maxClockSkewMs / 1000)} s)`;
}

const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

const block = (title: string, text: string): string =>
  `  ${title}:\n${text
    .split('\n')
    .map((l) => `  | ${l}`)
    .join('\n')}`;

function renderComparison(title: string, { profile, difference }: Comparison): string {
  if (!difference) return `\nyour ${title} equals that of profile ${profile}`;
  const { line, column, gateway, caller, marker } = difference;
  return [
    `\nyour ${title} differs from that of profile ${profile} in line ${String(line)}, column ${String(column)}:`,
    `  gateway | ${gateway ?? '(has ended)'}`,
    `  yours   | ${caller ?? '(has ended)'}`,
    `          | ${marker}`,
  ].join('\n');
}
