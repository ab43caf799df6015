/** TLS towards callers (certificate files that Envoy reads and watches) and towards backends. */
import { create } from '@bufbuild/protobuf';
import { isIP } from 'node:net';
import { dirname } from 'node:path';
import { TransportSocketSchema, type TransportSocket } from '../../../gen/envoy/config/core/v3/base_pb.js';
import {
  SubjectAltNameMatcher_SanType,
  TlsParameters_TlsProtocol,
} from '../../../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { SecretSchema, type Secret } from '../../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../../../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { Backend } from '../../../model/model.js';
import { HTTPS_CERTIFICATE } from '../../names.js';
import { adsSource } from './config-source.js';
import { any } from '../messages.js';
import type { HttpsOptions } from '../options.js';

const TLS_SOCKET = 'envoy.transport_sockets.tls';
const tlsParams = { tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2 };
const file = (filename: string) => ({ specifier: { case: 'filename' as const, value: filename } });

/** Names files and a folder to watch: renewed certificates need no push, and key material never enters xDS. */
export const certificateSecret = (https: HttpsOptions): Secret =>
  create(SecretSchema, {
    name: HTTPS_CERTIFICATE,
    type: {
      case: 'tlsCertificate',
      value: {
        certificateChain: file(https.certificatePath),
        privateKey: file(https.privateKeyPath),
        watchedDirectory: { path: https.watchedDirectory ?? dirname(https.certificatePath) },
      },
    },
  });

export const downstreamTls: TransportSocket = create(TransportSocketSchema, {
  name: TLS_SOCKET,
  configType: {
    case: 'typedConfig',
    value: any(DownstreamTlsContextSchema, {
      commonTlsContext: {
        tlsParams,
        alpnProtocols: ['h2', 'http/1.1'],
        tlsCertificateSdsSecretConfigs: [{ name: HTTPS_CERTIFICATE, sdsConfig: adsSource }],
      },
    }),
  },
});

/** Always verifies: chain by the backend's own CA or the bundle, and the name that was asked for. */
export function upstreamTls(
  tls: NonNullable<Backend['tls']>,
  protocol: Backend['protocol'],
  caBundlePath: string,
): TransportSocket {
  const isAddress = isIP(tls.serverName) !== 0;
  return create(TransportSocketSchema, {
    name: TLS_SOCKET,
    configType: {
      case: 'typedConfig',
      value: any(UpstreamTlsContextSchema, {
        sni: isAddress ? '' : tls.serverName,
        commonTlsContext: {
          tlsParams,
          alpnProtocols: [protocol === 'HTTP2' ? 'h2' : 'http/1.1'],
          validationContextType: {
            case: 'validationContext',
            value: {
              trustedCa:
                tls.caCertificates === undefined
                  ? file(caBundlePath)
                  : { specifier: { case: 'inlineString', value: tls.caCertificates } },
              matchTypedSubjectAltNames: [
                {
                  sanType: isAddress ? SubjectAltNameMatcher_SanType.IP_ADDRESS : SubjectAltNameMatcher_SanType.DNS,
                  matcher: { matchPattern: { case: 'exact', value: tls.serverName } },
                },
              ],
            },
          },
        },
      }),
    },
  });
}
