/** `countersign version`: what runs here, for a report. */
import type { Command } from 'commander';
import { readVersions } from '../../app/versions.js';
import type { CommandIo } from '../io.js';
import { helpText } from '../options/help-text.js';

export function addVersionCommand(program: Command, io: CommandIo): void {
  program
    .command('version')
    .description('print the versions of Countersign, Node and the Envoy it is built for')
    .option('--output <format>', 'text or json', 'text')
    .addHelpText('after', helpText('\nExamples:\n  countersign version\n  countersign version --output json'))
    .action(({ output }: { output: string }) => {
      const versions = readVersions();
      if (output === 'json') io.stdout(`${JSON.stringify(versions, null, 2)}\n`);
      else for (const [name, version] of Object.entries(versions)) io.stdout(`${name} ${version}\n`);
    });
}
