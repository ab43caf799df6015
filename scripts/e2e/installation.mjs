// Names that the run relies on: those of README.md, of the chart for them, and of examples/quickstart.
export const NAMESPACE = 'countersign-system';
export const RELEASE = 'countersign';
export const DEPLOYMENTS = { controller: 'countersign-controller', gateway: 'countersign-gateway' };
/** The operator's ServiceAccount and Lease are called like its Deployment, the gateway's Service like its own. */
export const CONTROLLER = DEPLOYMENTS.controller;
export const GATEWAY = DEPLOYMENTS.gateway;
export const ADMIN_PORT = 8081;
export const selectorOf = (component) =>
  `app.kubernetes.io/instance=${RELEASE},app.kubernetes.io/name=countersign,app.kubernetes.io/component=${component}`;

export const OUR_KINDS = 'signaturekeys,apigroups,authorizations,usageplans';
export const HOST = 'orders.example.com';
export const LIST = '/orders/v1/orders';
export const HUAWEI = { keyId: 'HWQUICKSTART00000001', secret: 'quickstart-huawei-secret-00001' };
export const JDCLOUD = { keyId: 'JDC0QUICKSTART00000000000000000A', secret: 'quickstart-jdcloud-secret-0001' };
export const TENCENT = { keyId: 'AKIDquickstart000000000000000000001', secret: 'quickstart-tencent-secret-00001' };

/** Of what the run puts into the namespace of the release beside it. */
export const OWN_LABELS = { 'app.kubernetes.io/managed-by': 'countersign-e2e' };
export const OWN_SELECTOR = 'app.kubernetes.io/managed-by=countersign-e2e';
