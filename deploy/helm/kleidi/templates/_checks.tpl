{{/* Rules that involve several values; the schema has all others. Each message names the values and the value to set. */}}
{{- define "kleidi.checks" -}}
{{- with .Values.image }}
{{- if not .repository }}
{{- fail "Cannot render the chart: image.repository is empty; set it to the image of the operator (docs/helm.md builds it)" }}
{{- end }}
{{- if not (or .tag .digest) }}
{{- fail (printf "Cannot render the chart: the image %s has neither image.tag nor image.digest; set image.digest to sha256: and 64 hexadecimal digits, or image.tag" .repository) }}
{{- end }}
{{- end }}
{{- with .Values.migration }}
{{- if and .enabled (not (or .resources .storageVersionMigration)) }}
{{- fail "Cannot render the chart: migration.enabled is true and migration.resources is empty; list each of the EncryptionPolicy's resources, or set migration.storageVersionMigration" }}
{{- end }}
{{- if and (not .enabled) (or .resources .storageVersionMigration) }}
{{- fail "Cannot render the chart: migration.enabled is false, and migration.resources or migration.storageVersionMigration is set; set migration.enabled to true, or remove them" }}
{{- end }}
{{- end }}
{{- with .Values.agent }}
{{- if and .admin.address .admin.socket }}
{{- fail (printf "Cannot render the chart: agent.admin has the address %s and the socket %s; set the address to \"\", or remove the socket" .admin.address .admin.socket) }}
{{- end }}
{{- if not (or .admin.address .admin.socket) }}
{{- fail "Cannot render the chart: agent.admin has neither an address nor a socket; set one to admin.listen of kleidi's configuration" }}
{{- end }}
{{- if and .admin.address (not .hostNetwork) }}
{{- fail (printf "Cannot render the chart: agent.hostNetwork is false, and the agent cannot reach %s of its node from the pod network; set agent.hostNetwork to true, or agent.admin.socket" .admin.address) }}
{{- end }}
{{- if and .admin.socket (not .admin.socketGroup) }}
{{- fail "Cannot render the chart: agent.admin.socket is set and agent.admin.socketGroup is not; set it to the number of admin.group, the group that may connect" }}
{{- end }}
{{- if and .admin.socketGroup (not .admin.socket) }}
{{- fail "Cannot render the chart: agent.admin.socketGroup is set and agent.admin.socket is not; set the socket, or the group to 0" }}
{{- end }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) }}
{{- fail "Cannot render the chart: metrics.serviceMonitor.enabled is true and metrics.service.enabled is false; a ServiceMonitor needs the Service" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (eq .Values.operator.listenAddress "127.0.0.1") }}
{{- fail "Cannot render the chart: metrics.serviceMonitor.enabled is true and operator.listenAddress is 127.0.0.1, which no scrape reaches; set operator.listenAddress to 0.0.0.0" }}
{{- end }}
{{- if and .Values.networkPolicy.enabled .Values.operator.hostNetwork }}
{{- fail "Cannot render the chart: networkPolicy.enabled and operator.hostNetwork are true; a NetworkPolicy has no effect on the network of the host, so set one of them to false" }}
{{- end }}
{{- end }}
