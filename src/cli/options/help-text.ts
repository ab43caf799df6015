/** What stands below the options of a command, at the width of all other help. */
import type { AddHelpTextContext } from 'commander';

/** Of a help that goes to no terminal. */
const WIDTH = 80;

/**
 * Paragraphs are filled to the width; indented lines are examples to copy and stay as they are, as do headings, which
 * end in a colon.
 */
export const helpText =
  (text: string) =>
  ({ command }: AddHelpTextContext): string => {
    const width = command.configureOutput().getOutHelpWidth?.() ?? WIDTH;
    const lines: string[] = [];
    let mayJoin = false;
    for (const line of text.split('\n')) {
      const isProse = /^\S/.test(line);
      const last = isProse && mayJoin ? lines.pop() : undefined;
      if (isProse) lines.push(...fill(last === undefined ? line : `${last} ${line}`, width));
      else lines.push(line);
      mayJoin = isProse && !line.endsWith(':');
    }
    return lines.join('\n');
  };

function fill(text: string, width: number): string[] {
  const lines: string[] = [];
  let last = '';
  for (const word of text.split(' ')) {
    if (last !== '' && last.length + 1 + word.length > width) {
      lines.push(last);
      last = word;
    } else last = last === '' ? word : `${last} ${word}`;
  }
  return [...lines, last];
}
