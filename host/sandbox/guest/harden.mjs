/**
 * Takes from the process what Node's permission model leaves to it and a provider has no use for: signals to other processes of the
 * same user (one of them has Node open a debugger), their priorities, another identity. Loaded before anything else.
 */
import { createRequire } from "node:module";

const os = createRequire(import.meta.url)("node:os");
const { process } = globalThis;

/** @type {[object, string[]][]} */
const useless = [
  [process, ["kill", "_kill", "_debugProcess", "_debugEnd", "_startProfilerIdleNotifier", "abort", "umask"]],
  [process, ["setuid", "seteuid", "setgid", "setegid", "setgroups", "initgroups"]],
  [os, ["setPriority"]],
];
for (const [object, names] of useless) for (const name of names) Reflect.deleteProperty(object, name);
