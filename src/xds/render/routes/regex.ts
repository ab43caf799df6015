/** Regular expressions of our own making only: nothing a user writes is read as one. RE2 matches whole texts. */

export const escapeRegex = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** A variable takes one segment, never an empty one. */
export const templateRegex = (segments: readonly (string | undefined)[]): string =>
  segments.map((segment) => (segment === undefined ? '[^/]+' : escapeRegex(segment))).join('/');
