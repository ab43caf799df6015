/** Code of documentation pages, for tests that run it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from './project-folder.js';

/** A page by its path in docs. */
export const readPage = (path: string): string => readFileSync(join(projectFolder, 'docs', path), 'utf8');

/** The code blocks of a page in a language; `''` = those that name none. */
export const codeBlocks = (page: string, language: string): string[] =>
  [...page.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].flatMap(([, of, body]) => (of === language ? [body!] : []));
