{{- define "opentelemetry-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "opentelemetry-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "opentelemetry-operator.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{/* What never changes: the selector of a Deployment cannot. */}}
{{- define "opentelemetry-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "opentelemetry-operator.name" . }}
app.kubernetes.io/component: controller-manager
{{- end }}

{{- define "opentelemetry-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{ include "opentelemetry-operator.selectorLabels" . }}
{{- with .Values.additionalLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "opentelemetry-operator.serviceAccountName" -}}
{{- if .Values.manager.serviceAccount.create }}
{{- default (include "opentelemetry-operator.fullname" .) .Values.manager.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.manager.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "opentelemetry-operator.webhookService" -}}
{{- printf "%s-webhook" (include "opentelemetry-operator.fullname" . | trunc 55 | trimSuffix "-") }}
{{- end }}

{{- define "opentelemetry-operator.mutating" -}}
{{- $prefix := .Values.admissionWebhooks.namePrefix }}
{{- if $prefix }}{{ $prefix }}-{{ end }}{{ include "opentelemetry-operator.fullname" . }}-mutation
{{- end }}

{{- define "opentelemetry-operator.validating" -}}
{{- $prefix := .Values.admissionWebhooks.namePrefix }}
{{- if $prefix }}{{ $prefix }}-{{ end }}{{ include "opentelemetry-operator.fullname" . }}-validation
{{- end }}

{{/* Whether the process serves webhooks. */}}
{{- define "opentelemetry-operator.serves" -}}
{{- if ne (toString .Values.manager.env.ENABLE_WEBHOOKS) "false" }}true{{ end }}
{{- end }}

{{/* Where the certificate of the webhooks comes from: cert-manager, files, secret, or the operator's own. */}}
{{- define "opentelemetry-operator.certificates" -}}
{{- $hooks := .Values.admissionWebhooks }}
{{- if $hooks.certManager.enabled }}cert-manager
{{- else if or $hooks.certFile $hooks.keyFile }}
{{- if not (and $hooks.certFile $hooks.keyFile) }}
{{- fail "admissionWebhooks.certFile and admissionWebhooks.keyFile only work together: give both, or none for the operator's own certificate" }}
{{- end }}files
{{- else if $hooks.secretName }}secret
{{- else }}own
{{- end }}
{{- end }}

{{- define "opentelemetry-operator.certificateSecret" -}}
{{- default (printf "%s-controller-manager-service-cert" (include "opentelemetry-operator.fullname" .)) .Values.admissionWebhooks.secretName }}
{{- end }}

{{- define "opentelemetry-operator.servingCertificate" -}}
{{- printf "%s-serving-cert" (include "opentelemetry-operator.fullname" .) }}
{{- end }}

{{/* Annotations of what carries a caBundle. */}}
{{- define "opentelemetry-operator.bundleAnnotations" -}}
{{- if eq (include "opentelemetry-operator.certificates" .) "cert-manager" -}}
cert-manager.io/inject-ca-from: {{ printf "%s/%s" (include "opentelemetry-operator.namespace" .) (include "opentelemetry-operator.servingCertificate" .) }}
{{- end }}
{{- end }}

{{/* A generated file with the names of this release: files/NAME.yaml. */}}
{{- define "opentelemetry-operator.file" -}}
{{- $root := index . 0 }}
{{- $text := $root.Files.Get (index . 1) }}
{{- if not $text }}{{ fail (printf "%s is not in the chart" (index . 1)) }}{{ end }}
{{- $text
  | replace "opentelemetry-operator-mutating-webhook-configuration" (include "opentelemetry-operator.mutating" $root)
  | replace "opentelemetry-operator-validating-webhook-configuration" (include "opentelemetry-operator.validating" $root)
  | replace "opentelemetry-operator-webhook-service" (include "opentelemetry-operator.webhookService" $root)
  | replace "opentelemetry-operator-system" (include "opentelemetry-operator.namespace" $root) }}
{{- end }}

{{/* repository:tag of an image, or nothing; half an image is a mistake. */}}
{{- define "opentelemetry-operator.image" -}}
{{- $image := index . 0 }}
{{- if and $image.repository $image.tag }}{{ $image.repository }}:{{ $image.tag }}
{{- else if or $image.repository $image.tag }}
{{- fail (printf "%s needs both repository and tag" (index . 1)) }}
{{- end }}
{{- end }}
