/** The text of kleidi.service. systemd.exec(5) documents each setting. */
import { unitArgument, unitWord } from "./escape.ts";
import { memoryMiB, socketFolders, tasks } from "./footprint.ts";
import type { RenderInput } from "./rendered.ts";
import { networkOf } from "./unit-network.ts";

export interface UnitOptions {
  readonly program: string;
  /** The folders that the service may write to. */
  readonly folders: readonly string[];
  /** Whether kleidi.socket has the socket. */
  readonly socketUnit: boolean;
}

export function unitText(input: RenderInput, { program, folders, socketUnit }: UnitOptions): string {
  const { config, digest, footprint } = input;
  const network = networkOf(input);
  return [
    `# kleidi.dev/config-sha256: ${digest}`,
    "[Unit]",
    "Description=kleidi, a KMS v2 plugin for Kubernetes",
    "Before=kubelet.service k3s.service rke2-server.service",
    ...(network.isOnline ? ["Wants=network-online.target", "After=network-online.target"] : []),
    ...(socketUnit ? ["Requires=kleidi.socket", "After=kleidi.socket"] : []),
    "# The API server waits for this service: restart it without a limit.",
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    "Type=exec",
    `ExecStart=${unitArgument(program)} serve --config ${unitArgument(config.file)}`,
    "# Takes an edited configuration, or refuses it and serves on: the log has the verdict.",
    'ExecReload=/bin/sh -c "kill -HUP $MAINPID"',
    "User=kleidi",
    "Group=kleidi",
    ...supplementary(input),
    "Restart=always",
    "RestartSec=500ms",
    "TimeoutStopSec=10s",
    ...[...new Set(folders)].sort().map((folder) => `ReadWritePaths=${unitWord(folder)}`),
    "",
    "# This process holds the keys in its memory.",
    "LimitCORE=0",
    "MemorySwapMax=0",
    `MemoryMax=${memoryMiB(config)}M`,
    `TasksMax=${tasks(config)}`,
    "OOMPolicy=continue",
    "",
    ...HARDENING,
    ...devices(footprint.devices),
    ...network.lines,
    ...wall(config.sandbox.wall),
    "",
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}

/** No MemoryDenyWriteExecute=: V8 writes machine code while it runs. */
const HARDENING = [
  "NoNewPrivileges=yes",
  "CapabilityBoundingSet=",
  "AmbientCapabilities=",
  "ProtectSystem=strict",
  "ProtectHome=yes",
  "PrivateTmp=yes",
  "PrivateMounts=yes",
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelLogs=yes",
  "ProtectControlGroups=yes",
  "ProtectClock=yes",
  "ProtectHostname=yes",
  "ProtectProc=invisible",
  "RestrictRealtime=yes",
  "LockPersonality=yes",
  "RemoveIPC=yes",
  "KeyringMode=private",
  "UMask=0077",
  "SystemCallArchitectures=native",
  "SystemCallErrorNumber=EPERM",
];

function supplementary({ config, footprint }: RenderInput): string[] {
  // sysusers.d adds the user to every other group that has a name
  const sockets = socketFolders(config)
    .flatMap(({ group }) => group ?? [])
    .filter((group) => typeof group === "number" || group === "root");
  // on Debian and Fedora this group owns the TPM's resource manager
  const tpm = footprint.devices.some((device) => device.startsWith("/dev/tpmrm")) ? ["tss"] : [];
  const groups = [...new Set([...sockets, ...tpm])];
  return groups.length === 0 ? [] : [`SupplementaryGroups=${groups.join(" ")}`];
}

/** PrivateDevices= would hide a TPM. */
function devices(granted: readonly string[]): string[] {
  if (granted.length === 0) return ["PrivateDevices=yes", "DevicePolicy=closed"];
  return [
    "PrivateDevices=no",
    "DevicePolicy=closed",
    ...granted.map((device) => `DeviceAllow=${unitWord(device)} rw`),
  ];
}

const CALLS =
  "SystemCallFilter=@system-service landlock_add_rule landlock_create_ruleset landlock_restrict_self";
const WITHOUT = "SystemCallFilter=~@resources";

/**
 * bubblewrap makes namespaces and mounts for a provider's process, and reads /proc/sys. RestrictSUIDSGID= would block openat2, because
 * a system call filter cannot see the mode argument of that call.
 */
function wall(name: "auto" | "bubblewrap" | "landlock" | "none"): string[] {
  if (name === "landlock" || name === "none")
    return ["ProcSubset=pid", "RestrictSUIDSGID=yes", "RestrictNamespaces=yes", CALLS, WITHOUT];
  return ["RestrictNamespaces=ipc mnt net pid user uts", `${CALLS} @mount`, WITHOUT];
}
