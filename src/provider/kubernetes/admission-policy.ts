/**
 * Optional admission policy, as data: a SignatureKey that is Enabled cannot be deleted. Its secret is gone for good
 * then, and clients that still sign with it would fail at once; disabling it first shows who they are, and can be
 * undone. Against slips, not against people who may write keys: they can disable one. Kubernetes 1.30 or later.
 */
import { API_GROUP } from '../../api/types.js';
import { OUR_TYPES } from './resource-types.js';

/**
 * Deletes whatever lost its owner, and would try for ever. Controllers of a kube-controller-manager without
 * service accounts of their own share one name.
 */
const COLLECTORS = ['system:serviceaccount:kube-system:generic-garbage-collector', 'system:kube-controller-manager'];

/** CEL's text of a list of texts. */
const celList = (texts: readonly string[]): string => `[${texts.map((text) => `'${text}'`).join(', ')}]`;

/** The policy and its binding, which applies it in every namespace. @param name of both. */
export function keyDeletionPolicy(name: string) {
  return [
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name },
      spec: {
        // Kubernetes answers for an expression that fails; nothing outside of the API server is asked.
        failurePolicy: 'Fail',
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: [API_GROUP],
              apiVersions: ['*'],
              operations: ['DELETE'],
              resources: [OUR_TYPES.SignatureKey.plural],
            },
          ],
        },
        matchConditions: [
          { name: 'not-collected', expression: `!(request.userInfo.username in ${celList(COLLECTORS)})` },
        ],
        validations: [
          {
            // A namespace that is being deleted takes its keys along, whoever deletes them. Match conditions do not know it.
            expression:
              "(has(oldObject.spec.state) && oldObject.spec.state == 'Disabled') || has(namespaceObject.metadata.deletionTimestamp)",
            reason: 'Forbidden',
            messageExpression: [
              "'the key is Enabled, and clients may still sign with it. Disable it first, delete it when nobody has missed it: kubectl patch signaturekey '",
              'oldObject.metadata.name',
              "' -n '",
              'oldObject.metadata.namespace',
              '\' --type merge -p \\\'{"spec":{"state":"Disabled"}}\\\'\'',
            ].join(' + '),
            message: 'the key is Enabled: set spec.state to Disabled first',
          },
        ],
      },
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name },
      spec: { policyName: name, validationActions: ['Deny'] },
    },
  ] as const;
}
