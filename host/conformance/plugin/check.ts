/** A check of a plugin: a name, its group, the source of its rule, and a run. */
import type { Trial, Verdict } from "../verdict.ts";
import type { Plugin } from "./plugin.ts";

/** The sources of the rules. */
export const CLAUSES = {
  /** The comments of the protocol. */
  api: "k8s.io/kms, apis/v2/api.proto",
  /** What an API server refuses, or does. */
  server: "k8s.io/apiserver, encrypt/envelope/kmsv2 and server/options/encryptionconfig",
  /** KEP-3299 and the documentation of Kubernetes. */
  kep: "KEP-3299",
  /** What is stored protects the seed from a reader and from a writer of etcd. */
  secrecy: "encryption at rest: a reader and a writer of etcd",
} as const;

export type Group = "status" | "encrypt" | "decrypt" | "load" | "api-server";

export interface PluginCheck extends Trial<Plugin> {
  /** Words joined by _, for a comparison of two runs. */
  readonly name: string;
  readonly group: Group;
  readonly clause: string;
}

export interface PluginResult extends Verdict {
  readonly name: string;
  readonly group: Group;
  readonly clause: string;
}
