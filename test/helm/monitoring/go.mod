// The CustomResourceDefinitions of the Prometheus operator, which its module holds as files; nothing of it is built.
module kleidi/test/helm/monitoring

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
