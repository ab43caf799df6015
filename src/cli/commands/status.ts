/** `countersign status`: whether an installation works, and if not, what is in the way. */
import { Option, type Command } from 'commander';
import { textOfPlace } from '../../app/problem-text.js';
import type {
  KindSummary,
  LimiterReport,
  NodeReport,
  ObjectReadiness,
  ProblemReport,
  StatusReport,
} from '../../app/status/status-report.js';
import { AppError } from '../../lib/errors.js';
import { CommandError, EXIT, type CommandIo } from '../io.js';
import { helpText } from '../options/help-text.js';
import { addSettings, readSettings, type SettingFlags } from '../options/settings-options.js';

interface StatusFlags extends SettingFlags {
  readonly url?: string;
  readonly output: 'text' | 'json';
}

/** More than this nobody reads on a terminal; `--output json` has all. */
const MAX_LINES = 10;
const MAX_MESSAGE = 160;

const HINT = 'for a folder that `countersign run` serves: --url http://127.0.0.1:8081';

export function addStatusCommand(program: Command, io: CommandIo, setExitCode: (code: number) => void): void {
  const command = program
    .command('status')
    .description('summarize an installation: objects, data planes, limiter, problems')
    .option('--url <url>', 'admin address of a controller or of `run`. Default: a cluster is asked.')
    .addOption(new Option('--output <format>').choices(['text', 'json']).default('text'))
    .allowExcessArguments();
  addSettings(command, 'status')
    .addHelpText(
      'after',
      helpText(`
Examples:
  countersign status
  countersign status --context production --namespace gateway --watch-namespace shop
  countersign status --url http://127.0.0.1:8081 --output json

Of a folder that \`run\` serves, its admin address is asked: --url. In a cluster the objects are listed, and the controller
that leads is asked through the API server; it needs the rights of the roles viewer and status. Exit codes: 0 all is
ready, 1 something is not, 2 wrong usage. A counter store that may lose what it counts is told, and is no failure.`),
    )
    .action(async (flags: StatusFlags) => {
      const [folder] = command.args;
      if (folder !== undefined)
        throw new CommandError(
          `${folder}: status asks what runs, and takes no folder; ${HINT}; of its files alone: countersign lint ${folder}`,
        );
      const report = await readReport(flags, io);
      io.stdout(flags.output === 'json' ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report));
      setExitCode(report.ok ? EXIT.ok : EXIT.failed);
    });
}

async function readReport(flags: StatusFlags, io: CommandIo): Promise<StatusReport> {
  const { url } = flags;
  if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new CommandError(`--url: must be a URL such as http://127.0.0.1:8081, not ${JSON.stringify(url)}`);
  const config = readSettings(flags, io);
  const [{ reportOfCluster, reportOfProcess }, { defaultKubeconfig }, { systemClock }] = await Promise.all([
    import('../../app/status/status-sources.js'),
    import('../../config/kubeconfig.js'),
    import('../../lib/clock.js'),
  ]);
  try {
    if (url !== undefined) return await reportOfProcess(url);
    const kubeconfig = config.kubeconfig ?? defaultKubeconfig(io.environment);
    return await reportOfCluster({ config, kubeconfig, clock: systemClock });
  } catch (error) {
    if (error instanceof AppError)
      throw new CommandError(
        error.code === 'ERR_KUBECONFIG' ? `${error.message}; ${HINT}` : error.message,
        EXIT.failed,
      );
    throw error;
  }
}

function formatReport(report: StatusReport): string {
  const { source, version, leader, kinds, notReady, nodes, limiter, problems, faults, unknown } = report;
  const title = [
    `Countersign${version === undefined ? '' : ` ${version}`}`,
    source,
    ...(leader === undefined ? [] : [`led by ${leader}`]),
  ].join(', ');
  const sections = [
    [title],
    table(['KIND', 'READY', 'TOTAL', 'STATES'], kinds.map(kindRow)),
    section('NOT READY', notReady, objectRow, 'kubectl get countersign -A -o wide, or --output json'),
    nodes && nodes.length > 0 ? table(['DATA PLANE', 'NODE', 'VERSION', 'STATE'], nodes.map(nodeRow)) : [],
    limiter ? limiterLines(limiter) : [],
    section('PROBLEMS', problems, problemRow, '--output json'),
    faults.map((fault) => `Fault: ${fault}`),
    unknown.map((each) => `Not known: ${each}`),
    [verdict(report)],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.map(printable).join('\n')}\n`)
    .join('\n');
}

const limiterLines = ({ mode, healthy, flaws }: LimiterReport): string[] => [
  `Limiter: ${mode}, ${healthy ? 'healthy' : 'NOT healthy'}${flaws.length > 0 ? ', MISCONFIGURED' : ''}`,
  ...flaws.map((flaw) => `  ${short(flaw)}`),
];

function verdict({ ok, kinds, notReady, limiter, problems, faults, unknown }: StatusReport): string {
  const total = kinds.reduce((sum, kind) => sum + kind.total, 0);
  if (ok)
    return [
      total === 0 ? 'There are no objects yet' : 'All is ready',
      ...(unknown.length > 0 ? ['as far as is known'] : []),
      ...(limiter && limiter.flaws.length > 0 ? ['but the counter store is misconfigured'] : []),
    ]
      .join(', ')
      .concat('.');
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const parts = [
    ...(notReady.length > 0 ? [`${String(notReady.length)} of ${plural(total, 'object')}`] : []),
    ...(errors > 0 ? [plural(errors, 'error')] : []),
    ...(faults.length > 0 ? [plural(faults.length, 'fault')] : []),
  ];
  return `Not all is ready: ${parts.join(', ')}.`;
}

const plural = (count: number, noun: string): string => `${String(count)} ${noun}${count === 1 ? '' : 's'}`;

const kindRow = ({ kind, total, ready, reasons }: KindSummary): string[] => [
  kind,
  String(ready),
  String(total),
  Object.entries(reasons)
    .map(([reason, count]) => `${String(count)} ${reason}`)
    .join(', '),
];

const objectRow = ({ kind, namespace, name, reason, message, place }: ObjectReadiness): string[] => [
  `  ${placeText(place)}${kind} ${namespace}/${name}`,
  reason,
  short(message),
];

/** As `lint` prints it. */
const placeText = (place: ObjectReadiness['place']): string => (place ? `${textOfPlace(place)}: ` : '');

const nodeRow = ({ kind, id, version, connected, current, lacks }: NodeReport): string[] => [
  kind === 'envoy' ? 'Envoy' : kind,
  id,
  version ?? '-',
  connected ? (current ? 'current' : `behind${lacks.length > 0 ? `: ${short(lacks.join(', '))}` : ''}`) : 'vanished',
];

const problemRow = ({ severity, reason, object, path, message, place }: ProblemReport): string[] => [
  `  ${placeText(place)}${severity}`,
  reason,
  short(`${object}${object === '' ? '' : ': '}${path === '' ? '' : `${path}: `}${message}`),
];

/** What users wrote may be in it, and what a node calls itself: one line, no control characters for the terminal. */
const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');

const short = (text: string): string => {
  const line = printable(text).trim();
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE - 1)}…` : line;
};

function section<T>(title: string, items: readonly T[], row: (item: T) => string[], rest: string): string[] {
  if (items.length === 0) return [];
  const more = items.length - MAX_LINES;
  return [
    `${title} (${String(items.length)})`,
    ...align(items.slice(0, MAX_LINES).map(row)),
    ...(more > 0 ? [`  … and ${String(more)} more: ${rest}`] : []),
  ];
}

const table = (heads: string[], rows: readonly string[][]): string[] => align([heads, ...rows]);

function align(rows: readonly string[][]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
