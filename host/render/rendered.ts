/** The input and the result of a render: a configuration; complete files with their commands. All functions here are pure. */
import type { Config } from "../config/config.ts";
import type { Footprint } from "./footprint.ts";

export interface RenderInput {
  /** The parsed configuration, with the path of the file on the node. */
  readonly config: Config;
  /** The content of the configuration file. */
  readonly text: string;
  /** The SHA-256 of the configuration file, 64 hexadecimal digits. */
  readonly digest: string;
  /** Everything that a host with this configuration uses on its machine. */
  readonly footprint: Footprint;
}

export interface RenderedFile {
  /** The absolute path on the node. */
  readonly path: string;
  readonly mode: number;
  /** "root:root": user and group. */
  readonly owner: string;
  readonly text: string;
}

export interface Rendered {
  readonly files: readonly RenderedFile[];
  /** Shell commands for the node, in order. */
  readonly commands: readonly string[];
  /** Notes for the operator: facts to know and steps to do by hand, one sentence or two each. */
  readonly notes: readonly string[];
}

/** A file that root owns. @param mode 0o644, unless the file contains secrets */
export function rootFile(path: string, text: string, mode = 0o644): RenderedFile {
  return { path, mode, owner: "root:root", text };
}

/** Joins results: files, commands and notes in the order of the parts. */
export function joined(...parts: readonly Rendered[]): Rendered {
  return {
    files: parts.flatMap(({ files }) => files),
    commands: parts.flatMap(({ commands }) => commands),
    notes: parts.flatMap(({ notes }) => notes),
  };
}
