/** Sets of values that the tests render: each switch of the chart is on in one of them. */
export const ALL_ON = {
  operator: { replicas: 2 },
  migration: { enabled: true, resources: ["secrets", "widgets.example.com"], storageVersionMigration: true },
  metrics: { serviceMonitor: { enabled: true, labels: { release: "prometheus" } } },
  prometheusRule: { enabled: true },
  dashboard: { enabled: true },
  networkPolicy: { enabled: true },
};
export const SOCKET = {
  agent: {
    admin: { address: "", socket: "/run/kleidi-admin/admin.sock", socketGroup: 4711 },
    hostNetwork: false,
  },
  networkPolicy: { enabled: true },
};
export const BARE = {
  crds: { enabled: false },
  agent: { enabled: false },
  metrics: { service: { enabled: false } },
};
