{{- define "countersign.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* At most 40 characters: the longest suffix has 23, and names of Services have 63 at most. */}}
{{- define "countersign.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "countersign.controller.fullname" -}}
{{ include "countersign.fullname" . }}-controller
{{- end }}

{{/* Arguments of what follows: root = the chart's scope, component = controller | gateway | authorizer | redis | test, or "". */}}
{{- define "countersign.selectorLabels" -}}
app.kubernetes.io/name: {{ include "countersign.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "countersign.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{ include "countersign.selectorLabels" . }}
app.kubernetes.io/part-of: countersign
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* metadata of an object: also name, and optionally namespace, labels, annotations. */}}
{{- define "countersign.metadata" -}}
name: {{ .name }}
{{- if ne (default "" .namespace) "none" }}
namespace: {{ default .root.Release.Namespace .namespace }}
{{- end }}
labels:
  {{- include "countersign.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge dict (default dict .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A digest wins over a tag. */}}
{{- define "countersign.imageOf" -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end }}

{{- define "countersign.image" -}}
{{ include "countersign.imageOf" (dict "repository" .Values.image.repository "digest" .Values.image.digest "tag" (default .Chart.AppVersion .Values.image.tag)) }}
{{- end }}

{{- define "countersign.serviceAccountName" -}}
{{- $values := .values.serviceAccount }}
{{- if $values.name }}{{ $values.name }}
{{- else if $values.create }}{{ include "countersign.fullname" .root }}-{{ .component }}
{{- else }}default
{{- end }}
{{- end }}

{{- define "countersign.gateway.enabled" -}}
{{- if or .Values.gateway.enabled (and (kindIs "invalid" .Values.gateway.enabled) (eq .Values.authorizer.mode "Sidecar")) }}true{{ end }}
{{- end }}

{{/* Secret and name in the certificate: role = controller | envoy | authorizer. */}}
{{- define "countersign.certificate.secret" -}}
{{- $values := .root.Values.certificates }}
{{- if eq $values.mode "Existing" }}
{{- required (printf "certificates.existing.%sSecret is required with certificates.mode Existing" .role) (get $values.existing (printf "%sSecret" .role)) }}
{{- else }}{{ include "countersign.fullname" .root }}-{{ .role }}-tls
{{- end }}
{{- end }}

{{- define "countersign.certificate.name" -}}
{{- default (printf "%s-%s" (include "countersign.fullname" .root) .role) (get .root.Values.certificates.names .role) }}
{{- end }}

{{- define "countersign.controller.address" -}}
{{ include "countersign.controller.fullname" . }}.$(POD_NAMESPACE).svc.{{ .Values.clusterDomain }}:{{ .Values.controller.xdsPort }}
{{- end }}

{{/* Of the controller: the port of the Service that has this scheme, or the scheme's own where something else ends TLS. */}}
{{- define "countersign.advertised.args" -}}
{{- $https := .Values.gateway.https.enabled }}
{{- $scheme := default (ternary "https" "http" $https) .Values.advertised.scheme }}
{{- $port := ternary 443 80 (eq $scheme "https") }}
{{- if and (include "countersign.gateway.enabled" .) (ternary $https .Values.gateway.http.expose (eq $scheme "https")) }}
{{- $port = get .Values.gateway $scheme | dig "servicePort" $port }}
{{- end }}
- "--advertised-scheme={{ $scheme }}"
- "--advertised-port={{ default $port .Values.advertised.port }}"
{{- end }}

{{/* What all pods have: also component, values. */}}
{{- define "countersign.podSettings" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "countersign.selectorLabels" $ | fromYaml)) }}
topologySpreadConstraints:
  {{- range . }}
  - {{ toYaml (merge (deepCopy .) $selector) | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "countersign.podMetadata" -}}
labels:
  {{- include "countersign.selectorLabels" . | nindent 2 }}
  app.kubernetes.io/part-of: countersign
  {{- with .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge dict (default dict .annotations) (default dict .values.podAnnotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Arguments name the pod's namespace by its variable, so that plain manifests can be moved to another one. */}}
{{- define "countersign.podEnv" -}}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
{{- end }}

{{/* Whose data plane: node id, controller, names. */}}
{{- define "countersign.dataPlaneArgs" -}}
- --node-id=$(POD_NAME)
- "--controller-address={{ include "countersign.controller.address" . }}"
- "--controller-name={{ include "countersign.certificate.name" (dict "root" . "role" "controller") }}"
- "--workers={{ .Values.authorizer.workers }}"
{{- end }}

{{/* Of authorizers, beside Envoy or in pods of their own. */}}
{{- define "countersign.authorizer.args" -}}
- authorizer
{{ include "countersign.dataPlaneArgs" . }}
- "--admin-address={{ .Values.listenAddress }}"
- "--admin-port={{ .Values.authorizer.adminPort }}"
- "--trusted-hops={{ .Values.trustedHops }}"
- "--drain-time={{ .Values.authorizer.drainTime }}"
- "--log-level={{ .Values.logLevel }}"
- "--log-format={{ .Values.logFormat }}"
{{- with include "countersign.redis.args" . | trim }}
{{ . }}
{{- end }}
{{- end }}

{{/* The secret volume is the whole Secret, never a subPath: only then are renewed files seen. */}}
{{- define "countersign.tlsVolume" -}}
- name: {{ .volume }}
  secret:
    secretName: {{ .secret }}
    # 0440; as octal number it would mean something else in YAML 1.2.
    defaultMode: 288
{{- end }}

{{- define "countersign.podDisruptionBudget" -}}
{{- if .values.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "countersign.metadata" . | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "countersign.selectorLabels" . | nindent 6 }}
  {{- if not (kindIs "invalid" .values.podDisruptionBudget.minAvailable) }}
  minAvailable: {{ .values.podDisruptionBudget.minAvailable }}
  {{- else }}
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "countersign.horizontalPodAutoscaler" -}}
{{- with .values.autoscaling }}
{{- if .enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "countersign.metadata" $ | nindent 2 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ $.name }} }
  minReplicas: {{ .minReplicas }}
  maxReplicas: {{ .maxReplicas }}
  metrics:
    {{- if .targetCPUUtilizationPercentage }}
    - type: Resource
      resource:
        name: cpu
        target: { type: Utilization, averageUtilization: {{ .targetCPUUtilizationPercentage }} }
    {{- end }}
    {{- with .metrics }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .behavior }}
  behavior:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "countersign.serviceAccount" -}}
{{- if .values.serviceAccount.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "countersign.metadata" (dict "root" .root "component" .component "name" (include "countersign.serviceAccountName" .) "annotations" .values.serviceAccount.annotations) | nindent 2 }}
automountServiceAccountToken: false
{{- end }}
{{- end }}

{{/* Where the test's objects live: where they are seen. */}}
{{- define "countersign.test.namespace" -}}
{{- $watched := .Values.watchNamespaces }}
{{- if or (empty $watched) (has .Release.Namespace $watched) }}{{ .Release.Namespace }}{{ else }}{{ first $watched }}{{ end }}
{{- end }}

{{- define "countersign.test.hostname" -}}
{{ default (printf "%s-test.invalid" (include "countersign.fullname" .)) .Values.tests.hostname }}
{{- end }}

{{- define "countersign.test.enabled" -}}
{{- if and .Values.tests.enabled (include "countersign.gateway.enabled" .) }}true{{ end }}
{{- end }}

{{/* The bound of a process's heap, unless its extraEnv sets NODE_OPTIONS: a name may stand only once. Takes extraEnv and maxHeap. */}}
{{- define "countersign.nodeOptions" -}}
{{- $names := list -}}
{{- range .extraEnv }}{{ $names = append $names .name }}{{ end -}}
{{- if not (has "NODE_OPTIONS" $names) -}}
- { name: NODE_OPTIONS, value: "--max-old-space-size={{ .maxHeap }}" }
{{- end -}}
{{- end }}
