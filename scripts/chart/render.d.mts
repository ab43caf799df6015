export function findProgram(name: string, environment?: NodeJS.ProcessEnv): string | undefined;
export function renderInstall(helm: string, chart: string): string;
