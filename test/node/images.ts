/** The images of the control plane's programs. Each image has the program as its only file. */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { binaries } from "../e2e/servers.ts";
import { locked } from "../image/images.ts";
import { localpeer } from "../support/bench-go.ts";
import { buildah, STORAGE } from "../support/containers.ts";
import { NODE_BIN } from "./machine.ts";

/** Programs have the same paths as in the published images, because kubeadm's manifests start them by name. */
const dockerfileOf = (program: string) =>
  `FROM scratch\nCOPY ${program} /usr/local/bin/\nENTRYPOINT ["/usr/local/bin/${program}"]\n`;
const PROGRAMS = {
  pause: NODE_BIN,
  localpeer: dirname(localpeer),
  etcd: binaries,
  "kube-apiserver": binaries,
  "kube-controller-manager": NODE_BIN,
  "kube-scheduler": NODE_BIN,
} as const;
export type ImageName = keyof typeof PROGRAMS;

export const nameOf = (program: ImageName) => `localhost/${program}:test`;

/** Builds an image unless it exists. @returns the path of its OCI archive */
export function builtImage(program: ImageName): string {
  return locked(() => {
    const archive = join(STORAGE, "programs", `${program}-${stampOf(program)}.tar`);
    if (!existsSync(archive)) build(program, archive);
    return archive;
  });
}

function build(program: ImageName, archive: string): void {
  mkdirSync(join(archive, ".."), { recursive: true });
  const context = mkdtempSync(join(STORAGE, "program-"));
  try {
    copyFileSync(join(PROGRAMS[program], program), join(context, program));
    writeFileSync(join(context, "Dockerfile"), dockerfileOf(program));
    buildah(
      "build",
      "--isolation",
      "chroot",
      "--quiet",
      "--timestamp",
      "0",
      "--tag",
      nameOf(program),
      context,
    );
    const file = join(context, "image.tar");
    buildah(
      "push",
      "--quiet",
      "--disable-compression",
      nameOf(program),
      `oci-archive:${file}:${nameOf(program)}`,
    );
    renameSync(file, archive);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

/** The build of a program, and the layout of its image. */
function stampOf(program: ImageName): string {
  const stamp = readFileSync(join(PROGRAMS[program], ".stamp"));
  return createHash("sha256").update(stamp).update(dockerfileOf(program)).digest("hex").slice(0, 12);
}
