{{/* The name that everything is called by. */}}
{{- define "dualwheel.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels by which pods of the release are found. */}}
{{- define "dualwheel.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "dualwheel.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "dualwheel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
{{- end -}}

{{- define "dualwheel.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "dualwheel.claim" -}}
{{- .Values.storage.volume.existingClaim | default (printf "%s-lake" (include "dualwheel.fullname" .)) -}}
{{- end -}}

{{/* Keys of a section of the TOML file. JSON's strings, numbers, booleans and arrays are TOML's, and toJson writes whole
     numbers whole, which toToml does not. */}}
{{- define "dualwheel.toml" -}}
{{- range $key, $value := . }}
    {{ $key }} = {{ toJson $value }}
{{- end }}
{{- end -}}

{{- define "dualwheel.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "dualwheel.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "dualwheel.databaseEnv" -}}
- name: DUALWHEEL_DATABASE
  valueFrom:
    secretKeyRef: {name: {{ .Values.database.existingSecret | quote }}, key: {{ .Values.database.key | quote }}}
{{- end -}}

{{/* Asks grpc.health.v1. The kubelet's own gRPC probes speak no TLS; where the port does, the program of the image asks. */}}
{{- define "dualwheel.probe" -}}
{{- if .Values.tls.enabled -}}
exec:
  command:
    - /usr/local/bin/grpc_health_probe
    - -addr=127.0.0.1:7650
    - -connect-timeout=2s
    - -rpc-timeout=2s
    - -tls
    - -tls-ca-cert=/etc/dualwheel/tls/ca.crt
    - -tls-server-name={{ include "dualwheel.fullname" . }}-consumer
    {{- if .Values.tls.mutual }}
    - -tls-client-cert=/etc/dualwheel/tls/tls.crt
    - -tls-client-key=/etc/dualwheel/tls/tls.key
    {{- end }}
{{- else -}}
grpc: {port: 7650}
{{- end }}
timeoutSeconds: 5
{{- end -}}
