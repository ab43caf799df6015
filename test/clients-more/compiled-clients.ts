/** Clients whose language a machine with Node and Python may lack: Go, Java, PHP. */
import { join } from 'node:path';
import type { VendorClient } from '../clients/client.js';
import { programs } from '../clients/npm-clients.js';
import { goProgram, missingCommand } from '../clients/packages.js';
import { TENCENT_UNSIGNED } from '../clients/tencent-unsigned.js';

const go =
  (name: string): VendorClient['prepare'] =>
  async () => {
    const built = await goProgram(join(programs, 'go'), name);
    return 'missing' in built ? built : { command: built.path, args: [] };
  };

export const COMPILED_CLIENTS: readonly VendorClient[] = [
  {
    name: 'Go huaweicloud-sdk-go-v3 v0.1.207',
    language: 'Go',
    dialect: 'Huawei',
    prepare: go('huawei'),
    uncovered: { every: ['host', 'content-type'], 'POST binary': ['body'] },
  },
  {
    name: 'after the Tencent sample, Go, X-Date',
    language: 'Go',
    dialect: 'Tencent',
    prepare: go('tencent'),
    uncovered: TENCENT_UNSIGNED,
  },
  {
    name: 'after the Tencent sample, Java, Date',
    language: 'Java',
    dialect: 'Tencent',
    async prepare() {
      // The launcher compiles the single file, which takes a JDK.
      const missing = await missingCommand('javac', '-version');
      return missing ? { missing } : { command: 'java', args: [join(programs, 'tencent-java/Main.java')] };
    },
    uncovered: TENCENT_UNSIGNED,
  },
  {
    name: 'after the Tencent sample, PHP, Date',
    language: 'PHP',
    dialect: 'Tencent',
    async prepare() {
      const missing =
        (await missingCommand('php', '--version')) ??
        ((await missingCommand('php', '-r', 'exit((int) !extension_loaded("curl"));')) && 'php has no curl extension');
      return missing ? { missing } : { command: 'php', args: [join(programs, 'tencent-php/main.php')] };
    },
    uncovered: TENCENT_UNSIGNED,
  },
];
