{{/* The names are fixed: the resources are of the whole cluster, and a second release would be of no use. */}}
{{- define "kleidi.labels" -}}
app.kubernetes.io/part-of: kleidi
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "kleidi.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
{{- end }}

{{/* For each pod: no user of the node, no privilege, and the profile of the container runtime for system calls. */}}
{{- define "kleidi.podSecurity" -}}
runAsNonRoot: true
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "kleidi.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* Probes of a listener. On loopback, the kubelet asks there; else at the address of the pod. */}}
{{- define "kleidi.probes" -}}
readinessProbe:
  httpGet: { path: /readyz, port: {{ .port }}{{ if .loopback }}, host: 127.0.0.1{{ end }} }
  periodSeconds: 5
  timeoutSeconds: 5
livenessProbe:
  httpGet: { path: /healthz, port: {{ .port }}{{ if .loopback }}, host: 127.0.0.1{{ end }} }
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}
