/** `countersign keys`: ids, states and where the secrets are; never a secret. */
import { join, relative } from 'node:path';
import { Option, type Command } from 'commander';
import type { SignatureKeyStatus } from '../../api/types.js';
import type { CommandIo } from '../io.js';
import { helpText } from '../options/help-text.js';
import { addSettings, readSettings, type SettingFlags } from '../options/settings-options.js';

interface KeyRow {
  readonly key: string;
  readonly usage: string;
  readonly identity: string;
  readonly state: string;
  readonly keyID: string | undefined;
  readonly pairID: string | undefined;
  /** `file:line` of the Secret, or what stands in its place. */
  readonly secret: string;
}

export function addKeysCommand(program: Command, io: CommandIo): void {
  const command = program
    .command('keys')
    .description('list the keys of a folder: ids, pair ids, usage, state and where each secret is; never a secret')
    .argument('<dir>', 'folder of YAML')
    .addOption(new Option('--output <format>').choices(['text', 'json']).default('text'));
  addSettings(command, 'keys')
    .addHelpText('after', helpText('\nExamples:\n  countersign keys config/\n  countersign keys config/ --output json'))
    .action(async (dir: string, flags: SettingFlags & { output: string }) => {
      const rows = await readKeys(dir, flags, io);
      if (flags.output === 'json') io.stdout(`${JSON.stringify(rows, null, 2)}\n`);
      else io.stdout(formatTable(rows));
    });
}

async function readKeys(dir: string, flags: SettingFlags, io: CommandIo): Promise<KeyRow[]> {
  const [{ loadFolder }, { secretNameOf }] = await Promise.all([
    import('../load-folder.js'),
    import('../../translate/keys/generated-keys.js'),
    import('node:path'),
  ]);
  const { resources, translation, folder, keyFiles, madeUpKeys } = await loadFolder(dir, readSettings(flags, io), io);
  return [...resources.SignatureKey.values()]
    .map((key): KeyRow => {
      const { namespace, name } = key.metadata;
      const { usage, identity, type, state, secretRef } = key.spec;
      const fields = translation.statuses.get(`SignatureKey/${namespace}/${name}`)?.fields as
        Partial<SignatureKeyStatus> | undefined;
      const secretName = secretNameOf(key);
      const place = folder.locate({ kind: 'Secret', namespace, name: secretName }, '');
      const generated = keyFiles.get(`${namespace}/${secretName}`);
      return {
        key: `${namespace}/${name}`,
        usage,
        identity: identity ?? type,
        state,
        // An id that this run made up is nobody's.
        keyID: madeUpKeys.has(`${namespace}/${name}`) ? undefined : fields?.keyID,
        pairID: madeUpKeys.has(`${namespace}/${name}`) ? undefined : fields?.pairID,
        secret: resources.refused?.has(`Secret/${namespace}/${secretName}`)
          ? `(refused: Secret ${namespace}/${secretName}${place ? ` in ${join(dir, place.file)}:${String(place.line)}` : ''}; see lint)`
          : place
            ? `${join(dir, place.file)}:${String(place.line)}`
            : generated !== undefined
              ? shorten(generated, io.workingFolder)
              : secretRef
                ? `(missing: Secret ${namespace}/${secretName})`
                : '(not generated yet: countersign run does)',
      };
    })
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}

function shorten(path: string, workingFolder: string): string {
  const short = relative(workingFolder, path);
  return short.startsWith('..') ? path : short;
}

function formatTable(rows: readonly KeyRow[]): string {
  const lines = [
    ['KEY', 'USAGE', 'IDENTITY', 'STATE', 'KEY-ID', 'PAIR-ID', 'SECRET'],
    ...rows.map(({ key, usage, identity, state, keyID, pairID, secret }) => [
      key,
      usage,
      identity,
      state,
      keyID ?? '-',
      pairID ?? '-',
      secret,
    ]),
  ];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  return lines
    .map(
      (line) => `${line.map((cell, i) => (i === line.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  ')}\n`,
    )
    .join('');
}
