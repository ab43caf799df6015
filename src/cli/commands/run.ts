/** `countersign run`: serves a folder of manifests with a child Envoy until a signal ends it. */
import type { Command } from 'commander';
import type { AccessLogEntry } from '../../app/gateway/access-log.js';
import type { GatewayAddresses } from '../../app/gateway/gateway.js';
import type { CommandIo } from '../io.js';
import { helpText } from '../options/help-text.js';
import { serveUntilSignal } from '../serve-until-signal.js';
import { addSettings, readSettings, type SettingFlags } from '../options/settings-options.js';

export function addRunCommand(program: Command, io: CommandIo, setExitCode: (code: number) => void): void {
  const command = program
    .command('run')
    .description(
      'serve a folder of YAML: everything in one process and a child Envoy; edits are live in under a second',
    )
    .argument('<dir>', 'folder of YAML; watched');
  addSettings(command, 'run')
    .addHelpText(
      'after',
      helpText(`
Examples:
  countersign run examples/quickstart --service shop/orders:8080=127.0.0.1:9000
  countersign run config/ --http-port 80 --http-address 0.0.0.0 --redis-url redis://127.0.0.1:6379
  countersign run config/ --https-port 8443 --tls-cert cert.pem --tls-key key.pem

The access log goes to stdout, everything else to stderr. The first SIGINT or SIGTERM drains and ends everything; one
that comes a second or more later ends at once. Exit codes: 0 ended by a signal, 1 failed, 2 wrong usage, 130 or 143
ended at once.`),
    )
    .action(async (dir: string, flags: SettingFlags) => {
      setExitCode(await run(dir, flags, io));
    });
}

async function run(dir: string, flags: SettingFlags, io: CommandIo): Promise<number> {
  const config = readSettings(flags, io);
  const [{ createGateway }, { createLogger }, { resolveFolder, stateFolderOf }, { formatAccessLogEntry }] =
    await Promise.all([
      import('../../app/gateway/gateway.js'),
      import('../../telemetry/logger.js'),
      import('../load-folder.js'),
      import('../../app/gateway/access-log.js'),
    ]);
  const folderPath = resolveFolder(dir, io);
  const format = config.logFormat === 'auto' ? (io.terminal ? 'pretty' : 'json') : config.logFormat;
  const log = createLogger({ level: config.logLevel, format, write: io.stderr });
  const onAccessLog = (entry: AccessLogEntry): void =>
    io.stdout(`${format === 'pretty' ? formatAccessLogEntry(entry) : JSON.stringify(entry)}\n`);
  const gateway = createGateway({
    config,
    folder: dir,
    folderPath,
    stateFolder: stateFolderOf(config, folderPath),
    log,
    onAccessLog,
  });

  return serveUntilSignal({
    log,
    start: async () => {
      const addresses = await gateway.start();
      const text = readyText(addresses, gateway.summary());
      if (format === 'json') log.info(addresses, text);
      else log.info(text);
    },
    close: () => gateway.close(),
  });
}

const readyText = ({ http, https, admin }: GatewayAddresses, summary: string): string =>
  `ready: ${[http, https].filter((url) => url !== undefined).join(' and ')} (${summary}), admin ${admin}/status`;
