/** `countersign render`: the Envoy configuration of a folder as one file, or the settings after defaults. */
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { EXIT, type CommandIo } from './io.js';
import { addSettings, readSettings, type SettingFlags } from './settings-options.js';

/** Where a deployment would put the sockets; nothing is opened here. */
const SOCKET_FOLDER = '/run/countersign';

export function addRenderCommand(program: Command, io: CommandIo, setExitCode: (code: number) => void): void {
  const command = program
    .command('render')
    .description('print the Envoy configuration of a folder as YAML that `envoy --mode validate` accepts')
    .argument('<dir>', 'folder of YAML')
    .option('--effective', 'print the settings of every group, API and plan after defaults instead');
  addSettings(command, 'render')
    .addHelpText(
      'after',
      `
Examples:
  countersign render config/ > envoy.yaml && envoy --mode validate -c envoy.yaml
  countersign render config/ --effective

Problems go to stderr. Exit codes: 0 no errors, 1 errors (what is good is rendered), 2 wrong usage.`,
    )
    .action(async (dir: string, flags: SettingFlags & { effective?: boolean }) => {
      const config = readSettings(flags, io);
      const [{ loadFolder }, { formatProblem }] = await Promise.all([
        import('./load-folder.js'),
        import('../app/problem-text.js'),
      ]);
      const { problems, translation } = await loadFolder(dir, config, io);
      for (const problem of problems) io.stderr(`${formatProblem(problem)}\n`);
      setExitCode(problems.some(({ severity }) => severity === 'error') ? EXIT.failed : EXIT.ok);
      if (flags.effective) return io.stdout(stringify(plain(translation.model), YAML_OPTIONS));
      const { renderEnvoyConfig } = await import('../app/render-envoy-config.js');
      io.stdout(stringify(renderEnvoyConfig(translation.model, config, SOCKET_FOLDER), YAML_OPTIONS));
    });
}

const YAML_OPTIONS = { lineWidth: 0, aliasDuplicateObjects: false } as const;

/** Sets as lists, redacted values as their text, absent ones left out. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_name, member: unknown) => (member instanceof Set ? [...(member as Set<unknown>)] : member)),
  );
}
