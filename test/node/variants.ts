/** Makes a previous image, for an upgrade. */
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { BuiltDist } from "../../.ci/dist/built.ts";
import { IMAGE, locked, removeImage } from "../image/images.ts";
import { buildah, STORAGE } from "../support/containers.ts";

export const PREVIOUS = "localhost/kleidi:previous";
export const PREVIOUS_VERSION = "0.0.0";

/**
 * Makes the image from the current program with an older version number, because no image was released yet.
 * @param dist from which IMAGE was built
 * @returns its OCI archive
 */
export function previousImage(dist: BuiltDist): string {
  return locked(() => {
    const id = buildah("inspect", "--type", "image", "--format", "{{.FromImageID}}", IMAGE);
    const folder = join(STORAGE, "programs");
    const archive = join(folder, `previous-${PREVIOUS_VERSION}-${id.slice(0, 12)}.tar`);
    if (existsSync(archive)) return archive;
    for (const old of globSync("previous-*.tar", { cwd: folder })) rmSync(join(folder, old));
    removeImage(PREVIOUS);
    commit(dist);
    mkdirSync(dirname(archive), { recursive: true });
    buildah("push", "--quiet", "--disable-compression", PREVIOUS, `oci-archive:${archive}:${PREVIOUS}`);
    return archive;
  });
}

/** The host reads its version from its package.json. */
function commit({ tree }: BuiltDist): void {
  const manifest = JSON.parse(readFileSync(join(tree, "package.json"), "utf8"));
  const work = mkdtempSync(join(STORAGE, "previous-"));
  try {
    const file = join(work, "package.json");
    writeFileSync(file, JSON.stringify({ ...manifest, version: PREVIOUS_VERSION }));
    const container = buildah("from", "--pull-never", IMAGE);
    buildah("copy", "--quiet", container, file, "/opt/kleidi/package.json");
    buildah("config", "--label", `org.opencontainers.image.version=${PREVIOUS_VERSION}`, container);
    buildah("commit", "--quiet", "--rm", container, PREVIOUS);
  } finally {
    rmSync(work, { recursive: true });
  }
}
