/** `countersign lint`: what is wrong with a folder of manifests, for people, editors and pull requests. */
import { Option, type Command } from 'commander';
import { EXIT, type CommandIo } from './io.js';
import { addSettings, readSettings, type SettingFlags } from './settings-options.js';

export function addLintCommand(program: Command, io: CommandIo, setExitCode: (code: number) => void): void {
  const command = program
    .command('lint')
    .description('check a folder of manifests: schema, rules and references between objects')
    .argument('<dir>', 'folder of YAML')
    .addOption(new Option('--output <format>').choices(['text', 'json']).default('text'));
  addSettings(command, 'lint')
    .addHelpText(
      'after',
      `
Examples:
  countersign lint config/
  countersign lint config/ --service shop/orders:8080=127.0.0.1:9000 --output json

Prints file:line:column: severity Reason: what. A Service that is neither in the folder nor given by --service is a
warning here; run needs its address. Exit codes: 0 no errors (warnings are none), 1 errors or no object of ours in
the folder, 2 wrong usage.`,
    )
    .action(async (dir: string, flags: SettingFlags & { output: string }) => {
      const [{ loadFolder }, { formatProblem, placeProblems }, { emptyFolder, groupsWithoutAuthorization }] =
        await Promise.all([import('./load-folder.js'), import('../app/problem-text.js'), import('./lint-advice.js')]);
      const loaded = await loadFolder(dir, readSettings(flags, io), io, { servicesElsewhere: true });
      const { translation, resources, folder } = loaded;
      const advice = [
        ...groupsWithoutAuthorization(resources, translation.model),
        ...emptyFolder(translation.statuses.size + loaded.problems.length),
      ];
      const problems = placeProblems(
        folder.publication.problems,
        [...translation.problems, ...advice],
        (object, field) => folder.locate(object, field),
        dir,
      );
      const errors = problems.filter(({ severity }) => severity === 'error').length;
      const summary = { objects: translation.statuses.size, errors, warnings: problems.length - errors };
      if (flags.output === 'json') io.stdout(`${JSON.stringify({ summary, problems }, null, 2)}\n`);
      else {
        for (const problem of problems) io.stdout(`${formatProblem(problem)}\n`);
        io.stdout(
          `${counted(summary.objects, 'object')}, ${counted(errors, 'error')}, ${counted(summary.warnings, 'warning')}\n`,
        );
      }
      setExitCode(errors > 0 ? EXIT.failed : EXIT.ok);
    });
}

const counted = (count: number, noun: string): string => `${String(count)} ${noun}${count === 1 ? '' : 's'}`;
