export interface Figures {
  readonly sent: number;
  readonly failed: number;
  readonly failures: readonly string[];
  readonly elapsedMs: number;
}
export interface Load {
  measure(body: () => Promise<unknown>): Promise<Figures & { readonly found?: unknown; readonly error?: unknown }>;
  stop(): Promise<Figures & { readonly total: { readonly sent: number; readonly failed: number } }>;
  kill(): void;
}
export function startLoad(options: object): Load;
