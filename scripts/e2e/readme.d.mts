export function readBlocks(text: string): Record<string, string>;
