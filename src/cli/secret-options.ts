/** Where a command gets a secret from: a file, a variable, or (for examples) the command line. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readVariable } from '../config/surroundings.js';
import { CommandError, type CommandIo } from './io.js';

export interface SecretOptions {
  readonly secret?: string;
  readonly secretFile?: string;
  readonly secretEnv?: string;
}

export function addSecretOptions(command: Command): Command {
  return command
    .option('--secret-file <file>', 'file that holds the secret; a line end at its end is cut')
    .option('--secret-env <name>', 'environment variable that holds the secret')
    .option('--secret <text>', 'the secret itself; every user of this machine can see it while the command runs');
}

/** @throws CommandError unless exactly one place is named and holds a secret. */
export function readSecret({ secret, secretFile, secretEnv }: SecretOptions, io: CommandIo): string {
  if ([secret, secretFile, secretEnv].filter((place) => place !== undefined).length !== 1) {
    throw new CommandError('name one of --secret-file, --secret-env, --secret');
  }
  let text = secret;
  if (secretEnv !== undefined) {
    text = readVariable(secretEnv, io.environment);
    if (text === undefined) throw new CommandError(`--secret-env: there is no variable ${secretEnv}`);
  }
  if (secretFile !== undefined) {
    try {
      text = readFileSync(resolve(io.workingFolder, secretFile), 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      throw new CommandError(`--secret-file: ${(error as Error).message}`);
    }
  }
  if (!text) throw new CommandError('the secret is empty');
  return text;
}
