/** Renders a static pod, which the kubelet starts without the API server. */
import {
  type ContainerOptions,
  containerOf,
  groupsOf,
  LIVENESS,
  probeOf,
  refuseInPod,
  volumesOf,
} from "./container.ts";
import { shellWord, yaml } from "./escape.ts";
import { POD_USER, renderLayout } from "./layout.ts";
import type { ModuleImages } from "./module-images.ts";
import { joined, type Rendered, type RenderInput, rootFile } from "./rendered.ts";

/** The kubelet restarts a static pod only if its manifest changes. */
export const DIGEST_ANNOTATION = "kleidi.dev/config-sha256";
export const MANIFESTS = "/etc/kubernetes/manifests";

export interface PodOptions {
  /** The reference of kleidí's image. */
  readonly image: string;
  readonly moduleImages?: ModuleImages;
  /** The folder of the kubelet's manifests, without a trailing slash. */
  readonly manifests?: string;
  /** The command that pulls an image, without the name of the image. */
  readonly pull?: string;
}

/** @throws KleidiError render-refused */
export function renderStaticPod(
  input: RenderInput,
  { image, moduleImages = new Map(), manifests = MANIFESTS, pull = "crictl pull" }: PodOptions,
): Rendered {
  refuseInPod("static-pod", input, moduleImages);
  const files = [rootFile(`${manifests}/kleidi.yaml`, yaml(podOf(input, { image, moduleImages })))];
  return joined(renderLayout(input, POD_USER), {
    files,
    commands: [image, ...new Set(moduleImages.values())].map((each) => `${pull} ${shellWord(each)}`),
    notes: [...podNotes(input, image), ...moduleNotes(moduleImages)],
  });
}

/** The pod, as a manifest or as an entry of Talos' machine.pods. */
export function podOf(input: RenderInput, container: ContainerOptions): object {
  const [liveness, readiness] = [probeOf(input, "/livez"), probeOf(input, "/readyz")];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "kleidi",
      namespace: "kube-system",
      labels: { "app.kubernetes.io/name": "kleidi", tier: "control-plane" },
      annotations: { [DIGEST_ANNOTATION]: input.digest },
    },
    spec: {
      // a pod with a network of its own waits for CNI, which waits for the API server
      hostNetwork: true,
      dnsPolicy: "Default",
      priorityClassName: "system-node-critical",
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 10,
      securityContext: {
        ...supplemental(input),
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [
        {
          ...containerOf(input, container),
          ...(liveness && {
            livenessProbe: { ...liveness, ...LIVENESS },
          }),
          ...(readiness && { readinessProbe: { ...readiness, periodSeconds: 10, timeoutSeconds: 5 } }),
        },
      ],
      volumes: volumesOf(input, container),
    },
  };
}

/** Groups by number: a container has no group names. */
export function supplemental(input: RenderInput): object {
  const groups = groupsOf(input);
  return groups.length === 0 ? {} : { supplementalGroups: groups };
}

/** Notes about the requirements of image volumes. */
export function moduleNotes(images: ModuleImages): string[] {
  if (images.size === 0) return [];
  return [
    "An image volume needs Kubernetes 1.36, or 1.33 with the feature gate ImageVolume, and containerd 2.1.",
    ...[...new Set(images.values())]
      .filter((image) => !image.includes("@sha256:"))
      .map((image) => `The image ${image} is not pinned: add @sha256: and its digest.`),
  ];
}

/** Notes about requirements of a pod that its manifest does not show. */
export function podNotes(input: RenderInput, image: string): string[] {
  const { config } = input;
  return [
    "Pull the image before the node restarts: a pull may need a registry that is not up while the API server is not.",
    ...(image.includes("@sha256:") ? [] : [`The image ${image} is not pinned: add @sha256: and its digest.`]),
    ...(probeOf(input, "/livez") === undefined
      ? [
          "Without admin.listen on an IP address the kubelet has no probe: it restarts the container only if its process ends.",
        ]
      : []),
    ...(config.sandbox.programs === undefined
      ? []
      : [`sandbox.programs, ${config.sandbox.programs}, is a folder of the image: it is not mounted.`]),
  ];
}
