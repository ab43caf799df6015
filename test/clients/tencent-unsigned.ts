/** Tencent's key pair signs the listed headers and nothing else. */
export const TENCENT_UNSIGNED = { every: ['method', 'path', 'query', 'body', 'host', 'content-type'] } as const;
