/** `countersign bootstrap`: writes the files with which an Envoy of its own starts. */
import type { Command } from 'commander';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import type { CommandIo } from '../io.js';
import { helpText } from '../options/help-text.js';
import { addSettings, readSettings, type SettingFlags } from '../options/settings-options.js';

export function addBootstrapCommand(program: Command, io: CommandIo): void {
  const command = program
    .command('bootstrap')
    .description('write the files with which an Envoy beside an authorizer starts')
    .argument('<dir>', 'folder to write into; made when it does not exist');
  addSettings(command, 'bootstrap')
    .addHelpText(
      'after',
      helpText(`
Examples:
  countersign bootstrap /run/countersign --workers 2 && envoy -c /run/countersign/envoy.yaml
  countersign bootstrap envoy/ --controller-address 127.0.0.1:18000 --socket-dir /run/countersign

The files hold no secrets: they name the certificate files, which Envoy reads again when they are replaced by a
rename. The envoy.yaml is for an Envoy on the machine and under the user of the authorizer.`),
    )
    .action(async (dir: string, flags: SettingFlags) => {
      const config = readSettings(flags, io);
      const { renderEnvoyFiles } = await import('../../app/envoy/envoy-bootstrap.js');
      const folder = resolve(io.workingFolder, dir);
      // Envoy opens its admin socket in a folder that exists.
      for (const each of [folder, config.socketDir]) await mkdir(each, { recursive: true, mode: 0o700 });
      for (const [name, content] of renderEnvoyFiles(config, folder)) {
        await writeFile(join(folder, name), stringify(content, { lineWidth: 0, aliasDuplicateObjects: false }));
        io.stdout(`${join(dir, name)}\n`);
      }
    });
}
