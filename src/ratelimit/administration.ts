/** Looking at counters and setting them, beside the requests that are counted: for operators, not for checks. */
import type { QuotaCharge, RateCharge } from './store.js';

/** A counter with the limit that is kept with it; `subject` is its `{tag}`. */
export type RateReference = Omit<RateCharge, 'shadow'> & { readonly kind: 'rate'; readonly subject: string };
export type QuotaReference = Omit<QuotaCharge, 'shadow'> & { readonly kind: 'quota'; readonly subject: string };
export type CounterReference = RateReference | QuotaReference;

export interface CounterState {
  /** Of a rate: tokens that are not back yet. */
  readonly used: number;
  /** Of a rate: its burst. */
  readonly limit: number;
  /** When nothing is used any more, milliseconds since the Unix epoch by the store's clock; `undefined` for Total. */
  readonly resetsAtMs: number | undefined;
}

/** All reject with StoreUnavailableError when the store does not answer. */
export interface CounterAdministration {
  /** In the order of `counters`; charges nothing. */
  read(counters: readonly CounterReference[]): Promise<readonly CounterState[]>;
  /** What the current window has used, over what is counted. Authorizers may refuse from memory for two more seconds. */
  setUsed(counter: QuotaReference, used: number): Promise<void>;
  /** As if nothing had been used. */
  reset(counter: CounterReference): Promise<void>;
  close(): Promise<void>;
}
