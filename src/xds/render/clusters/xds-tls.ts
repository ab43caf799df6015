/** Envoy's own certificate towards controller and authorizers, from files that it reads again when they change. */
import { create } from '@bufbuild/protobuf';
import { dirname } from 'node:path';
import { TransportSocketSchema, type TransportSocket } from '../../../gen/envoy/config/core/v3/base_pb.js';
import { ApiVersion } from '../../../gen/envoy/config/core/v3/config_source_pb.js';
import {
  DiscoveryResponseSchema,
  type DiscoveryResponse,
} from '../../../gen/envoy/service/discovery/v3/discovery_pb.js';
import {
  SubjectAltNameMatcher_SanType,
  TlsParameters_TlsProtocol,
} from '../../../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { SecretSchema } from '../../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { UpstreamTlsContextSchema } from '../../../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { any } from '../messages.js';
import type { XdsAddress, XdsTlsFiles } from '../options.js';

/** Names of the two secrets. */
const XDS = { certificate: 'xds-certificate', validation: 'xds-validation' };
/** In somebody's own Envoy. */
export const AUTHORIZER_SECRETS = { certificate: 'countersign-certificate', validation: 'countersign-validation' };

const secretAt = (name: string, path: string) => ({
  name,
  sdsConfig: {
    configSourceSpecifier: { case: 'pathConfigSource' as const, value: { path } },
    resourceApiVersion: ApiVersion.V3,
  },
});

export const xdsTls = (tls: XdsAddress['tls'], names = XDS): TransportSocket =>
  create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.tls',
    configType: {
      case: 'typedConfig',
      value: any(UpstreamTlsContextSchema, {
        sni: tls.serverName,
        commonTlsContext: {
          tlsParams: { tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2 },
          alpnProtocols: ['h2'],
          tlsCertificateSdsSecretConfigs: [secretAt(names.certificate, tls.certificateSecretPath)],
          validationContextType: {
            case: 'validationContextSdsSecretConfig',
            value: secretAt(names.validation, tls.validationSecretPath),
          },
        },
      }),
    },
  });

const file = (filename: string) => ({ specifier: { case: 'filename' as const, value: filename } });

/** The two secret files of a bootstrap, as file-based discovery has them. They name files and hold no key material. */
export function xdsSecrets(
  { certificatePath, privateKeyPath, caPath, serverNames }: XdsTlsFiles,
  names = XDS,
): { readonly certificate: DiscoveryResponse; readonly validation: DiscoveryResponse } {
  const certificate = any(SecretSchema, {
    name: names.certificate,
    type: {
      case: 'tlsCertificate',
      value: {
        certificateChain: file(certificatePath),
        privateKey: file(privateKeyPath),
        watchedDirectory: { path: dirname(certificatePath) },
      },
    },
  });
  const validation = any(SecretSchema, {
    name: names.validation,
    type: {
      case: 'validationContext',
      value: {
        trustedCa: file(caPath),
        watchedDirectory: { path: dirname(caPath) },
        matchTypedSubjectAltNames: serverNames.map((name) => ({
          sanType: name.includes('://') ? SubjectAltNameMatcher_SanType.URI : SubjectAltNameMatcher_SanType.DNS,
          matcher: { matchPattern: { case: 'exact' as const, value: name } },
        })),
      },
    },
  });
  return {
    certificate: create(DiscoveryResponseSchema, { resources: [certificate] }),
    validation: create(DiscoveryResponseSchema, { resources: [validation] }),
  };
}
