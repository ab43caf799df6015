/** `countersign controller`: serves separate Envoys and authorizers over mTLS until a signal ends it. */
import type { Command } from 'commander';
import { statSync } from 'node:fs';
import type { Config } from '../config/settings.js';
import { CommandError, type CommandIo } from './io.js';
import { serveUntilSignal } from './serve-until-signal.js';
import { addSettings, readSettings, type SettingFlags } from './settings-options.js';

export function addControllerCommand(program: Command, io: CommandIo, setExitCode: (code: number) => void): void {
  const command = program
    .command('controller')
    .description('serve the configuration of Envoys and the policy of authorizers, over mTLS');
  addSettings(command, 'controller')
    .addHelpText(
      'after',
      `
Examples:
  countersign controller --folder config/ --xds-cert tls.crt --xds-key tls.key --xds-ca ca.crt

The name in a client's certificate decides what it gets (--envoy-name, --authorizer-name). Exit codes: 0 ended by a
signal, 1 failed, 2 wrong usage.`,
    )
    .action(async (flags: SettingFlags) => {
      const config = readSettings(flags, io);
      const folder = folderOf(config);
      const [{ createControllerProcess }, { openFolderSource }, { createLogger }, { systemClock }] = await Promise.all([
        import('../app/controller-process.js'),
        import('../app/controller-source.js'),
        import('../telemetry/logger.js'),
        import('../lib/clock.js'),
      ]);
      const format = config.logFormat === 'auto' ? (io.terminal ? 'pretty' : 'json') : config.logFormat;
      const log = createLogger({ level: config.logLevel, format, write: io.stderr });
      const controller = createControllerProcess({
        config,
        log,
        openSource: () => openFolderSource({ folder, stateFolder: config.stateDir, log, clock: systemClock }),
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

/** @throws CommandError when it is not given or is no folder. */
function folderOf({ folder }: Config): string {
  if (folder === undefined) throw new CommandError('--folder: is required');
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new CommandError(`${folder} is not a folder`);
  return folder;
}
