/** The command line: every command, its help, and how errors reach the user. Ends no process by itself. */
import { Command, CommanderError } from 'commander';
import { errorMessage } from '../lib/errors.js';
import { CommandError, EXIT, type CommandIo } from './io.js';
import { helpText } from './options/help-text.js';
import { addAuthorizerCommand } from './commands/authorizer.js';
import { addBootstrapCommand } from './commands/bootstrap.js';
import { addControllerCommand } from './commands/controller.js';
import { addKeysCommand } from './commands/keys.js';
import { addLintCommand } from './commands/lint.js';
import { addRenderCommand } from './commands/render.js';
import { addRunCommand } from './commands/run.js';
import { addSignCommand } from './commands/sign.js';
import { addStatusCommand } from './commands/status.js';
import { addUsageCommand } from './commands/usage.js';
import { addVerifyCommand } from './commands/verify.js';
import { addVersionCommand } from './commands/version.js';

const AFTER_HELP = `
Examples:
  countersign run examples/quickstart --service shop/orders:8080=127.0.0.1:9000
  countersign lint config/ --output json
  countersign sign --dialect Huawei --key-id AK… --secret-env SECRET https://api.example.com/v1/orders

Exit codes: 0 done, 1 problems found or failed, 2 wrong usage.`;

/** Answers the exit code. */
export async function runProgram(args: readonly string[], io: CommandIo): Promise<number> {
  const program = new Command('countersign')
    .description('Signed-API access control for Envoy: verifies, authorizes, limits and signs requests again.')
    .option('-V, --version', 'print the versions, as the command version does')
    .helpCommand('help [command]', 'show the help of a command')
    // Columns of flags are wide: the descriptions beside them are filled all the same.
    .configureHelp({ minWidthToWrap: 20 })
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .showHelpAfterError('Run with --help to see what it takes.')
    .addHelpText('after', helpText(AFTER_HELP))
    // So that `usage set` gets the options that `usage` has too.
    .enablePositionalOptions()
    .exitOverride();
  let exitCode: number = EXIT.ok;
  const setExitCode = (code: number): void => void (exitCode = code);
  addRunCommand(program, io, setExitCode);
  addControllerCommand(program, io, setExitCode);
  addAuthorizerCommand(program, io, setExitCode);
  addBootstrapCommand(program, io);
  addLintCommand(program, io, setExitCode);
  addRenderCommand(program, io, setExitCode);
  addKeysCommand(program, io);
  addStatusCommand(program, io, setExitCode);
  addUsageCommand(program, io);
  addSignCommand(program, io);
  addVerifyCommand(program, io, setExitCode);
  addVersionCommand(program, io);
  try {
    if (args.length === 0) {
      program.outputHelp();
      return EXIT.usage;
    }
    if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
      await program.parseAsync(['version'], { from: 'user' });
      return exitCode;
    }
    const [first = ''] = args;
    // The parser would answer `bogus --help` with the general help, as if all were well.
    const known = ['help', ...program.commands.map((command) => command.name())];
    const meant = first.startsWith('-') || known.includes(first) ? args : [first];
    await program.parseAsync(meant, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof CommandError) {
      for (const line of error.message.split('\n')) io.stderr(`error: ${line}\n`);
      return error.exitCode;
    }
    io.stderr(`error: ${errorMessage(error)}\n`);
    return EXIT.failed;
  }
}
