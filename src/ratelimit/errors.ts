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

/** A server of a cluster ran nothing and says who should: to send the command again counts nothing twice. */
export class RedirectedError extends AppError {
  /** `moved`: the map has changed; `ask`: this once; `again`: keys of the slot are on their way. */
  readonly to: 'moved' | 'ask' | 'again';
  /** `host:port`; empty for `again`. */
  readonly address: string;

  constructor(to: RedirectedError['to'], address: string, message: string) {
    super('ERR_STORE_REDIRECTED', message);
    this.name = 'RedirectedError';
    this.to = to;
    this.address = address;
  }
}
