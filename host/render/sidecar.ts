/** Renders a sidecar in the API server's own pod. The kubelet starts it first; each change of it restarts the API server. */
import { dirname } from "node:path";
import {
  type ContainerOptions,
  containerOf,
  LIVENESS,
  probeOf,
  refuseInPod,
  SOCKET_VOLUME,
  volumesOf,
} from "./container.ts";
import { shellWord, yaml } from "./escape.ts";
import { POD_USER, renderLayout } from "./layout.ts";
import { joined, type Rendered, type RenderInput, rootFile } from "./rendered.ts";
import { DIGEST_ANNOTATION, moduleNotes, type PodOptions, podNotes, supplemental } from "./static-pod.ts";

/** The folder from which kubeadm reads patches. */
export const PATCHES = "/etc/kubernetes/patches";

/**
 * Renders a strategic merge patch of the API server's manifest, in the form of kubeadm's patches.
 * @throws KleidiError render-refused
 */
export function renderSidecar(input: RenderInput, { image, moduleImages = new Map() }: PodOptions): Rendered {
  refuseInPod("sidecar", input, moduleImages);
  const patch = rootFile(
    `${PATCHES}/kube-apiserver0+strategic.yaml`,
    yaml(patchOf(input, { image, moduleImages })),
  );
  return joined(renderLayout(input, POD_USER), {
    files: [patch],
    commands: [image, ...new Set(moduleImages.values())].map((each) => `crictl pull ${shellWord(each)}`),
    notes: [
      ...podNotes(input, image),
      ...moduleNotes(moduleImages),
      "Each change of the configuration or the image restarts the API server, as they share a pod.",
      ...(probeOf(input, "/livez") === undefined ? [UNORDERED] : []),
    ],
  });
}

const UNORDERED =
  "Without a probe the API server starts as soon as the sidecar's process does: it waits for the socket by itself.";

function patchOf(input: RenderInput, container: ContainerOptions): object {
  const probe = probeOf(input, "/livez");
  const folder = dirname(input.config.listen.socket);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "kube-apiserver",
      namespace: "kube-system",
      annotations: { [DIGEST_ANNOTATION]: input.digest },
    },
    spec: {
      ...podSecurity(input),
      initContainers: [
        {
          ...containerOf(input, container),
          // an init container that keeps running: the other containers start after it has started (KEP-753)
          restartPolicy: "Always",
          ...(probe && {
            startupProbe: { ...probe, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 120 },
            livenessProbe: { ...probe, ...LIVENESS },
          }),
        },
      ],
      containers: [
        {
          name: "kube-apiserver",
          volumeMounts: [{ name: SOCKET_VOLUME, mountPath: folder, readOnly: true }],
        },
      ],
      volumes: volumesOf(input, container),
    },
  };
}

/** Supplemental groups belong to the pod: the API server gets them too. */
function podSecurity(input: RenderInput): object {
  const groups = supplemental(input);
  return Object.keys(groups).length === 0 ? {} : { securityContext: groups };
}
