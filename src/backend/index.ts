/**
 * `countersign/backend`: what a backend in Node needs to accept requests of the gateway and of nobody else.
 * Loads the signature schemes and nothing else of the product.
 */
export type { GatewayRefusal } from './credential.js';
export type { AesBackendKey, BackendKey, BasicBackendKey, HmacBackendKey } from './keys.js';
export {
  gatewayMiddleware,
  gatewayRequestOf,
  type AcceptedGatewayRequest,
  type GatewayMiddleware,
  type GatewayMiddlewareOptions,
} from './middleware.js';
export { ReplayWindow } from './replay-window.js';
export type { GatewayRequest } from './request.js';
export {
  verifyGatewayRequest,
  type GatewayIdentity,
  type GatewayVerification,
  type GatewayVerificationOptions,
  type GatewayVerified,
} from './verify.js';
