/** The API server's part: its arguments, and the folders that a pod of it mounts. */
import { dirname } from "node:path";
import { SOCKET_VOLUME } from "./container.ts";
import type { RenderInput } from "./rendered.ts";

/** @param file the EncryptionConfiguration on the node @returns names without dashes, and values */
export function apiServerArguments(file: string): readonly (readonly [name: string, value: string])[] {
  return [
    ["encryption-provider-config", file],
    // read again once a minute: no restart for the next stage
    ["encryption-provider-config-automatic-reload", "true"],
  ];
}

export interface ApiServerMount {
  readonly name: string;
  readonly folder: string;
}

/** Folders, not files: a file or a socket that is replaced would stay the old one in the pod. */
export function apiServerMounts({ config }: RenderInput, file: string): ApiServerMount[] {
  return [
    { name: "kleidi-enc", folder: dirname(file) },
    { name: SOCKET_VOLUME, folder: dirname(config.listen.socket) },
  ];
}
