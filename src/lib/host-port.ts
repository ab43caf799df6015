/** `host:port` as URLs and gRPC targets have it: an IPv6 address stands in brackets. RFC 3986 §3.2.2. */
export const hostPort = (host: string, port: number): string =>
  `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
