/** `countersign lint`: what is wrong with a folder of manifests, for people, editors and pull requests. */
import { Option, type Command } from 'commander';
import { EXIT, type CommandIo } from '../io.js';
import { helpText } from '../options/help-text.js';
import { addSettings, readSettings, type SettingFlags } from '../options/settings-options.js';

export function addLintCommand(program: Command, io: CommandIo, setExitCode: (code: number) => void): void {
  const command = program
    .command('lint')
    .description('check a folder of manifests: schema, rules and references between objects')
    .argument('<dir>', 'folder of YAML')
    .addOption(
      new Option('--output <format>', 'github: annotations of a pull request in GitHub Actions')
        .choices(['text', 'json', 'github'])
        .default('text'),
    )
    .option(
      '--gitops',
      'the folder is a Git repository: skip objects of other kinds, take Secrets that are not in it, or are encrypted with SOPS, to exist',
    );
  addSettings(command, 'lint')
    .addHelpText(
      'after',
      helpText(`
Examples:
  countersign lint config/
  countersign lint config/ --service shop/orders:8080=127.0.0.1:9000 --output json
  countersign lint teams/ --gitops --output github

Prints file:line:column: severity Reason: what. A Service without an address (--service) is a warning here; run needs
it. With --gitops only one that is not in the folder is. Exit codes: 0 no errors (warnings are none), 1 errors or no
object of ours in the folder, 2 wrong usage.`),
    )
    .action(async (dir: string, flags: SettingFlags & { output: string; gitops?: true }) => {
      const [
        { loadFolder },
        { formatProblem, placeProblems },
        {
          emptyFolder,
          fromTheOther,
          groupsWithoutAuthorization,
          literalPatterns,
          plansWithoutLimit,
          tellWhoStays,
          unstatedBursts,
        },
        { githubAnnotation },
        { ofOurs },
      ] = await Promise.all([
        import('../load-folder.js'),
        import('../../app/problem-text.js'),
        import('../lint-advice.js'),
        import('../github-annotation.js'),
        import('../repository.js'),
      ]);
      const { gitops = false } = flags;
      const loaded = await loadFolder(dir, readSettings(flags, io), io, {
        servicesElsewhere: true,
        addressesNeeded: !gitops,
        secretsElsewhere: gitops,
      });
      const { translation, resources, folder, secretsElsewhere } = loaded;
      const inputProblems = gitops ? ofOurs(folder.publication.problems) : folder.publication.problems;
      const advice = [
        ...groupsWithoutAuthorization(resources, translation.model),
        ...unstatedBursts(resources),
        ...plansWithoutLimit(resources),
        ...literalPatterns(resources),
        ...emptyFolder(translation.statuses.size + inputProblems.length + translation.problems.length),
      ];
      const problems = placeProblems(
        inputProblems,
        [...translation.problems, ...advice],
        (object, field) => folder.locate(object, field),
        dir,
      ).map((problem) => tellWhoStays(problem, gitops));
      const errors = problems.filter(({ severity }) => severity === 'error').length;
      const summary = {
        objects: translation.statuses.size,
        errors,
        warnings: problems.length - errors,
        ...(gitops && { secretsElsewhere }),
      };
      if (flags.output === 'json') io.stdout(`${JSON.stringify({ summary, problems }, null, 2)}\n`);
      else {
        const line = flags.output === 'github' ? githubAnnotation : formatProblem;
        const toTell = flags.output === 'github' ? problems.flatMap((each) => [each, ...fromTheOther(each)]) : problems;
        for (const problem of toTell) io.stdout(`${line(problem)}\n`);
        const unseen =
          secretsElsewhere > 0 ? `; ${counted(secretsElsewhere, 'Secret')} not in the folder, taken to exist` : '';
        io.stdout(
          `${counted(summary.objects, 'object')}, ${counted(errors, 'error')}, ${counted(summary.warnings, 'warning')}${unseen}\n`,
        );
      }
      setExitCode(errors > 0 ? EXIT.failed : EXIT.ok);
    });
}

const counted = (count: number, noun: string): string => `${String(count)} ${noun}${count === 1 ? '' : 's'}`;
