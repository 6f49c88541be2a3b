/** The container of kleidí and its mounts, shared by the static pod and the sidecar of the API server. */

import { isIP } from "node:net";
import { dirname } from "node:path";
import { quote } from "../lib/text.ts";
import { podArgument } from "./escape.ts";
import { memoryMiB, socketFolders } from "./footprint.ts";
import { POD_USER } from "./layout.ts";
import { type ModuleImages, moduleVolumes, refuseModuleImages } from "./module-images.ts";
import { refuseIf, sharedFolders } from "./refusal.ts";
import type { RenderInput } from "./rendered.ts";

/** Files under this folder are part of the image; all others are mounted from the node. */
export const IN_IMAGE = "/opt/kleidi/";

export interface Mount {
  readonly name: string;
  readonly folder: string;
  readonly readOnly: boolean;
}

/** The folders of the node that the container mounts. They are folders and not files: the container would keep the old file after a replacement. */
export function mountsOf({ config, footprint }: RenderInput): Mount[] {
  const sockets = socketFolders(config).map(({ folder }) => folder);
  const writes = new Set([...sockets, ...footprint.writes]);
  const reads = new Set(
    footprint.reads.filter((path) => !path.startsWith(IN_IMAGE)).map((path) => dirname(path)),
  );
  const all = [
    ...[...writes].map((folder) => ({ folder, readOnly: false })),
    ...[...reads].filter((folder) => !writes.has(folder)).map((folder) => ({ folder, readOnly: true })),
  ];
  return all
    .filter(
      ({ folder, readOnly }) =>
        !all.some((other) => other.readOnly === readOnly && isBelow(folder, other.folder)),
    )
    .toSorted((a, b) => (a.folder < b.folder ? -1 : 1))
    .map(({ folder, readOnly }, index) => ({
      name: folder === dirname(config.listen.socket) ? SOCKET_VOLUME : `kleidi-${index + 1}`,
      folder,
      readOnly,
    }));
}

export const SOCKET_VOLUME = "kleidi-socket";

function isBelow(folder: string, other: string): boolean {
  return folder.startsWith(`${other}/`);
}

/**
 * Refuses a configuration that cannot run in a pod.
 * @throws KleidiError render-refused
 */
export function refuseInPod(form: string, input: RenderInput, moduleImages: ModuleImages = NONE): void {
  refuseModuleImages(form, input, moduleImages);
  const { config, footprint } = input;
  const named = socketFolders(config).filter(({ group }) => typeof group === "string");
  const mounts = mountsOf(input).map(({ folder }) => folder);
  refuseIf(form, [
    ...footprint.devices.map(
      (device) =>
        `the device cgroup of a container has no ${device}: render systemd, whose unit has DeviceAllow=`,
    ),
    ...(config.sandbox.wall === "bubblewrap"
      ? [
          "the seccomp profile RuntimeDefault has no user namespaces for bubblewrap: write sandbox.wall: auto, which takes landlock",
        ]
      : []),
    ...named.map(
      ({ folder, group }) =>
        `a container has no group names, and the socket in ${folder} has the group ${group}: write the number of the group`,
    ),
    ...mounts
      .filter((folder) => /[:\p{C}\p{Zl}\p{Zp}]/u.test(folder))
      .map(
        (folder) =>
          `no container can mount ${quote(folder)}: rename it without colons and invisible characters`,
      ),
    ...sharedFolders(mounts),
  ]);
}

/** The supplemental groups of the container: those of the sockets. */
export function groupsOf({ config }: RenderInput): number[] {
  const groups = socketFolders(config).flatMap(({ group }) => (typeof group === "number" ? [group] : []));
  return [...new Set(groups)].filter((group) => group !== POD_USER);
}

export interface ContainerOptions {
  readonly image: string;
  /** By default POD_USER. */
  readonly user?: number;
  /** By default modules are part of the image or in a folder of the node. */
  readonly moduleImages?: ModuleImages;
}

const NONE: ModuleImages = new Map();

/** No root user, no capability, a read-only root filesystem: all that a host needs is mounted. */
export function containerOf(
  input: RenderInput,
  { image, user = POD_USER, moduleImages = NONE }: ContainerOptions,
): Record<string, unknown> {
  const { config } = input;
  return {
    name: "kleidi",
    image,
    imagePullPolicy: "IfNotPresent",
    // a host that ends is back within a second, without the pauses of the kubelet
    args: ["hold", "--config", config.file].map(podArgument),
    resources: {
      requests: { cpu: "100m", memory: "256Mi" },
      limits: { memory: `${memoryMiB(config)}Mi` },
    },
    securityContext: {
      runAsNonRoot: user !== 0,
      runAsUser: user,
      runAsGroup: user,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [
      ...mountsOf(input).map(({ name, folder, readOnly }) => ({ name, mountPath: folder, readOnly })),
      ...moduleVolumes(input, moduleImages).map(({ name, folder }) => ({ name, mountPath: folder })),
    ],
  };
}

/**
 * Makes hostPath volumes. A missing folder prevents the pod from starting. For root the runtime creates the folder: without a type nothing
 * checks that it exists.
 */
export function volumesOf(
  input: RenderInput,
  { user = POD_USER, moduleImages = NONE }: Omit<ContainerOptions, "image"> = {},
): object[] {
  const type = user === 0 ? {} : { type: "Directory" };
  return [
    ...mountsOf(input).map(({ name, folder }) => ({ name, hostPath: { path: folder, ...type } })),
    ...moduleVolumes(input, moduleImages).map(({ name, image }) => ({
      name,
      image: { reference: image, pullPolicy: "IfNotPresent" },
    })),
  ];
}

/**
 * A host that cannot start for some minutes keeps its socket: the kubelet ends kleidi hold, and the socket with it, only after five. It is
 * for a process that hangs.
 */
export const LIVENESS = { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 30 };

/** The kubelet's probe of the admin listener; undefined if no admin listener is on TCP. */
export function probeOf({ config: { admin } }: RenderInput, path: "/livez" | "/readyz"): object | undefined {
  if (admin === undefined || !("host" in admin)) return undefined;
  const { host, port } = admin;
  const loopback = isIP(host) === 6 ? "::1" : "127.0.0.1";
  return { httpGet: { host: host === "0.0.0.0" || host === "::" ? loopback : host, port, path } };
}
