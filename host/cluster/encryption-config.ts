/** Examines the text of an EncryptionConfiguration: checks that the API server writes Secrets through this host and can read the others. */
import { Document } from "../config/document.ts";
import type { Finding } from "../finding.ts";
import { isMapping, type Mapping } from "../schema/outline.ts";
import type { Path } from "../schema/text.ts";
import { EncryptionReport } from "./encryption-report.ts";
import { checkOwnProvider, isOwnEndpoint, type Plugin } from "./kms-provider.ts";
import { checkResources, covers } from "./resources.ts";

const KINDS = ["kms", "aesgcm", "aescbc", "secretbox", "identity"] as const;
type Kind = (typeof KINDS)[number];
const WITH_KEYS: readonly string[] = ["aesgcm", "aescbc", "secretbox"];

/** One item of `providers`; `kind` is undefined if it is malformed. */
interface Provider {
  readonly path: Path;
  readonly kind: Kind | undefined;
  readonly value: unknown;
  readonly own: boolean;
}

interface ResourceList {
  readonly path: Path;
  readonly resources: readonly string[];
  readonly providers: readonly Provider[];
}

export interface EncryptionExamination {
  readonly findings: readonly Finding[];
  /** The names of the kms providers that use this host: labels of the API server's metrics. */
  readonly names: readonly string[];
  /** The resources that are written through this host, wildcards included. */
  readonly resources: readonly string[];
}

/**
 * @param text of the file
 * @param file its path, for the findings
 * @param mode of the file: it may contain keys
 */
export function examineEncryptionConfig(
  text: string,
  file: string,
  mode: number,
  plugin: Plugin,
): EncryptionExamination {
  const document = new Document(text);
  const report = new EncryptionReport(document, file);
  if (document.value === undefined) return { findings: report.findings(), names: [], resources: [] };
  const lists = listsOf(document.value, plugin, report);
  if (lists === undefined) return { findings: report.findings(), names: [], resources: [] };
  for (const list of lists) checkList(list, plugin, report);
  checkNames(lists, report);
  checkSecrets(lists, plugin, report);
  checkMode(lists, mode, report);
  const own = lists.filter(({ providers }) => providers.some((each) => each.own));
  const names = own.flatMap(({ providers }) => providers.filter((each) => each.own).map(nameOf));
  return {
    findings: report.findings(),
    names: [...new Set(names)],
    resources: [...new Set(own.flatMap((list) => list.resources))],
  };
}

/** @returns undefined if the document is not an EncryptionConfiguration */
function listsOf(value: unknown, plugin: Plugin, report: EncryptionReport): ResourceList[] | undefined {
  const root: Mapping = isMapping(value) ? value : {};
  for (const [key, expected] of [
    ["apiVersion", "apiserver.config.k8s.io/v1"],
    ["kind", "EncryptionConfiguration"],
  ] as const)
    if (root[key] !== expected) {
      report.problem([key], { expected, remedy: "give the file that --encryption-provider-config names" });
      return undefined;
    }
  if (Array.isArray(root.resources) && root.resources.length > 0)
    return root.resources.map((list: unknown, i) =>
      listOf(isMapping(list) ? list : {}, ["resources", i], plugin),
    );
  report.problem(["resources"], {
    expected: "a list of resources with their providers",
    remedy: "write: resources: …",
  });
  return undefined;
}

function listOf({ resources, providers }: Mapping, path: Path, plugin: Plugin): ResourceList {
  const names = Array.isArray(resources) ? resources.filter((each) => typeof each === "string") : [];
  const items: readonly unknown[] = Array.isArray(providers) ? providers : [];
  return {
    path,
    resources: names,
    providers: items.map((item, i) => providerOf(item, [...path, "providers", i], plugin)),
  };
}

function providerOf(item: unknown, path: Path, plugin: Plugin): Provider {
  const keys = isMapping(item) ? Object.keys(item) : [];
  const kind = keys.length === 1 ? KINDS.find((each) => each === keys[0]) : undefined;
  const value = kind !== undefined && isMapping(item) ? item[kind] : undefined;
  return { path, kind, value, own: kind === "kms" && isOwnEndpoint(value, plugin) };
}

function checkList(list: ResourceList, plugin: Plugin, report: EncryptionReport): void {
  const { path, resources, providers } = list;
  checkResources(resources, [...path, "resources"], report);
  if (providers.length === 0)
    report.problem([...path, "providers"], {
      expected: "a list of providers",
      remedy: "write: providers: …",
    });
  for (const provider of providers) {
    if (provider.kind === undefined)
      report.problem(provider.path, {
        expected: `one of ${KINDS.join(", ")}`,
        actual: "another provider, none, or several in one item",
        remedy: "write one provider in each item",
      });
    if (provider.own && isMapping(provider.value))
      checkOwnProvider(provider.value, [...provider.path, "kms"], plugin, report);
  }
  checkOrder(list, report);
}

/** The first provider writes, and each reads what it wrote. Identity reads what was stored in the clear. */
function checkOrder({ providers }: ResourceList, report: EncryptionReport): void {
  const [first] = providers;
  const own = providers.find((each) => each.own);
  for (const { kind, path } of providers.slice(0, -1))
    if (kind === "identity" && providers.length > 1)
      report.problem(path, {
        expected: "identity as the last provider",
        actual:
          path === first?.path
            ? "identity as the first one: new objects are stored in the clear"
            : "a provider after it",
        remedy: "move it to the end of the list",
      });
  if (own === undefined) return;
  if (!first?.own && first?.kind !== "identity")
    report.problem(own.path, {
      expected: "this host as the first provider: the first one writes",
      actual: `${first?.kind ?? "another one"} before it`,
      remedy: "move it to the start of the list, after every API server can read with it",
    });
  const last = providers.at(-1);
  if (last?.kind === "identity")
    report.note(
      last.path,
      "objects that were stored in the clear are readable; remove it after all of them are rewritten",
    );
  for (const { kind, path, own } of providers.slice(1))
    if (kind !== "identity" && kind !== undefined && !own)
      report.note(path, `${kind} reads older objects; remove it after all of them are rewritten`);
}

/** The list that applies to Secrets is the first one that covers them. */
function checkSecrets(lists: readonly ResourceList[], { socket }: Plugin, report: EncryptionReport): void {
  const [list, ...later] = lists.filter(({ resources }) => resources.some((each) => covers(each, "secrets")));
  const remedy = `write: endpoint: unix://${socket} (in a pod: the path at which the pod has the folder)`;
  if (list === undefined)
    report.problem(
      ["resources"],
      {
        expected: "secrets among the resources",
        actual: "none: Secrets are stored in the clear",
        remedy: "write: resources: [secrets]",
      },
      "key",
    );
  else if (!list.providers.some((each) => each.own)) {
    const kms = list.providers.find(({ kind }) => kind === "kms");
    const path = kms === undefined ? [...list.path, "providers"] : [...kms.path, "kms", "endpoint"];
    report.problem(path, {
      expected: `a kms provider for secrets with the socket of this host, ${socket}`,
      remedy,
    });
  }
  for (const { path, resources } of later)
    if (resources.includes("secrets"))
      report.problem([...path, "resources"], {
        expected: "secrets in the first list that covers them",
        actual: "a list that has no effect on secrets",
        remedy: "remove secrets here, or move this list before the other one",
      });
}

/** The provider's name is the prefix of every stored object: objects of two providers with one name cannot be distinguished. */
function checkNames(lists: readonly ResourceList[], report: EncryptionReport): void {
  const seen = new Set<string>();
  for (const provider of lists.flatMap(({ providers }) => providers)) {
    if (provider.kind !== "kms") continue;
    const path = [...provider.path, "kms", "name"];
    const name = nameOf(provider);
    if (name === "" || name.includes(":"))
      report.problem(path, { expected: 'a name without ":"', remedy: "write: name: kleidi" });
    else if (seen.has(name))
      report.problem(path, {
        expected: "a name that no other kms provider has",
        remedy: "give this provider another name",
      });
    seen.add(name);
  }
}

function nameOf({ value }: Provider): string {
  return isMapping(value) && typeof value.name === "string" ? value.name : "";
}

function checkMode(lists: readonly ResourceList[], mode: number, report: EncryptionReport): void {
  const holder = lists
    .flatMap(({ providers }) => providers)
    .find(({ kind = "" }) => WITH_KEYS.includes(kind));
  if (holder === undefined || (mode & 0o007) === 0) return;
  const actual = `a file of mode ${(mode & 0o777).toString(8).padStart(4, "0")} with the keys of ${holder.kind}`;
  report.problem(holder.path, {
    expected: "a file that others cannot read, because it contains keys",
    actual,
    remedy: "chmod o= the file",
  });
}
