/** The resources of an EncryptionConfiguration: "secrets", "deployments.apps", and the wildcards "*.apps", "*." (core) and "*.*". */
import type { Path } from "../schema/text.ts";
import type { EncryptionReport } from "./encryption-report.ts";

interface GroupResource {
  readonly resource: string;
  /** Empty: the core group. */
  readonly group: string;
}

function parse(text: string): GroupResource {
  const dot = text.indexOf(".");
  return dot < 0
    ? { resource: text, group: "" }
    : { resource: text.slice(0, dot), group: text.slice(dot + 1) };
}

/** @returns true if an entry applies to a resource of the core group */
export function covers(entry: string, resource: string): boolean {
  const { resource: name, group } = parse(entry);
  return entry === "*.*" || (group === "" && (name === resource || entry === "*."));
}

/** Checks the entries of one list by the rules of the API server. */
export function checkResources(entries: readonly string[], path: Path, report: EncryptionReport): void {
  if (entries.length === 0) {
    report.problem(path, { expected: "a list of resources", remedy: "write: resources: [secrets]" });
    return;
  }
  for (const [i, entry] of entries.entries()) {
    const before = entries.slice(0, i);
    if (entry === "*")
      report.problem([...path, i], {
        expected: '"*." for the core group, or "*.*" for everything',
        remedy: 'write: "*."',
      });
    else if (before.includes(entry))
      report.problem([...path, i], { expected: "each resource once", remedy: "remove one of the two" });
    else if (before.some((other) => overlaps(entry, other)))
      report.problem([...path, i], {
        expected: "no wildcard together with a resource that it covers: the API server refuses the file",
        remedy: "put one of the two into a list of its own, before the wildcard",
      });
  }
}

function overlaps(a: string, b: string): boolean {
  if (a === "*.*" || b === "*.*") return true;
  const [one, other] = [parse(a), parse(b)];
  return one.group === other.group && (one.resource === "*" || other.resource === "*");
}
