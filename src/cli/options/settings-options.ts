/** Flags of the settings table on a command, and the configuration they make. */
import { Option, type Command } from 'commander';
import { ConfigError, loadConfig, misspeltVariables, type Flags } from '../../config/load.js';
import {
  defaultText,
  flagUsage,
  SETTINGS,
  variableOf,
  type Config,
  type Setting,
  type SettingCommand,
} from '../../config/settings.js';
import { CommandError, type CommandIo } from '../io.js';
import { helpText } from './help-text.js';

/** Flags of a command with settings, as the parser gives them. */
export type SettingFlags = Flags & { readonly config?: string };

export function addSettings(command: Command, name: SettingCommand): Command {
  for (const setting of Object.values(SETTINGS) as Setting[]) {
    if (!setting.commands.includes(name)) continue;
    const shown = defaultText(setting);
    const about = SETTINGS.redisUrl.commands.some((each) => each === name)
      ? setting.about
      : (setting.aboutWithoutStore ?? setting.about);
    const option = new Option(flagUsage(setting), shown === undefined ? about : `${about} Default: ${shown}.`);
    if (setting.many) option.argParser((text: string, before: string[] | undefined) => [...(before ?? []), text]);
    command.addOption(option);
  }
  return command
    .option('--config <file>', 'YAML file of settings. Environment: COUNTERSIGN_CONFIG.')
    .addHelpText(
      'after',
      helpText(
        `\nEach setting is also read from the environment (--http-port: ${variableOf(SETTINGS.httpPort)}) and from --config (httpPort).`,
      ),
    );
}

/** @throws CommandError with one line per mistake. */
export function readSettings(flags: SettingFlags, io: CommandIo): Config {
  for (const warning of misspeltVariables(io.environment)) io.stderr(`warning: ${warning}\n`);
  try {
    return loadConfig({
      flags,
      file: flags.config,
      workingFolder: io.workingFolder,
      ...(io.environment ? { environment: io.environment } : {}),
    });
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(error.message);
    throw error;
  }
}
