/** By UTF-16 unit, never by locale: replicas in different locales must agree. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
