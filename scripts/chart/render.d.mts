export function findProgram(name: string, environment?: NodeJS.ProcessEnv): string | undefined;
export function renderObjects(helm: string, chart: string): string[];
export function manifestsOf(objects: readonly string[], crds: string): Map<string, string>;
