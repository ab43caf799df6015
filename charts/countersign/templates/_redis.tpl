{{- define "countersign.redis.fullname" -}}
{{ include "countersign.fullname" . }}-redis
{{- end }}

{{/* Flags of controller and authorizers. */}}
{{- define "countersign.redis.args" -}}
{{- $redis := .Values.redis }}
{{- $external := $redis.external }}
{{- if eq $redis.mode "Trial" }}
{{- if $redis.trial.passwordSecretName -}}
- --redis-password-file=/etc/countersign/redis/password
{{- end }}
{{- else if eq $redis.mode "External" }}
{{- $given := list }}
{{- range list "url" "sentinels" "cluster" }}{{ if get $external . }}{{ $given = append $given . }}{{ end }}{{ end }}
{{- if ne (len $given) 1 }}{{ fail "redis.external: exactly one of url, sentinels and cluster is required with redis.mode External" }}{{ end }}
{{- if and $external.sentinels (empty $external.masterName) }}{{ fail "redis.external.masterName is required with redis.external.sentinels" }}{{ end }}
{{- if and $external.tls.clientCertificate (empty $external.tls.secretName) }}{{ fail "redis.external.tls.secretName is required with redis.external.tls.clientCertificate" }}{{ end }}
{{- with $external.url -}}
- "--redis-url={{ . }}"
{{- end }}
{{- with $external.sentinels -}}
- "--redis-master-name={{ $external.masterName }}"
{{- range . }}
- "--redis-sentinel={{ . }}"
{{- end }}
{{- end }}
{{- with $external.cluster }}
{{- range $index, $server := . }}
{{- if $index }}
{{ end -}}
- "--redis-cluster={{ $server }}"
{{- end }}
{{- end }}
{{- with $external.auth }}{{ if .secretName }}
- "--redis-password-file=/etc/countersign/redis/{{ .passwordKey }}"
{{- with .usernameKey }}
- "--redis-username-file=/etc/countersign/redis/{{ . }}"
{{- end }}
{{- end }}{{ end }}
{{- with $external.sentinelAuth }}{{ if .secretName }}
- "--redis-sentinel-password-file=/etc/countersign/redis-sentinel/{{ .passwordKey }}"
{{- with .usernameKey }}
- "--redis-sentinel-username-file=/etc/countersign/redis-sentinel/{{ . }}"
{{- end }}
{{- end }}{{ end }}
{{- with $external.tls }}
{{- if .enabled }}
- --redis-tls=on
{{- end }}
{{- if .secretName }}
- --redis-tls-ca=/etc/countersign/redis-tls/ca.crt
{{- end }}
{{- if .clientCertificate }}
- --redis-tls-cert=/etc/countersign/redis-tls/tls.crt
- --redis-tls-key=/etc/countersign/redis-tls/tls.key
{{- end }}
{{- with .serverName }}
- "--redis-tls-server-name={{ . }}"
{{- end }}
{{- end }}
{{- end }}
{{- if ne $redis.mode "None" }}
- "--redis-command-timeout={{ $redis.commandTimeout }}"
- "--redis-connect-timeout={{ $redis.connectTimeout }}"
{{- end }}
{{- end }}

{{/* The trial's address is a variable and no flag: an overlay of the plain manifests can name another one, by its name. */}}
{{- define "countersign.redis.env" -}}
{{- if eq .Values.redis.mode "Trial" -}}
- name: COUNTERSIGN_REDIS_URL
  value: "redis://{{ include "countersign.redis.fullname" . }}.$(POD_NAMESPACE).svc.{{ .Values.clusterDomain }}:6379"
{{- end }}
{{- end }}

{{/* Volume → Secret. */}}
{{- define "countersign.redis.secrets" -}}
{{- $redis := .Values.redis }}
{{- $secrets := dict }}
{{- if eq $redis.mode "Trial" }}
{{- with $redis.trial.passwordSecretName }}{{ $_ := set $secrets "redis" . }}{{ end }}
{{- else if eq $redis.mode "External" }}
{{- with $redis.external.auth.secretName }}{{ $_ := set $secrets "redis" . }}{{ end }}
{{- with $redis.external.sentinelAuth.secretName }}{{ $_ := set $secrets "redis-sentinel" . }}{{ end }}
{{- with $redis.external.tls.secretName }}{{ $_ := set $secrets "redis-tls" . }}{{ end }}
{{- end }}
{{- toYaml $secrets }}
{{- end }}

{{- define "countersign.redis.volumes" -}}
{{- range $volume, $secret := include "countersign.redis.secrets" . | fromYaml }}
{{ include "countersign.tlsVolume" (dict "volume" $volume "secret" $secret) }}
{{- end }}
{{- end }}

{{- define "countersign.redis.volumeMounts" -}}
{{- range $volume, $_ := include "countersign.redis.secrets" . | fromYaml }}
- { name: {{ $volume }}, mountPath: /etc/countersign/{{ $volume }}, readOnly: true }
{{- end }}
{{- end }}
