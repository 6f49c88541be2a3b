/** An image before this one, for an upgrade. */
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { IMAGE, locked, removeImage } from "../image/images.ts";
import { buildah, podman, STORAGE } from "../support/containers.ts";

export const PREVIOUS = "localhost/kleidi:previous";

/** An image that differs from this one in a label, and so in its digest: no image was released yet. @returns its OCI archive */
export function previousImage(): string {
  return locked(() => {
    const id = buildah("inspect", "--type", "image", "--format", "{{.FromImageID}}", IMAGE);
    const archive = join(STORAGE, "programs", `previous-${id.slice(0, 12)}.tar`);
    if (existsSync(archive)) return archive;
    removeImage(PREVIOUS);
    const container = buildah("from", "--pull-never", IMAGE);
    buildah("config", "--label", "org.opencontainers.image.version=0.0.0", container);
    buildah("commit", "--quiet", "--rm", container, PREVIOUS);
    mkdirSync(dirname(archive), { recursive: true });
    podman("save", "--quiet", "--format", "oci-archive", "--output", archive, PREVIOUS);
    return archive;
  });
}
