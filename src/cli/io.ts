/** What a command writes to and asks of its surroundings; tests pass their own. */
export interface CommandIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly stdin: AsyncIterable<Buffer | string>;
  /** The user's working folder. */
  readonly workingFolder: string;
  /** Environment variables; absent: those of the process. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** A person reads stderr: colours and short lines instead of JSON. */
  readonly terminal: boolean;
}

/** Documented in `countersign --help`. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** A mistake of the user that ends the command: one line, exit code 2 for usage, 1 for what was found. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.usage) {
    super(message);
    this.exitCode = exitCode;
  }
}
