/** Reads the configuration: flags > environment > file > default. All mistakes are reported together. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import { AppError } from '../lib/errors.js';
import { fileErrorMessage } from '../lib/file-error.js';
import { keyOf, SETTINGS, variableOf, type Config, type Setting, type SettingName } from './settings.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Flag values by `keyOf`, as the command line parser gives them. */
export type Flags = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface ConfigSources {
  readonly flags: Flags;
  /** Absent: that of the process. */
  readonly environment?: Environment;
  /** Resolves relative paths of flags and variables. */
  readonly workingFolder: string;
  /** `--config`; absent: COUNTERSIGN_CONFIG. */
  readonly file?: string | undefined;
}

/** Bad settings: one line each, naming where the value came from. */
export class ConfigError extends AppError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super('ERR_CONFIG', problems.join('\n'));
    this.problems = problems;
  }
}

interface Given {
  readonly texts: readonly string[];
  /** For messages: `--http-port`, `COUNTERSIGN_HTTP_PORT`, `httpPort in gateway.yaml`. */
  readonly origin: string;
  readonly folder: string;
}

/** @throws ConfigError with every mistake found. */
export function loadConfig({ flags, environment = process.env, workingFolder, file }: ConfigSources): Config {
  const problems: string[] = [];
  const path = file ?? environment['COUNTERSIGN_CONFIG'];
  const fromFile =
    path === undefined || path === '' ? undefined : readConfigFile(resolve(workingFolder, path), problems);

  const given = (setting: Setting): Given | undefined => {
    const key = keyOf(setting);
    const flag = flags[key];
    if (flag !== undefined) return { texts: listOf(flag), origin: setting.flag, folder: workingFolder };
    const variable = environment[variableOf(setting)];
    // An empty variable is how a shell or a container unsets one.
    if (variable !== undefined && variable !== '') {
      const texts = setting.many ? variable.split(',').map((t) => t.trim()) : [variable];
      return { texts, origin: variableOf(setting), folder: workingFolder };
    }
    const inFile = fromFile?.values.get(key);
    if (fromFile && inFile)
      return { texts: inFile, origin: `${key} in ${fromFile.path}`, folder: dirname(fromFile.path) };
    return undefined;
  };

  const read = (setting: Setting): unknown => {
    const { texts, origin, folder } = given(setting) ?? {
      texts: listOf(setting.default ?? []),
      origin: `the default of ${setting.flag}`,
      folder: workingFolder,
    };
    if (!setting.many && texts.length > 1) problems.push(`${origin}: takes one value`);
    const values = texts.flatMap((text) => {
      const result = setting.kind.read(text, folder);
      if (result.ok) return [result.value];
      problems.push(
        `${origin}: ${result.message}${setting.kind.placeholder === 'url' ? '' : `, not ${JSON.stringify(text)}`}`,
      );
      return [];
    });
    return setting.many ? Object.freeze(values) : values[0];
  };

  const config = Object.fromEntries(Object.entries(SETTINGS).map(([name, setting]) => [name, read(setting)])) as Config;
  if (problems.length === 0) checkTogether(config, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

/** Variables that look like a misspelt setting: one sentence each. Whatever else begins like ours is not judged. */
export function misspeltVariables(environment: Environment = process.env): string[] {
  const known = ['COUNTERSIGN_CONFIG', ...Object.values(SETTINGS).map(variableOf)];
  return Object.keys(environment)
    .filter((name) => name.startsWith('COUNTERSIGN_') && !known.includes(name))
    .flatMap((name) => {
      const meant = known.find((other) => editDistance(name, other) <= MAX_TYPOS);
      return meant === undefined ? [] : [`${name} is no setting and is not read; is ${meant} meant?`];
    });
}

const MAX_TYPOS = 2;

/** Levenshtein's: insertions, deletions and replacements that make one text of the other. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    row = next;
  }
  return row[b.length] ?? 0;
}

function checkTogether(config: Config, problems: string[]): void {
  const { httpsPort, tlsCert, tlsKey, httpPort, adminPort } = config;
  if (httpsPort !== undefined && (tlsCert === undefined || tlsKey === undefined))
    problems.push('--https-port: needs --tls-cert and --tls-key');
  if (httpsPort === undefined && (tlsCert !== undefined || tlsKey !== undefined))
    problems.push('--tls-cert, --tls-key: need --https-port');
  checkRedis(config, problems);
  checkLease(config, problems);
  const ports = [
    ['--http-port', httpPort],
    ['--https-port', httpsPort],
    ['--admin-port', adminPort],
  ] as const;
  for (const [i, [flag, port]] of ports.entries()) {
    const same = ports.slice(0, i).find(([, other]) => other !== undefined && other === port);
    if (same) problems.push(`${flag}: ${String(port)} is already that of ${same[0]}`);
  }
}

function checkLease(config: Config, problems: string[]): void {
  const { leaseDurationMs, leaseRenewDeadlineMs, leaseRetryPeriodMs } = config;
  // Equal ones would let two lead at once.
  if (leaseRenewDeadlineMs >= leaseDurationMs)
    problems.push('--lease-renew-deadline: must be less than --lease-duration');
  if (leaseRetryPeriodMs >= leaseRenewDeadlineMs)
    problems.push('--lease-retry-period: must be less than --lease-renew-deadline');
  if (config.folder !== undefined && config.xdsCertificates === 'generate')
    problems.push('--xds-certificates generate: needs a Kubernetes API, not --folder');
}

function checkRedis(config: Config, problems: string[]): void {
  const places = [
    ['--redis-url', config.redisUrl !== undefined],
    ['--redis-sentinel', config.redisSentinels.length > 0],
    ['--redis-cluster', config.redisCluster.length > 0],
  ] as const;
  const given = places.filter(([, is]) => is).map(([flag]) => flag);
  if (given.length > 1) problems.push(`${given.join(', ')}: only one of them can be given`);
  if (config.redisSentinels.length > 0 !== (config.redisMasterName !== undefined))
    problems.push('--redis-sentinel, --redis-master-name: need each other');
  if (given.length === 0) {
    const useless = (['redisPasswordFile', 'redisTlsCa', 'redisTlsCert', 'redisTlsServerName'] as const).find(
      (name) => config[name] !== undefined,
    );
    // Counters in memory by mistake would let every authorizer admit the whole limit.
    if (useless) problems.push(`${SETTINGS[useless].flag}: needs --redis-url, --redis-sentinel or --redis-cluster`);
  }
  for (const [name, needed] of [
    ['redisUsernameFile', 'redisPasswordFile'],
    ['redisSentinelUsernameFile', 'redisSentinelPasswordFile'],
    ['redisTlsCert', 'redisTlsKey'],
    ['redisTlsKey', 'redisTlsCert'],
  ] as const)
    if (config[name] !== undefined && config[needed] === undefined)
      problems.push(`${SETTINGS[name].flag}: needs ${SETTINGS[needed].flag}`);
  if (config.redisTls === 'off') {
    const useless = (['redisTlsCa', 'redisTlsCert', 'redisTlsServerName'] as const).find(
      (name) => config[name] !== undefined,
    );
    if (useless) problems.push(`--redis-tls off: contradicts ${SETTINGS[useless].flag}`);
  }
}

function readConfigFile(path: string, problems: string[]): { path: string; values: Map<string, readonly string[]> } {
  const values = new Map<string, readonly string[]>();
  let content: unknown;
  try {
    content = parse(readFileSync(path, 'utf8')) ?? {};
  } catch (error) {
    const message = error instanceof YAMLParseError ? (error.message.split('\n')[0] ?? '') : fileErrorMessage(error);
    problems.push(`--config ${path}: ${message}`);
    return { path, values };
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    problems.push(`--config ${path}: must be a map of settings`);
    return { path, values };
  }
  const known = new Set((Object.keys(SETTINGS) as SettingName[]).map((name) => keyOf(SETTINGS[name])));
  for (const [key, value] of Object.entries(content) as [string, unknown][]) {
    const texts = textsOf(value);
    if (!known.has(key)) problems.push(`--config ${path}: there is no setting ${JSON.stringify(key)}`);
    else if (!texts) problems.push(`--config ${path}: ${key} must be text, a number or a list of these`);
    else values.set(key, texts);
  }
  return { path, values };
}

function textsOf(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number') return [String(value)];
  if (!Array.isArray(value)) return undefined;
  const texts = value.map(textsOf);
  return texts.every((t) => t !== undefined) ? texts.flat() : undefined;
}

const listOf = (value: string | readonly string[]): readonly string[] => (typeof value === 'string' ? [value] : value);
