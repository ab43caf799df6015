/** Readiness as a list of named parts: the process is ready when every part is, and says which is not and why. */
export interface Health {
  /** A part that has not been set yet is not ready. `message` says what it waits for. */
  set(part: string, ready: boolean, message?: string): void;
  readonly ready: boolean;
  /** `part: message` of each part that is not ready. */
  missing(): readonly string[];
}

/** All parts are named at the start, so that one which never reports cannot be forgotten. */
export function createHealth(parts: readonly string[]): Health {
  const states = new Map(parts.map((part) => [part, { ready: false, message: 'starting' }]));
  const missing = (): string[] => [...states].filter(([, s]) => !s.ready).map(([part, s]) => `${part}: ${s.message}`);
  return {
    set(part, ready, message = ready ? 'ready' : 'not ready') {
      if (!states.has(part)) throw new RangeError(`unknown part ${part}`);
      states.set(part, { ready, message });
    },
    get ready() {
      return missing().length === 0;
    },
    missing,
  };
}
