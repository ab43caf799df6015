/** `countersign usage`: what callers have used of their plans, and setting it when they move here with a history. */
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { Option, type Command } from 'commander';
import type { StoredPlans } from '../../app/kubernetes/stored-plans.js';
import type { UsageCounter, UsageFilter } from '../../app/usage.js';
import { keyOf, SETTINGS, type Config } from '../../config/settings.js';
import { AppError } from '../../lib/errors.js';
import { CommandError, EXIT, type CommandIo } from '../io.js';
import { helpText } from '../options/help-text.js';
import { addSettings, readSettings, type SettingFlags } from '../options/settings-options.js';

type FilterFlags = SettingFlags & UsageFilter;

const DIR_ABOUT = 'folder of YAML. Default: the objects of a cluster, read with your rights';

export function addUsageCommand(program: Command, io: CommandIo): void {
  const usage = program
    .command('usage')
    .description('what callers have used of their plans, how much that may be and when it begins anew')
    .argument('[dir]', DIR_ABOUT)
    .addOption(new Option('--output <format>').choices(['text', 'json']).default('text'))
    // So that `usage set DIR --plan P` gives its options to `set`.
    .enablePositionalOptions();
  addFilters(usage);
  addSettings(usage, 'usage')
    .addHelpText(
      'after',
      helpText(`
Examples:
  countersign usage config/ --redis-url redis://127.0.0.1:6379
  countersign usage config/ --plan gold --key mobile-app --output json
  countersign usage set config/ --plan gold --key mobile-app --limit monthly --used 120000
  countersign usage reset config/ --plan gold --key mobile-app
  kubectl port-forward -n redis service/redis 6379 &
  countersign usage --context production --watch-namespace shop --redis-url redis://127.0.0.1:6379

In a cluster SignatureKeys, ApiGroups and UsagePlans are read, as the role viewer may, and no Secrets.
A rate shows the tokens that are not back yet of its burst. Authorizers that have just refused a caller see a
change within two seconds.`),
    )
    .action(async (dir: string | undefined, flags: FilterFlags & { output: 'text' | 'json' }) => show(dir, flags, io));

  const set = usage
    .command('set')
    .description('set what a quota has used in its current window: carry over what was used elsewhere')
    .argument('[dir]', DIR_ABOUT)
    .requiredOption('--used <count>', 'requests used')
    .option('--yes', 'do not ask');
  addFilters(set);
  addSettings(set, 'usage')
    .addHelpText(
      'after',
      helpText(`
Examples:
  countersign usage set config/ --plan gold --key mobile-app --limit monthly --used 120000
  countersign usage set config/ --plan gold --limit together --used 0 --yes --redis-url redis://127.0.0.1:6379

One counter at a time, of a quota: the flags must leave one. A rate can be reset only.`),
    )
    .action(async (dir: string | undefined, flags: FilterFlags & { used: string; yes?: boolean }) =>
      setUsed(dir, flags, io),
    );

  const reset = usage
    .command('reset')
    .description('forget what was used: of a plan, a key, or one limit')
    .argument('[dir]', DIR_ABOUT)
    .option('--yes', 'do not ask');
  addFilters(reset);
  addSettings(reset, 'usage')
    .addHelpText(
      'after',
      helpText(`
Examples:
  countersign usage reset config/ --plan gold --key mobile-app
  countersign usage reset config/ --plan gold --limit monthly --yes --redis-url redis://127.0.0.1:6379

Needs --plan or --key. What would be reset is shown first, and asked for unless --yes is given.`),
    )
    .action(async (dir: string | undefined, flags: FilterFlags & { yes?: boolean }) => resetUsage(dir, flags, io));
}

function addFilters(command: Command): void {
  command
    .option('--plan <plan>', 'only this plan: namespace/name, name or plan id')
    .option('--key <key>', 'only this caller: key id, or namespace/name or name of its SignatureKey')
    .option('--limit <name>', 'only this rate limit or quota')
    .option('--api <api>', 'only this API, for limits of scope KeyAndApi: group/api')
    .option('--environment <name>', 'only this environment, for limits of scope KeyAndApi');
}

/** The counters that the flags select, and the store. */
async function open(dir: string | undefined, flags: FilterFlags, io: CommandIo) {
  const config = readSettings(flags, io);
  const { openAdministration, usageCounters, whyNoCounter } = await import('../../app/usage.js');
  const inCluster = dir === undefined;
  const { model, unjudgedKeys, origin, tells } = inCluster
    ? await plansOfCluster(config, flags, io)
    : await plansOfFolder(dir, config, flags, io);
  const counters = usageCounters(model, flags);
  if (counters.length === 0)
    throw new CommandError(`${whyNoCounter(model, flags)}; ${tells} tells what is wrong with a plan`, EXIT.failed);
  const doubtful = unjudgedKeys.filter((key) =>
    counters.some((counter) => counter.key === key && namespaceOf(counter.plan) !== namespaceOf(key)),
  );
  if (doubtful.length > 0)
    io.stderr(
      `note: Namespaces may not be read, so keys are taken to admit the plans that name them: ${doubtful.join(', ')}\n`,
    );
  return { counters, origin, administration: await openAdministration(config, { inCluster }) };
}

interface Plans extends Pick<StoredPlans, 'model' | 'unjudgedKeys'> {
  /** For a question; empty where it is plain. */
  readonly origin: string;
  /** What tells more of a plan. */
  readonly tells: string;
}

async function plansOfFolder(dir: string, config: Config, flags: FilterFlags, io: CommandIo): Promise<Plans> {
  const given = CLUSTER_FLAGS.filter((name) => flags[keyOf(SETTINGS[name])] !== undefined);
  if (given.length > 0)
    throw new CommandError(
      `${given.map((name) => SETTINGS[name].flag).join(', ')}: of a cluster, and ${dir} is a folder; give one of them`,
    );
  const { loadFolder } = await import('../load-folder.js');
  const { translation } = await loadFolder(dir, config, io);
  return { model: translation.model, unjudgedKeys: [], origin: '', tells: '`countersign lint`' };
}

async function plansOfCluster(config: Config, flags: FilterFlags, io: CommandIo): Promise<Plans> {
  const [{ readStoredPlans }, { missingCounters }, { formatProblem }, { defaultKubeconfig }, { systemClock }] =
    await Promise.all([
      import('../../app/kubernetes/stored-plans.js'),
      import('../../app/usage.js'),
      import('../../app/problem-text.js'),
      import('../../config/kubeconfig.js'),
      import('../../lib/clock.js'),
    ]);
  const kubeconfig = config.kubeconfig ?? defaultKubeconfig(io.environment);
  try {
    const { model, problems, server, unjudgedKeys } = await readStoredPlans({ config, kubeconfig, clock: systemClock });
    for (const problem of missingCounters(model, problems, flags))
      io.stderr(`${formatProblem({ ...problem, file: '', line: 0, column: 0 })}\n`);
    return { model, unjudgedKeys, origin: ` (cluster ${server})`, tells: '`kubectl describe usageplan`' };
  } catch (error) {
    if (error instanceof AppError && error.code === 'ERR_KUBECONFIG')
      throw new CommandError(`${error.message}; for a folder: countersign usage DIR`, EXIT.failed);
    throw error;
  }
}

const CLUSTER_FLAGS = ['kubeconfig', 'context', 'watchNamespaces'] as const;

async function show(
  dir: string | undefined,
  flags: FilterFlags & { output: 'text' | 'json' },
  io: CommandIo,
): Promise<void> {
  const { counters, administration } = await open(dir, flags, io);
  try {
    const states = await administration.read(counters.map(({ reference }) => reference));
    const rows = counters.map(({ reference: _, ...counter }, i) => {
      const { used = 0, limit = 0, resetsAtMs } = states[i] ?? {};
      return { ...counter, used, of: limit, ...(resetsAtMs === undefined ? {} : { resetsAt: isoTime(resetsAtMs) }) };
    });
    if (flags.output === 'json') io.stdout(`${JSON.stringify(rows, null, 2)}\n`);
    else io.stdout(formatTable(rows));
  } finally {
    await administration.close();
  }
}

async function setUsed(
  dir: string | undefined,
  flags: FilterFlags & { used: string; yes?: boolean },
  io: CommandIo,
): Promise<void> {
  const used = /^\d{1,15}$/.test(flags.used) ? Number(flags.used) : NaN;
  if (!Number.isSafeInteger(used)) throw new CommandError('--used must be a whole number of requests');
  const { counters, origin, administration } = await open(dir, flags, io);
  try {
    const [counter] = counters;
    if (counters.length > 1 || !counter)
      throw new CommandError(
        `--used is for one counter, and these are ${String(counters.length)}; narrow them with --plan, --key, --limit, --api or --environment:\n${counters.map(nameOf).join('\n')}`,
      );
    const { reference } = counter;
    if (reference.kind !== 'quota')
      throw new CommandError(`${nameOf(counter)} is a rate: it can be reset, only a quota can be set`);
    const [state] = await administration.read([reference]);
    await confirm(
      `set ${nameOf(counter)} from ${String(state?.used)} to ${String(used)} of ${String(state?.limit)}${origin}`,
      flags,
      io,
    );
    await administration.setUsed(reference, used);
    io.stdout(`${nameOf(counter)}: ${String(used)} of ${String(state?.limit)} used\n`);
  } finally {
    await administration.close();
  }
}

async function resetUsage(
  dir: string | undefined,
  flags: FilterFlags & { yes?: boolean },
  io: CommandIo,
): Promise<void> {
  if (flags.plan === undefined && flags.key === undefined) throw new CommandError('reset needs --plan or --key');
  const { counters, origin, administration } = await open(dir, flags, io);
  try {
    const names = counters.map(nameOf);
    const told = names.length > 5 ? [...names.slice(0, 5), `… ${String(names.length - 5)} more`] : names;
    await confirm(
      `forget what was used of ${String(names.length)} counter(s)${origin}:\n${told.join('\n')}\n`,
      flags,
      io,
    );
    for (const { reference } of counters) await administration.reset(reference);
    io.stdout(`${String(names.length)} counter(s) reset\n`);
  } finally {
    await administration.close();
  }
}

/** @throws CommandError unless `--yes` was given or a person says yes. */
async function confirm(what: string, { yes }: { readonly yes?: boolean }, io: CommandIo): Promise<void> {
  if (yes) return;
  if (!io.terminal) throw new CommandError(`would ${what.trimEnd()}\nnothing was changed: add --yes`);
  io.stderr(`${what.charAt(0).toUpperCase()}${what.slice(1)}? [y/N] `);
  for await (const line of createInterface({ input: Readable.from(io.stdin) })) {
    if (/^y(es)?$/i.test(line.trim())) return;
    break;
  }
  throw new CommandError('nothing was changed', EXIT.failed);
}

const namespaceOf = (key: string): string => key.split('/')[0] ?? '';

const nameOf = ({ plan, limit, keyID, api, environment }: UsageCounter): string =>
  [`${plan} ${limit}`, keyID, api === undefined ? undefined : `${api} in ${environment ?? ''}`]
    .filter((part) => part !== undefined)
    .join(', ');

/** To the second: the store's clock and a reader's differ by more than milliseconds. */
const isoTime = (ms: number): string => new Date(Math.ceil(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');

type Row = Omit<UsageCounter, 'reference'> & { readonly used: number; readonly of: number; readonly resetsAt?: string };

function formatTable(rows: readonly Row[]): string {
  const apis = rows.some(({ api }) => api !== undefined);
  const lines = [
    ['PLAN', 'LIMIT', 'KIND', 'KEY-ID', ...(apis ? ['API', 'ENVIRONMENT'] : []), 'USED', 'OF', 'RESETS'],
    ...rows.map((row) => [
      row.plan,
      row.enforcement === 'Shadow' ? `${row.limit} (shadow)` : row.limit,
      row.kind,
      row.keyID ?? '(all)',
      ...(apis ? [row.api ?? '-', row.environment ?? '-'] : []),
      String(row.used),
      String(row.of),
      row.resetsAt ?? 'never',
    ]),
  ];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  return lines
    .map(
      (line) => `${line.map((cell, i) => (i === line.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  ')}\n`,
    )
    .join('');
}
