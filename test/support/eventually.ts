/** Runs `fn` until it stops throwing; after `withinMs` its last error is the test's. */
export async function eventually<T>(fn: () => T | Promise<T>, { withinMs = 5000, everyMs = 10 } = {}): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      return await fn();
    } catch (error) {
      if (performance.now() >= deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }
}
