/** The model of a folder, the same in every process that makes it. */
import { Folder } from '../../../src/provider/file/folder.js';
import { translate } from '../../../src/translate/translate.js';
import type { Model } from '../../../src/model/model.js';

export async function modelOf(path: string): Promise<Model> {
  const folder = new Folder(path);
  await folder.scan();
  const { model } = translate(folder.publication.resources, {
    nowMs: Date.now(),
    services: new Map(),
    allowedBackendHosts: 'Any',
    hostnameClaims: [],
  });
  return model;
}
