/** `countersign authorizer`: answers Envoy's checks by the policy of a controller, in one or several processes. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { fork } from 'node:child_process';
import type {
  AuthorizerSupervisor,
  SupervisorMessage,
  WorkerMessage,
} from '../../app/authorizer/authorizer-supervisor.js';
import type { AuthorizerWorker, WorkerState } from '../../app/authorizer/authorizer-worker.js';
import type { Config } from '../../config/settings.js';
import type { Logger } from '../../telemetry/logger.js';
import { CommandError, type CommandIo } from '../io.js';
import { helpText } from '../options/help-text.js';
import { addSettings, readSettings, type SettingFlags } from '../options/settings-options.js';
import { serveUntilSignal } from '../serve-until-signal.js';

interface WorkerFlags {
  /** Set by the supervisor: this process is worker number … */
  readonly worker?: number;
  readonly seenRevision?: number;
}

const MAX_PORT = 65_535;

const wholeNumber = (text: string): number => {
  if (!/^\d{1,16}$/.test(text)) throw new InvalidArgumentError('must be a whole number');
  return Number(text);
};

export function addAuthorizerCommand(program: Command, io: CommandIo, setExitCode: (code: number) => void): void {
  const command = program
    .command('authorizer')
    .description("answer Envoy's checks on Unix sockets or a port, by the policy of a controller")
    .addOption(new Option('--worker <index>').argParser(wholeNumber).hideHelp())
    .addOption(new Option('--seen-revision <revision>').argParser(wholeNumber).hideHelp());
  addSettings(command, 'authorizer')
    .addHelpText(
      'after',
      helpText(`
Examples:
  countersign authorizer --controller-address countersign-controller:18000 --socket-dir /run/countersign --workers 2
  countersign authorizer --controller-address 127.0.0.1:18000 --xds-cert tls.crt --xds-key tls.key --xds-ca ca.crt
  countersign authorizer --authz-port 9191 --envoy-name edge-envoy

Sockets and ports open once the first policy is there. While no controller is reached, the last policy stays in use. SIGTERM
drains. Exit codes: 0 ended by a signal, 1 failed, 2 wrong usage.`),
    )
    .action(async (flags: SettingFlags & WorkerFlags) => {
      const { worker, seenRevision = 0, ...settings } = flags;
      const config = readSettings(settings, io);
      if (config.authzPort !== undefined && config.authzPort + config.workers - 1 > MAX_PORT)
        throw new CommandError(`--authz-port ${config.authzPort} leaves no ports for --workers ${config.workers}`);
      const { createLogger } = await import('../../telemetry/logger.js');
      const format = config.logFormat === 'auto' ? (io.terminal ? 'pretty' : 'json') : config.logFormat;
      const log = createLogger({ level: config.logLevel, format, write: io.stderr });
      if (config.authzPort !== undefined && config.authzTls === 'off' && worker === undefined)
        log.warn('checks are answered without TLS: whoever reaches --authz-port may ask');
      const { redisPlaceOf } = await import('../../app/store-place.js');
      if (worker === undefined && redisPlaceOf(config) === undefined)
        log.warn(
          config.workers > 1
            ? `no Redis is given: each of the ${config.workers} workers counts for itself, so that ${config.workers} times each limit is admitted and a nonce may be used ${config.workers} times`
            : 'no Redis is given: limits and nonces are counted in this process alone and forgotten when it ends',
        );
      setExitCode(
        await (worker !== undefined
          ? runWorker(config, worker, seenRevision, log)
          : config.workers === 1
            ? runAlone(config, log)
            : runSupervisor(config, log)),
      );
    });
}

/** A worker of a supervisor: tells its state over IPC, ends with its parent. */
async function runWorker(config: Config, index: number, seenRevision: number, parentLog: Logger): Promise<number> {
  const log = parentLog.child({ worker: index });
  const { createAuthorizerWorker } = await import('../../app/authorizer/authorizer-worker.js');
  const tell = (message: WorkerMessage): void => {
    if (process.connected) process.send?.(message);
  };
  const worker = createAuthorizerWorker({
    config,
    index,
    seenRevision,
    log,
    onState: (state) => tell({ type: 'state', state }),
  });
  process.on('message', (_message: SupervisorMessage) => {
    void worker.metrics.export().then((metrics) => tell({ type: 'metrics', metrics }));
  });
  // Nobody would end or restart it any more.
  const onOrphaned = (): void => void process.kill(process.pid, 'SIGTERM');
  process.once('disconnect', onOrphaned);
  // Ctrl-C reaches the whole group; a worker is ended by its supervisor.
  process.on('SIGINT', () => undefined);
  const code = await serveUntilSignal({
    log,
    start: () => worker.start(),
    close: () => worker.close(),
    signals: ['SIGTERM'],
  });
  process.off('disconnect', onOrphaned);
  if (process.connected) process.disconnect();
  return code;
}

async function runAlone(config: Config, log: Logger): Promise<number> {
  const { createAuthorizerWorker } = await import('../../app/authorizer/authorizer-worker.js');
  const admin = await createAdmin(config, {
    states: () => [worker.state],
    render: () => worker.metrics.render(),
  });
  const worker: AuthorizerWorker = createAuthorizerWorker({
    config,
    index: 0,
    seenRevision: 0,
    log,
    onState: () => admin.update(),
  });
  return serveWithAdmin(admin, worker, log);
}

async function runSupervisor(config: Config, log: Logger): Promise<number> {
  const { createAuthorizerSupervisor } = await import('../../app/authorizer/authorizer-supervisor.js');
  const [, script = '', ...args] = process.argv;
  const admin = await createAdmin(config, {
    states: () => supervisor.states,
    render: () => supervisor.renderMetrics(),
  });
  const supervisor: AuthorizerSupervisor = createAuthorizerSupervisor({
    workers: config.workers,
    spawn: (index, seenRevision) =>
      fork(script, [...args, '--worker', String(index), '--seen-revision', String(seenRevision)]),
    log,
    onState: () => admin.update(),
  });
  return serveWithAdmin(admin, supervisor, log);
}

/** The admin address is there before, so that it can tell what a start waits for, and after. */
const serveWithAdmin = (admin: Part, served: Part, log: Logger): Promise<number> =>
  serveUntilSignal({
    log,
    start: async () => {
      await admin.start();
      await served.start();
    },
    close: async () => {
      await served.close();
      await admin.close();
    },
  });

interface Part {
  start(): Promise<unknown> | void;
  close(): Promise<void>;
}

interface Answers {
  readonly states: () => readonly (WorkerState | undefined)[];
  /** Text of the metrics. */
  readonly render: () => Promise<string>;
}

/** The admin address of all workers together: ready while one of them serves, since Envoy goes to the others then. */
async function createAdmin(config: Config, { states, render }: Answers) {
  const [{ createAdminServer }, { createHealth }, { createMetrics }, { readVersions }] = await Promise.all([
    import('../../telemetry/admin-server.js'),
    import('../../telemetry/health.js'),
    import('../../telemetry/metrics.js'),
    import('../../app/versions.js'),
  ]);
  const health = createHealth(['authorizer']);
  const server = createAdminServer({
    address: config.adminAddress,
    port: config.adminPort,
    health,
    metrics: { render, contentType: createMetrics().contentType },
    status: () => ({ ready: health.ready, missing: health.missing(), workers: states().map((state) => state ?? null) }),
    version: readVersions(),
  });
  return {
    start: () => server.start(),
    close: () => server.close(),
    update(): void {
      const all = states();
      const waiting = all.find((state) => !state?.ready);
      health.set(
        'authorizer',
        all.some((state) => state?.ready),
        waiting?.message ?? 'starting',
      );
    },
  };
}
