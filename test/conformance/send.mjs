// Sends a request exactly as it was signed to the gateway, whatever host it was signed for.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

/**
 * @param {{ gateway: URL, ca?: Buffer, insecure?: boolean }} options
 * @returns {(signed: { method: string, url: string, headers?: Record<string, string>, body?: string | Buffer }) =>
 *   Promise<{ status: number, headers: import('node:http').IncomingHttpHeaders, text: string, json: any }>}
 */
export function createSender({ gateway, ca, insecure = false }) {
  const request = gateway.protocol === 'https:' ? httpsRequest : httpRequest;
  return ({ method, url, headers = {}, body }) =>
    new Promise((resolve, reject) => {
      const [, host, target] = /^https?:\/\/([^/]+)(.*)$/.exec(url);
      const given = Object.fromEntries(
        Object.entries(headers).filter(([name]) => !/^(host|content-length)$/i.test(name)),
      );
      const outgoing = request(
        {
          host: gateway.hostname.replace(/^\[|\]$/g, ''),
          port: gateway.port || (gateway.protocol === 'https:' ? 443 : 80),
          method,
          path: target || '/',
          headers: {
            host,
            ...given,
            ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
          },
          timeout: 20_000,
          ...(gateway.protocol === 'https:' ? { servername: host, ca, rejectUnauthorized: !insecure } : {}),
        },
        (response) => {
          const chunks = [];
          response.on('data', (chunk) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            resolve({ status: response.statusCode, headers: response.headers, text, json: tryJson(text) });
          });
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 20 s')));
      outgoing.on('error', reject);
      outgoing.end(body);
    });
}

function tryJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
