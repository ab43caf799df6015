// The other types of backend key for `gatewayMiddleware({ keys })`. Values come from the Secret of the SignatureKey.

/** `backendSignature.dialect` of the ApiGroup: JDCloud, Huawei, Tencent or TencentApplication. */
export const hmac = ({ keyId, secret }) => ({ type: 'HMAC', dialect: 'JDCloud', keyId, secret });

/** Covers nothing of the request: only over TLS, and only where the backend cannot verify more. */
export const basic = ({ keyId, secret }) => ({ type: 'Basic', keyId, secret });

/** Legacy. Both data of the Secret are secret here, so the key is called by `namespace/name` of its SignatureKey. */
export const aes = ({ keyId, secret }) => ({
  type: 'AES',
  algorithm: 'AES256CFB',
  name: 'shop/orders-backend',
  key: keyId,
  vector: secret,
});
