/** Every target, in the order in which they run. */

import { audit } from "./audit.ts";
import { child } from "./child.ts";
import { codec } from "./codec.ts";
import { config } from "./config.ts";
import { etcd } from "./etcd.ts";
import { forgery } from "./forgery.ts";
import { gate } from "./gate.ts";
import { login } from "./login.ts";
import { manifest } from "./manifest.ts";
import { minisign } from "./minisign.ts";
import { module } from "./module.ts";
import { rpc } from "./rpc.ts";
import type { Target } from "./target.ts";
import { tpmFilter } from "./tpm-filter.ts";
import { wire } from "./wire.ts";

export const TARGETS: readonly Target[] = [
  wire,
  child,
  manifest,
  module,
  config,
  rpc,
  codec,
  minisign,
  tpmFilter,
  gate,
  login,
  audit,
  forgery,
  etcd,
];
