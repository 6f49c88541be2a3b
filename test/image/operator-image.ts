/** Builds the image of the operator and the agent, once for the same tree. Its own test and the chart's test share it. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { type BuiltDist, builtDist } from "../../.ci/dist/built.ts";
import { buildah, STORAGE } from "../support/containers.ts";
import { root } from "../support/fixture.ts";
import { baseImage } from "./base.ts";
import { buildImage, locked, removeImage } from "./images.ts";

export const OPERATOR_IMAGE = "localhost/kleidi-operator:test";
const DOCKERFILE = join(root, "operator", "Dockerfile");

/** @returns the path of its OCI archive; the image is in the storage too */
export async function builtOperatorImage(): Promise<string> {
  const dist = await builtDist();
  return locked(() => {
    const archive = join(STORAGE, "operator", `${keyOf(dist)}.tar`);
    if (existsSync(archive)) return archive;
    // Remove the image of an earlier build.
    rmSync(dirname(archive), { recursive: true, force: true });
    mkdirSync(dirname(archive), { recursive: true });
    removeImage(OPERATOR_IMAGE);
    buildOperator(dist, OPERATOR_IMAGE);
    buildah(
      "push",
      "--quiet",
      "--disable-compression",
      OPERATOR_IMAGE,
      `oci-archive:${archive}.new:${OPERATOR_IMAGE}`,
    );
    renameSync(`${archive}.new`, archive);
    return archive;
  });
}

/** Builds the image with the command of docs/helm.md. @returns its digest */
export function buildOperator(dist: BuiltDist, tag: string): string {
  const version = dist.name.replace(/^kleidi-/, "");
  const args = [`NODE=${baseImage()}`, `VERSION=${version}`, `REVISION=${dist.commit}`];
  return buildImage(DOCKERFILE, tag, join(dist.folder, dist.operator), args);
}

function keyOf(dist: BuiltDist): string {
  // The name of the folder depends on the content of the checkout; the image has the commit as a label.
  const hash = createHash("sha256").update(`${dist.folder}\n`);
  for (const file of [DOCKERFILE, join(import.meta.dirname, "base.ts")]) hash.update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}
