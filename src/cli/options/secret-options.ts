/** Where a command gets a key from: a file (plain, or a Secret of ours), a variable, or (for examples) the command line. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { KEY_SECRET_TYPE } from '../../api/types.js';
import { readVariable } from '../../config/surroundings.js';
import { fileErrorMessage } from '../../lib/file-error.js';
import { CommandError, type CommandIo } from '../io.js';

export interface KeyOptions {
  readonly keyId?: string;
  readonly secret?: string;
  readonly secretFile?: string;
  readonly secretEnv?: string;
}

export interface GivenKey {
  readonly keyId: string;
  readonly secret: string;
}

export function addKeyOptions(command: Command): Command {
  return command
    .option('--key-id <id>', 'the id that travels with the request; a Secret of ours in --secret-file holds it')
    .option(
      '--secret-file <file>',
      `file that holds the secret (a line end at its end is cut), or a Secret of type ${KEY_SECRET_TYPE} as YAML, such as those of the state folder`,
    )
    .option('--secret-env <name>', 'environment variable that holds the secret')
    .option('--secret <text>', 'the secret itself; every user of this machine can see it while the command runs');
}

/** @throws CommandError unless exactly one place is named and holds a secret, and an id is known. */
export async function readKey(options: KeyOptions, io: CommandIo): Promise<GivenKey> {
  const { secret, secretFile, secretEnv } = options;
  if ([secret, secretFile, secretEnv].filter((place) => place !== undefined).length !== 1) {
    throw new CommandError('name one of --secret-file, --secret-env, --secret');
  }
  const { keyId = options.keyId, secret: text } =
    secretFile !== undefined
      ? await readSecretFile(secretFile, options.keyId, io)
      : { secret: secretEnv === undefined ? secret : readEnvironment(secretEnv, io) };
  if (keyId === undefined) throw new CommandError('name the key with --key-id');
  if (!text) throw new CommandError('the secret is empty');
  return { keyId, secret: text };
}

function readEnvironment(name: string, io: CommandIo): string {
  const text = readVariable(name, io.environment);
  if (text === undefined) throw new CommandError(`--secret-env: there is no variable ${name}`);
  return text;
}

async function readSecretFile(file: string, keyId: string | undefined, io: CommandIo): Promise<Partial<GivenKey>> {
  let text: string;
  try {
    text = readFileSync(resolve(io.workingFolder, file), 'utf8');
  } catch (error) {
    throw new CommandError(`--secret-file: ${file} ${fileErrorMessage(error)}`);
  }
  // A secret may be any text; only one that says so is taken for a manifest.
  if (!/^\s*["']?kind["']?:\s*["']?Secret\b/m.test(text)) return { secret: text.replace(/\r?\n$/, '') };
  const [{ parseManifest }, { readObjects }] = await Promise.all([
    import('../../provider/file/manifest.js'),
    import('../../provider/file/manifest-objects.js'),
  ]);
  const refuse = (message: string): CommandError => new CommandError(`--secret-file: ${file} ${message}`);
  const manifest = await parseManifest(text);
  if (!manifest.ok) throw refuse(`line ${String(manifest.fault.line)}: ${manifest.fault.message}`);
  const secrets = manifest.documents
    .flatMap(readObjects)
    .flatMap(({ resource }) => (resource?.kind === 'Secret' && resource.type === KEY_SECRET_TYPE ? resource : []));
  const named = keyId === undefined ? secrets : secrets.filter((secret) => secret.text('keyId') === keyId);
  const [found, ...others] = named;
  if (secrets.length === 0) throw refuse(`holds no good Secret of type ${KEY_SECRET_TYPE}`);
  if (!found) throw refuse(`holds no key with the id ${String(keyId)}`);
  if (others.length > 0) throw refuse('holds several keys; name one with --key-id');
  const [id, value] = [found.text('keyId'), found.text('secret')];
  if (!id || !value) throw refuse('holds a Secret without the data keyId and secret');
  return { keyId: id, secret: value };
}
