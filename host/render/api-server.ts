/** The settings of the API server: its arguments, and the folders that its pod mounts. */
import { dirname } from "node:path";
import { SOCKET_VOLUME } from "./container.ts";
import type { RenderInput } from "./rendered.ts";

/** @param file the EncryptionConfiguration on the node @returns names without dashes, and values */
export function apiServerArguments(file: string): readonly (readonly [name: string, value: string])[] {
  return [
    ["encryption-provider-config", file],
    // the API server reads the file again once a minute: the next stage needs no restart
    ["encryption-provider-config-automatic-reload", "true"],
  ];
}

export interface ApiServerMount {
  readonly name: string;
  readonly folder: string;
}

/** Mounts folders and not files: the pod would keep the old file or socket after a replacement. */
export function apiServerMounts({ config }: RenderInput, file: string): ApiServerMount[] {
  return [
    { name: "kleidi-enc", folder: dirname(file) },
    { name: SOCKET_VOLUME, folder: dirname(config.listen.socket) },
  ];
}
