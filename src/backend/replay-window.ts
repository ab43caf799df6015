const DEFAULT_MAX_ENTRIES = 262_144;

/** `seen`: used before. `forgotten`: so old that the window no longer knows whether it was. */
export type Admission = 'fresh' | 'seen' | 'forgotten';

interface Entry {
  readonly signedAtMs: number;
  readonly expiresAtMs: number;
}

/**
 * What one process has accepted, kept for as long as its date would still be accepted. Each process of a backend
 * has its own: a request captured at one instance passes once at another.
 *
 * Bounded: when full the oldest entry is forgotten, and from then on nothing signed at or before its date is
 * admitted. A window that is too small refuses late requests; it never admits a replay.
 */
export class ReplayWindow {
  readonly #entries = new Map<string, Entry>();
  readonly #maxEntries: number;
  #forgottenUpToMs = -Infinity;

  constructor({ maxEntries = DEFAULT_MAX_ENTRIES }: { readonly maxEntries?: number } = {}) {
    this.#maxEntries = maxEntries;
  }

  /** Remembers `marker` until `expiresAtMs`. Only authentic requests may come here, so that strangers cannot fill it. */
  admit(marker: string, signedAtMs: number, expiresAtMs: number, nowMs: number): Admission {
    this.#dropExpired(nowMs);
    const known = this.#entries.get(marker);
    if (known && known.expiresAtMs >= nowMs) return 'seen';
    if (!(signedAtMs > this.#forgottenUpToMs)) return 'forgotten';
    if (this.#entries.size >= this.#maxEntries) this.#forgetOldest();
    this.#entries.set(marker, { signedAtMs, expiresAtMs });
    return 'fresh';
  }

  /** Entries expire nearly in the order of insertion: what is out of order goes a little later. */
  #dropExpired(nowMs: number): void {
    for (const [marker, { expiresAtMs }] of this.#entries) {
      if (expiresAtMs >= nowMs) return;
      this.#entries.delete(marker);
    }
  }

  #forgetOldest(): void {
    for (const [marker, { signedAtMs }] of this.#entries) {
      this.#entries.delete(marker);
      this.#forgottenUpToMs = Math.max(this.#forgottenUpToMs, signedAtMs);
      return;
    }
  }
}
