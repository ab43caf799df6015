/** The value, which the test needs to be there. */
export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the value that the test needs is not there');
  return value;
}
