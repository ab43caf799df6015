import { AppError } from '../lib/errors.js';

/**
 * The counter store did not answer in time, or answered with an error. Whether the request was counted is
 * unknown: it must not be sent again, the failure policy of the plan decides.
 */
export class StoreUnavailableError extends AppError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_STORE_UNAVAILABLE', message, options);
    this.name = 'StoreUnavailableError';
  }
}
