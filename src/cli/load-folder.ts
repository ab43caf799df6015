/** Reads and translates a folder once, as `run` would, for commands that only look. */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { clusterTranslateContext, translateContext } from '../app/context.js';
import { standInSecrets } from './repository.js';
import { completeInMemory, readKeyState } from '../app/controller/key-state.js';
import { placeProblems, type PlacedProblem } from '../app/problem-text.js';
import type { Config } from '../config/settings.js';
import { systemClock } from '../lib/clock.js';
import { Folder } from '../provider/file/folder.js';
import { NO_MEMORY, readMemory } from '../provider/file/folder-memory.js';
import { withSecrets, type ResourceSet } from '../resources/resource-set.js';
import { secretNameOf } from '../translate/keys/generated-keys.js';
import { translate } from '../translate/translate.js';
import type { TranslateContext, Translation } from '../translate/translation.js';
import { CommandError, type CommandIo } from './io.js';

export interface LoadedFolder {
  readonly resources: ResourceSet;
  readonly translation: Translation;
  readonly problems: readonly PlacedProblem[];
  readonly folder: Folder;
  /** Generated Secrets on disk, by `namespace/name`. */
  readonly keyFiles: ReadonlyMap<string, string>;
  /** SignatureKeys whose Secret was only made up here: their ids are nobody's. */
  readonly madeUpKeys: ReadonlySet<string>;
  /** How many Secrets were taken to exist elsewhere. */
  readonly secretsElsewhere: number;
}

/** Absolute. @throws CommandError when there is no such folder. */
export function resolveFolder(folder: string, io: CommandIo): string {
  const path = resolve(io.workingFolder, folder);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new CommandError(`${folder} is not a folder`);
  return path;
}

export const stateFolderOf = (config: Config, folderPath: string): string =>
  config.stateDir ?? join(folderPath, '.countersign');

/** Keys that `run` would generate are made up in memory, so that they are no problem here. */
export async function loadFolder(
  folderArgument: string,
  config: Config,
  io: CommandIo,
  {
    secretsElsewhere = false,
    inCluster = false,
    ...more
  }: Pick<TranslateContext, 'servicesElsewhere' | 'addressesNeeded'> & {
    /** Backends are resolved as the controller of a cluster does that has these objects. */
    readonly inCluster?: boolean;
    /** Secrets that keys name and the folder does not have are taken to exist and to fit. */
    readonly secretsElsewhere?: boolean;
  } = {},
): Promise<LoadedFolder> {
  const path = resolveFolder(folderArgument, io);
  const stateFolder = stateFolderOf(config, path);
  // Where it is not known who was there first, names decide, as at the first start of `run`.
  const folder = new Folder(path, systemClock, await readMemory(stateFolder).catch(() => NO_MEMORY));
  await folder.scan();
  const generated = await readKeyState(stateFolder);
  const nowMs = Date.now();
  const completed = completeInMemory(
    folder.publication.resources,
    generated.map(({ secret }) => secret),
    () => nowMs,
  );
  const standIns = secretsElsewhere ? standInSecrets(completed) : [];
  const resources = withSecrets(completed, standIns);
  const context = inCluster ? clusterTranslateContext(config) : translateContext(config);
  const translation = translate(resources, { ...context, singleOwner: true, ...more, nowMs });
  const keyFiles = new Map(
    generated.map(({ secret, path: file }) => [`${secret.metadata.namespace}/${secret.metadata.name}`, file]),
  );
  const written = withSecrets(
    folder.publication.resources,
    generated.map(({ secret }) => secret),
  );
  const madeUp = [...resources.SignatureKey.values()].filter((key) => {
    const secret = `${key.metadata.namespace}/${secretNameOf(key)}`;
    return resources.Secret.has(secret) && !written.Secret.has(secret);
  });
  return {
    resources,
    translation,
    folder,
    problems: placeProblems(
      folder.publication.problems,
      translation.problems,
      (object, field) => folder.locate(object, field),
      folderArgument,
    ),
    keyFiles,
    secretsElsewhere: standIns.length,
    madeUpKeys: new Set(madeUp.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)),
  };
}
