/** `countersign controller`: serves separate Envoys and authorizers over mTLS until a signal ends it. */
import type { Command } from 'commander';
import { statSync } from 'node:fs';
import type { ControllerSource } from '../../app/controller/controller-source.js';
import type { Config } from '../../config/settings.js';
import type { Logger } from '../../telemetry/logger.js';
import type { Metrics } from '../../telemetry/metrics.js';
import { CommandError, type CommandIo } from '../io.js';
import { helpText } from '../options/help-text.js';
import { serveUntilSignal } from '../serve-until-signal.js';
import { addSettings, readSettings, type SettingFlags } from '../options/settings-options.js';

export function addControllerCommand(program: Command, io: CommandIo, setExitCode: (code: number) => void): void {
  const command = program
    .command('controller')
    .description('serve the configuration of Envoys and the policy of authorizers, over mTLS');
  addSettings(command, 'controller')
    .addHelpText(
      'after',
      helpText(`
Examples:
  countersign controller --namespace countersign-system --xds-certificates generate
  countersign controller --folder config/ --xds-cert tls.crt --xds-key tls.key --xds-ca ca.crt

Without --folder the objects are those of a Kubernetes API; of several controllers the one that holds the Lease
serves, the others stand by. The name in a client's certificate decides what it gets (--envoy-name, --authorizer-name). Exit codes: 0 ended by a
signal, 1 failed, 2 wrong usage.`),
    )
    .action(async (flags: SettingFlags) => {
      const config = readSettings(flags, io);
      checkFolder(config);
      const [{ createControllerProcess }, { createLogger }] = await Promise.all([
        import('../../app/controller/controller-process.js'),
        import('../../telemetry/logger.js'),
      ]);
      const format = config.logFormat === 'auto' ? (io.terminal ? 'pretty' : 'json') : config.logFormat;
      const log = createLogger({ level: config.logLevel, format, write: io.stderr });
      const controller = createControllerProcess({
        config,
        log,
        openSource: (metrics) => openSource(config, log, metrics),
      });
      setExitCode(
        await serveUntilSignal({
          log,
          start: async () => {
            const { xds, admin } = await controller.start();
            log.info(`ready: xDS on ${xds}, admin ${admin}/status`);
          },
          close: () => controller.close(),
        }),
      );
    });
}

async function openSource(config: Config, log: Logger, metrics: Metrics): Promise<ControllerSource> {
  const { systemClock: clock } = await import('../../lib/clock.js');
  if (config.folder === undefined) {
    const { openKubernetesSource } = await import('../../app/kubernetes/kubernetes-source.js');
    return openKubernetesSource({ config, metrics, log, clock });
  }
  const [{ openFolderSource }, { translateContext }] = await Promise.all([
    import('../../app/controller/controller-source.js'),
    import('../../app/context.js'),
  ]);
  const { folder, stateDir: stateFolder } = config;
  return openFolderSource({ context: translateContext(config), folder, stateFolder, log, clock });
}

/** @throws CommandError when it is no folder. */
function checkFolder({ folder }: Config): void {
  if (folder !== undefined && !statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new CommandError(`${folder} is not a folder`);
}
