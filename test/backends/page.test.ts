/** docs/backends.md shows the code of the examples, word for word. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/backends.md'), 'utf8');
const EXTENSIONS: Readonly<Record<string, string>> = { js: '.mjs', go: '.go', python: '.py', yaml: '.yaml' };

const files = ['examples/backends', 'examples/quickstart'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(root, folder, name)),
);

const blocks = [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, text]) => ({
  language: language!,
  lines: text!.trimEnd().split('\n'),
}));

/** The formatter writes flow mappings with blanks inside the braces, in the page as elsewhere. */
const tight = (text: string): string => text.replace(/\{ (?=\S)/g, '{').replace(/(?<=\S) \}/g, '}');

/** The lines stand in the text one below the other, all moved to the right alike. */
function holds(text: string, lines: readonly string[]): boolean {
  const all = text.split('\n');
  return all.some((first, at) => {
    const indent = first.slice(0, first.length - first.trimStart().length);
    return lines.every((line, i) => all[at + i] === (line === '' ? '' : indent + line));
  });
}

test('the page has code in every language of the examples', () => {
  expect(new Set(blocks.map(({ language }) => language))).toEqual(new Set(Object.keys(EXTENSIONS)));
});

test.each(blocks.map(({ language, lines }) => [`${language}: ${lines[0]}`, language, lines] as const))(
  'an example holds the block that starts %s',
  (_name, language, lines) => {
    const sources = files.filter((file) => file.endsWith(EXTENSIONS[language]!) && statSync(file).isFile());
    const holding = sources.filter((file) => holds(tight(readFileSync(file, 'utf8')), lines.map(tight)));
    expect(holding.map((file) => relative(root, file))).not.toEqual([]);
  },
);
