import { errorMessage } from './errors.js';

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  EISDIR: 'is a folder, not a file',
  ENOTDIR: 'does not exist: a part of its path is no folder',
  ELOOP: 'is a link that leads in a circle',
};

/** What a failed call of the file system means, to follow the path: `does not exist`. */
export function fileErrorMessage(error: unknown): string {
  const { code = '' } = error as NodeJS.ErrnoException;
  return WORDS[code] ?? `cannot be read: ${errorMessage(error)}`;
}
