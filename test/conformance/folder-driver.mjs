// Objects as files in a folder that `countersign run` or `countersign controller --folder` serves.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

/** @param {{ folder: string, admin: string, stateDir?: string }} options */
export function createFolderDriver({ folder, admin, stateDir = join(folder, '.countersign') }) {
  const own = join(folder, 'conformance');
  const fileOf = ({ kind, metadata: { namespace = '', name } }) => `${kind}.${namespace}.${name}.yaml`.toLowerCase();
  return {
    name: `folder ${folder}`,
    /** One file each, in this order. */
    async apply(objects) {
      mkdirSync(own, { recursive: true });
      for (const object of objects) {
        const path = join(own, fileOf(object));
        writeFileSync(`${path}.new`, stringify(object));
        renameSync(`${path}.new`, path);
      }
    },
    async remove(objects) {
      for (const object of objects) rmSync(join(own, fileOf(object)), { force: true });
    },
    /** What an earlier run left. */
    async reset() {
      rmSync(own, { recursive: true, force: true });
    },
    /** Objects of our kinds with their status. */
    async statuses() {
      const { resources } = await (await fetch(`${admin}/status`)).json();
      return resources.map(({ kind, namespace, name, status }) => ({ kind, metadata: { namespace, name }, status }));
    },
    /** Of a generated key. */
    async secretData(namespace, name) {
      const file = join(stateDir, 'keys', namespace, `${name}.yaml`);
      if (!existsSync(file)) return undefined;
      const { data = {}, stringData } = parse(readFileSync(file, 'utf8'));
      const plain = (text) => Buffer.from(text, 'base64').toString();
      return {
        ...Object.fromEntries(Object.entries(data).map(([key, text]) => [key, plain(text)])),
        ...stringData,
      };
    },
    async startBackends() {},
    async stopBackends() {},
  };
}
