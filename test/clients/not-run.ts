import { test } from '@jest/globals';

/** A skipped test that says why, in its name and in a line that every reporter lets through. */
export function notRun(title: string, reason: string): void {
  process.stderr.write(`${title}: NOT RUN, ${reason}\n`);
  test.skip(`${title} (not run: ${reason})`, () => {});
}
