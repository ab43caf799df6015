/** Where package.json is: also of code that was compiled into a folder below. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

function find(folder: string): string {
  if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'crds'))) return folder;
  return find(dirname(folder));
}

export const projectFolder = find(import.meta.dirname);
