/** Image volumes: a provider's module comes from an OCI image of its own, and the kubelet mounts it (KEP-4639). */
import { dirname } from "node:path";
import { refuseIf } from "./refusal.ts";
import type { RenderInput } from "./rendered.ts";

/** Provider → the reference of the image of its module. */
export type ModuleImages = ReadonlyMap<string, string>;

/** The folder for modules from images: kleidí's own image has nothing in it. */
const MODULES = "/opt/kleidi/modules";

export interface ModuleVolume {
  readonly name: string;
  readonly folder: string;
  readonly image: string;
}

/** One volume for each folder, in the order of the providers. */
export function moduleVolumes({ config }: RenderInput, images: ModuleImages): ModuleVolume[] {
  const volumes = config.providers.flatMap(({ name, module }) => {
    const image = images.get(name);
    return image === undefined ? [] : [{ folder: dirname(module), image }];
  });
  const first = volumes.filter(
    ({ folder }, index) => volumes.findIndex((each) => each.folder === folder) === index,
  );
  return first.map((volume, index) => ({ name: `modules-${index + 1}`, ...volume }));
}

/**
 * Refuses images that would not be mounted where the configuration reads the module, or would hide other files.
 * @throws KleidiError render-refused
 */
export function refuseModuleImages(form: string, { config }: RenderInput, images: ModuleImages): void {
  const modules = new Map(config.providers.map(({ name, module }) => [name, module]));
  refuseIf(form, [
    ...[...images.keys()]
      .filter((name) => !modules.has(name))
      .map((name) => `the configuration has no provider ${name}: --module-image takes ${list(modules)}`),
    ...config.providers
      .filter(({ name, module }) => images.has(name) && !module.startsWith(`${MODULES}/`))
      .map(
        ({ name, module }) =>
          `the module of provider ${name} is ${module}, and an image is mounted under ${MODULES}: write module: ${MODULES}/${name}.wasm`,
      ),
    ...config.providers.flatMap(({ name, module }) =>
      config.providers
        .filter((other) => dirname(other.module) === dirname(module))
        .filter((other) => images.has(name) && images.get(other.name) !== images.get(name))
        .map(
          (other) =>
            `the image of provider ${name} would hide the module of ${other.name}: put it into a folder of its own under ${MODULES}`,
        ),
    ),
  ]);
}

function list(modules: ReadonlyMap<string, string>): string {
  return [...modules.keys()].join(", ");
}
