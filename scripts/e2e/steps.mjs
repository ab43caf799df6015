// Steps with their times, and what they found; ends with `N passed, N failed`.

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

export function createSteps({ onFailure, log = console.log }) {
  const startedMs = performance.now();
  let passed = 0;
  let failed = 0;
  const notRun = [];

  return {
    /** Runs one step; what it answers is printed. A failure is counted, `required` ones end the run. */
    async step(name, body, { required = false } = {}) {
      const stepMs = performance.now();
      log(`· ${name}`);
      try {
        const found = await body();
        passed++;
        log(`✓ ${name}  ${seconds(performance.now() - stepMs)}${found ? `  ${found}` : ''}`);
      } catch (error) {
        failed++;
        log(
          `✗ ${name}  ${seconds(performance.now() - stepMs)}\n    ${String(error.message).replaceAll('\n', '\n    ')}`,
        );
        await onFailure?.(error).catch((e) => log(`    (nothing found out: ${e.message})`));
        if (required) throw new EndOfRun(name);
      }
    },
    skip(name, reason) {
      notRun.push(name);
      log(`- ${name}: NOT RUN, ${reason}`);
    },
    /** Adds what another suite counted. */
    count(more) {
      passed += more.passed;
      failed += more.failed;
    },
    /** @returns the exit code */
    finish() {
      log(`${seconds(performance.now() - startedMs)} in all${notRun.length ? `; not run: ${notRun.join(', ')}` : ''}`);
      log(`${passed} passed, ${failed} failed`);
      return failed === 0 && passed > 0 ? 0 : 1;
    },
  };
}

/** A step without which the others mean nothing has failed. */
export class EndOfRun extends Error {}
