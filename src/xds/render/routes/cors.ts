/** CORS: preflights are answered by Envoy, so a browser without credentials gets its answer. */
import type { Any } from '@bufbuild/protobuf/wkt';
import { CorsPolicySchema, CorsSchema } from '../../../gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import type { Cors } from '../../../model/model.js';
import { CORS_FILTER } from '../../names.js';
import { any, extension, type Extension } from '../messages.js';
import { escapeRegex } from './regex.js';

export const corsFilter: Extension = extension(CORS_FILTER, CorsSchema, {});

export const corsPolicy = (cors: Cors): Any =>
  any(CorsPolicySchema, {
    allowOriginStringMatch: cors.allowOrigins.map(originMatcher),
    allowMethods: cors.allowMethods.join(','),
    allowHeaders: cors.allowHeaders.join(','),
    exposeHeaders: cors.exposeHeaders.join(','),
    maxAge: cors.maxAgeSeconds === undefined ? '' : String(cors.maxAgeSeconds),
    allowCredentials: cors.allowCredentials,
  });

/** `*` alone means every origin to Envoy; inside a text it stands for host labels or a port, never for a slash. */
function originMatcher(origin: string) {
  if (origin === '*' || !origin.includes('*')) return { matchPattern: { case: 'exact' as const, value: origin } };
  const regex = origin.split('*').map(escapeRegex).join('[^/]*');
  return { matchPattern: { case: 'safeRegex' as const, value: { regex } } };
}
