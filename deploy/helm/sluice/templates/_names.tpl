{{/* Names, labels and what both pods have in common. */}}
{{- define "sluice.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "sluice.selector" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sluice.labels" -}}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "sluice.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{- define "sluice.managerUrl" -}}
http://{{ include "sluice.name" . }}-manager.{{ .Release.Namespace }}.svc:{{ .Values.manager.port }}
{{- end -}}

{{/* What the chart relies on is not in reach of .config: values.schema.json refuses it there. */}}
{{- define "sluice.managerConfig" -}}
{{- $own := dict "host" "0.0.0.0" "port" .Values.manager.port "dataDir" "/data/sluice" "secretFile" "/etc/sluice/secret/secret" -}}
{{- mergeOverwrite $own .Values.manager.config | toPrettyJson -}}
{{- end -}}

{{- define "sluice.workerConfig" -}}
{{- $disks := list -}}
{{- range $i, $_ := .Values.worker.disks -}}
{{- $disks = append $disks (printf "/data/%d/sluice" $i) -}}
{{- end -}}
{{- $own := dict "managerUrl" (include "sluice.managerUrl" .) "host" "0.0.0.0" "port" .Values.worker.port "dataDirs" $disks -}}
{{- $more := dict "secretFile" "/etc/sluice/secret/secret" "drainTimeoutMs" .Values.worker.drainTimeoutMs "arenaBytes" .Values.worker.arenaBytes -}}
{{- mergeOverwrite $own $more .Values.worker.config | toPrettyJson -}}
{{- end -}}

{{- define "sluice.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "sluice.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* /health answers 503 until the process serves, which after a restart with full disks may take minutes. */}}
{{- define "sluice.probes" -}}
startupProbe:
  httpGet: { path: /health, port: http }
  periodSeconds: 2
  failureThreshold: 300
readinessProbe:
  httpGet: { path: /health, port: http }
  periodSeconds: 5
  timeoutSeconds: 5
livenessProbe:
  httpGet: { path: /health, port: http }
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
{{- end -}}

{{- define "sluice.place" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The one value of a key that may be missing: nothing, or a storage class. */}}
{{- define "sluice.claim" -}}
accessModes: [ReadWriteOnce]
{{- with .storageClassName }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .size }}
{{- end -}}
