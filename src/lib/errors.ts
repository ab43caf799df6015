/**
 * Base of every exception we throw: bugs and infrastructure only. What a user wrote or a caller sent
 * is data (a problem, a decision), never an exception. `code` is stable and documented.
 */
export class AppError extends Error {
  readonly code: string;

  constructor(code: `ERR_${string}`, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AppError';
    this.code = code;
  }
}

/** The message of anything thrown, for log lines. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
