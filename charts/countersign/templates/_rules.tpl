{{/* Generated from src/provider/kubernetes/rbac.ts. */}}
{{- define "countersign.rules.cluster" -}}
- apiGroups:
    - countersign.dev
  resources:
    - signaturekeys
    - apigroups
    - authorizations
    - usageplans
  verbs:
    - list
    - watch
- apiGroups:
    - countersign.dev
  resources:
    - signaturekeys/status
    - apigroups/status
    - authorizations/status
    - usageplans/status
  verbs:
    - patch
- apiGroups:
    - ""
  resources:
    - secrets
  verbs:
    - get
    - list
    - watch
    - create
    - patch
- apiGroups:
    - ""
  resources:
    - services
  verbs:
    - list
    - watch
- apiGroups:
    - events.k8s.io
  resources:
    - events
  verbs:
    - create
    - get
    - patch
- apiGroups:
    - ""
  resources:
    - namespaces
  verbs:
    - list
    - watch
{{- end }}
{{- define "countersign.rules.namespace" -}}
- apiGroups:
    - countersign.dev
  resources:
    - signaturekeys
    - apigroups
    - authorizations
    - usageplans
  verbs:
    - list
    - watch
- apiGroups:
    - countersign.dev
  resources:
    - signaturekeys/status
    - apigroups/status
    - authorizations/status
    - usageplans/status
  verbs:
    - patch
- apiGroups:
    - ""
  resources:
    - secrets
  verbs:
    - get
    - list
    - watch
    - create
    - patch
- apiGroups:
    - ""
  resources:
    - services
  verbs:
    - list
    - watch
- apiGroups:
    - events.k8s.io
  resources:
    - events
  verbs:
    - create
    - get
    - patch
- apiGroups:
    - ""
  resources:
    - namespaces
  verbs:
    - get
    - watch
{{- end }}
{{- define "countersign.rules.ownNamespace" -}}
- apiGroups:
    - coordination.k8s.io
  resources:
    - leases
  verbs:
    - create
- apiGroups:
    - coordination.k8s.io
  resources:
    - leases
  resourceNames:
    - '{{ include "countersign.controller.fullname" . }}'
  verbs:
    - get
    - update
- apiGroups:
    - events.k8s.io
  resources:
    - events
  verbs:
    - create
    - get
    - patch
{{- end }}
{{- define "countersign.rules.certificates" -}}
- apiGroups:
    - ""
  resources:
    - secrets
  verbs:
    - create
- apiGroups:
    - ""
  resources:
    - secrets
  resourceNames:
    - '{{ include "countersign.fullname" . }}-ca'
    - '{{ include "countersign.fullname" . }}-controller-tls'
    - '{{ include "countersign.fullname" . }}-envoy-tls'
    - '{{ include "countersign.fullname" . }}-authorizer-tls'
  verbs:
    - get
    - update
{{- end }}
{{- define "countersign.rules.status" -}}
- apiGroups:
    - coordination.k8s.io
  resources:
    - leases
  resourceNames:
    - '{{ include "countersign.controller.fullname" . }}'
  verbs:
    - get
- apiGroups:
    - ""
  resources:
    - pods/proxy
  verbs:
    - get
{{- end }}
