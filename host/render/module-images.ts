/** Image volumes: the kubelet mounts a provider's module from a separate OCI image (KEP-4639). */
import { dirname } from "node:path";
import { refuseIf } from "./refusal.ts";
import type { RenderInput } from "./rendered.ts";

/** Provider → the reference of the image that contains its module. */
export type ModuleImages = ReadonlyMap<string, string>;

/** The folder for modules from images, empty in kleidí's own image. */
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
 * Refuses an image whose mount path differs from the module's path in the configuration, or that would hide other files.
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
            `the image of provider ${name} would hide the module of ${other.name}: move it to a separate folder under ${MODULES}`,
        ),
    ),
  ]);
}

function list(modules: ReadonlyMap<string, string>): string {
  return [...modules.keys()].join(", ");
}
