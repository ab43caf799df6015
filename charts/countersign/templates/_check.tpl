{{/* Values that schema checks cannot tell: what would fail only in the cluster, and what would have no effect. */}}
{{- define "countersign.check" -}}
{{- $gateway := .Values.gateway }}
{{- $authorizer := .Values.authorizer }}
{{- $hasGateway := include "countersign.gateway.enabled" . }}
{{- $hasAuthorizers := eq $authorizer.mode "Deployment" }}
{{- if and $gateway.https.enabled (empty $gateway.https.tlsSecretName) }}
{{- fail "gateway.https.tlsSecretName is required with gateway.https.enabled" }}
{{- end }}
{{- if and $hasGateway (not $gateway.http.expose) (not $gateway.https.enabled) }}
{{- fail "gateway.http.expose is false and gateway.https.enabled is false: nothing would reach the gateway" }}
{{- end }}
{{- if and .Values.monitoring.serviceMonitor.enabled .Values.monitoring.podMonitor.enabled }}
{{- fail "monitoring: enable serviceMonitor or podMonitor, both would scrape everything twice" }}
{{- end }}
{{- include "countersign.check.ports" . }}
{{- include "countersign.check.times" . }}
{{- include "countersign.check.unused" . }}
{{- end }}

{{- define "countersign.check.ports" -}}
{{- $authorizer := .Values.authorizer }}
{{- $ports := list (int .Values.gateway.http.port) (int $authorizer.adminPort) }}
{{- if .Values.gateway.https.enabled }}{{ $ports = append $ports (int .Values.gateway.https.port) }}{{ end }}
{{- with .Values.gateway.metricsPort }}{{ $ports = append $ports (int .) }}{{ end }}
{{- if and (include "countersign.gateway.enabled" .) (ne (len $ports) (len (uniq $ports))) }}
{{- fail "gateway.http.port, gateway.https.port, gateway.metricsPort and authorizer.adminPort are in one pod and must differ" }}
{{- end }}
{{- if eq (int .Values.controller.xdsPort) (int .Values.controller.adminPort) }}
{{- fail "controller.xdsPort and controller.adminPort are in one pod and must differ" }}
{{- end }}
{{- if eq $authorizer.mode "Deployment" }}
{{- $first := int $authorizer.deployment.port }}
{{- $last := sub (add $first $authorizer.workers) 1 | int }}
{{- $admin := int $authorizer.adminPort }}
{{- if and (ge $admin $first) (le $admin $last) }}
{{- fail (printf "authorizer.adminPort %d is one of the ports %d to %d, which authorizer.deployment.port and authorizer.workers take: choose another" $admin $first $last) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Milliseconds of a duration as the schema admits it. */}}
{{- define "countersign.milliseconds" -}}
{{- $number := regexFind "^[0-9]+" . | int64 }}
{{- if hasSuffix "ms" . }}{{ $number }}
{{- else if hasSuffix "m" . }}{{ mul $number 60000 }}
{{- else }}{{ mul $number 1000 }}
{{- end }}
{{- end }}

{{- define "countersign.check.times" -}}
{{- $lease := .Values.controller.lease }}
{{- $duration := include "countersign.milliseconds" $lease.duration | int64 }}
{{- $deadline := include "countersign.milliseconds" $lease.renewDeadline | int64 }}
{{- $retry := include "countersign.milliseconds" $lease.retryPeriod | int64 }}
{{- if ge $deadline $duration }}
{{- fail "controller.lease.renewDeadline must be less than controller.lease.duration: a leader stops before another one begins" }}
{{- end }}
{{- if ge $retry $deadline }}
{{- fail "controller.lease.retryPeriod must be less than controller.lease.renewDeadline: a leader tries more than once" }}
{{- end }}
{{- $drained := dict }}
{{- if include "countersign.gateway.enabled" . }}{{ $_ := set $drained "gateway" .Values.gateway }}{{ end }}
{{- if eq .Values.authorizer.mode "Deployment" }}{{ $_ := set $drained "authorizer.deployment" .Values.authorizer.deployment }}{{ end }}
{{- range $path, $values := $drained }}
{{- if ge (int $values.drainSeconds) (int $values.terminationGracePeriodSeconds) }}
{{- fail (printf "%s.drainSeconds must be less than %s.terminationGracePeriodSeconds: pods would be killed while they drain" $path $path) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What is set and would be passed over in silence. Each row: whether that is so, what is missing, the values. */}}
{{- define "countersign.check.unused" -}}
{{- $values := .Values }}
{{- $external := $values.redis.external }}
{{- $service := $values.gateway.service }}
{{- $monitoring := $values.monitoring }}
{{- $certificates := $values.certificates }}
{{- $deployment := $values.authorizer.deployment }}
{{- $rows := list
  (list (ne $values.redis.mode "External") "redis.mode External" (list
    "redis.external.url" "redis.external.sentinels" "redis.external.masterName" "redis.external.cluster"
    "redis.external.auth.secretName" "redis.external.auth.usernameKey"
    "redis.external.sentinelAuth.secretName" "redis.external.sentinelAuth.usernameKey"
    "redis.external.tls.enabled" "redis.external.tls.secretName" "redis.external.tls.clientCertificate" "redis.external.tls.serverName"))
  (list (empty $external.sentinels) "redis.external.sentinels" (list
    "redis.external.masterName" "redis.external.sentinelAuth.secretName"))
  (list (empty $external.auth.secretName) "redis.external.auth.secretName" (list "redis.external.auth.usernameKey"))
  (list (empty $external.sentinelAuth.secretName) "redis.external.sentinelAuth.secretName" (list "redis.external.sentinelAuth.usernameKey"))
  (list (not (or $external.tls.enabled (hasPrefix "rediss://" $external.url))) "redis.external.tls.enabled" (list
    "redis.external.tls.secretName" "redis.external.tls.clientCertificate" "redis.external.tls.serverName"))
  (list (ne $values.redis.mode "Trial") "redis.mode Trial" (list
    "redis.trial.passwordSecretName" "redis.trial.persistence.enabled" "redis.trial.persistence.existingClaim" "redis.trial.extraArgs"))
  (list (or (not $values.redis.trial.persistence.enabled) $values.redis.trial.persistence.existingClaim) "redis.trial.persistence.enabled, for a claim of the chart's own" (list
    "redis.trial.persistence.storageClassName"))
  (list (not $values.gateway.https.enabled) "gateway.https.enabled" (list "gateway.https.tlsSecretName" "gateway.https.nodePort"))
  (list (not $values.gateway.http.expose) "gateway.http.expose" (list "gateway.http.nodePort"))
  (list (eq $service.type "ClusterIP") "gateway.service.type NodePort or LoadBalancer" (list
    "gateway.http.nodePort" "gateway.https.nodePort" "gateway.service.externalTrafficPolicy"))
  (list (ne $service.type "LoadBalancer") "gateway.service.type LoadBalancer" (list
    "gateway.service.loadBalancerClass" "gateway.service.loadBalancerSourceRanges"))
  (list (ne $certificates.mode "Existing") "certificates.mode Existing" (list
    "certificates.existing.controllerSecret" "certificates.existing.envoySecret" "certificates.existing.authorizerSecret"))
  (list (ne $certificates.mode "CertManager") "certificates.mode CertManager" (list "certificates.certManager.issuerRef.name"))
  (list (not $monitoring.serviceMonitor.enabled) "monitoring.serviceMonitor.enabled" (list
    "monitoring.serviceMonitor.labels" "monitoring.serviceMonitor.metricRelabelings"))
  (list (not $monitoring.podMonitor.enabled) "monitoring.podMonitor.enabled" (list
    "monitoring.podMonitor.labels" "monitoring.podMonitor.metricRelabelings"))
  (list (not $monitoring.prometheusRule.enabled) "monitoring.prometheusRule.enabled" (list
    "monitoring.prometheusRule.labels" "monitoring.prometheusRule.alertLabels" "monitoring.prometheusRule.runbookUrl" "monitoring.prometheusRule.extraRules"))
  (list (not $values.networkPolicy.enabled) "networkPolicy.enabled" (list
    "networkPolicy.gatewayFrom" "networkPolicy.authorizerFrom" "networkPolicy.metricsFrom"))
  (list (not (include "countersign.gateway.enabled" .)) "a gateway (gateway.enabled)" (list "networkPolicy.gatewayFrom"))
  (list (ne $values.authorizer.mode "Deployment") "authorizer.mode Deployment" (list
    "networkPolicy.authorizerFrom" "authorizer.deployment.serviceAnnotations" "authorizer.deployment.extraVolumes"
    "authorizer.deployment.extraContainers" "authorizer.deployment.autoscaling.enabled" "authorizer.deployment.podDisruptionBudget.enabled"))
  (list (not $values.userRoles.create) "userRoles.create" (list "userRoles.aggregate"))
}}
{{- range $path, $component := dict "controller" $values.controller "gateway" $values.gateway "authorizer.deployment" $deployment }}
{{- $budget := printf "%s.podDisruptionBudget" $path }}
{{- $rows = append $rows (list (not $component.podDisruptionBudget.enabled) (printf "%s.enabled" $budget) (list (printf "%s.minAvailable" $budget))) }}
{{- with $component.autoscaling }}
{{- $scaling := printf "%s.autoscaling" $path }}
{{- $rows = append $rows (list (not .enabled) (printf "%s.enabled" $scaling) (list (printf "%s.metrics" $scaling) (printf "%s.behavior" $scaling))) }}
{{- end }}
{{- end }}
{{- range $row := $rows }}
{{- if index $row 0 }}
{{- range $path := index $row 2 }}
{{- $value := $values }}
{{- range splitList "." $path }}{{ $value = ternary (get (ternary $value dict (kindIs "map" $value)) .) "" (kindIs "map" $value) }}{{ end }}
{{- if $value }}
{{- fail (printf "%s is set and would have no effect without %s" $path (index $row 1)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
