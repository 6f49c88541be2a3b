/** Checks of the custom sections besides the manifest. They are not executed, but show how the module was built. */
import { escapeName } from "../lib/text.ts";
import { MANIFEST_SECTION } from "../module/manifest.ts";
import { type Check, type CheckInput, plural } from "./check.ts";

/** The documented custom sections: of kleidi, the specification, and the tool conventions. */
const KNOWN = [MANIFEST_SECTION, "name", "producers", "target_features"];
const MAX_SHOWN = 8;

export function producers({ producers }: CheckInput): Check {
  const tools = producers
    .slice(0, MAX_SHOWN)
    .map((each) => `${escapeName(each.name)} ${escapeName(each.version)}`.trim());
  return {
    check: "producers",
    expectation: "a producers section that names the build tools (not verified)",
    good: tools.join(", "),
    found: producers.length > 0 ? [] : [{ severity: "note", actual: "no producers section" }],
  };
}

export function names({ headers }: CheckInput): Check {
  const section = headers.find(({ id, name }) => id === 0 && name === "name");
  const actual = `function names, ${section?.size} bytes: chosen by the author, not checked`;
  return {
    check: "names",
    expectation: "no section with function names",
    good: "none",
    found: section === undefined ? [] : [{ severity: "note", actual }],
  };
}

export function customSections({ headers }: CheckInput): Check {
  const unknown = headers.filter((header) => header.id === 0 && !KNOWN.includes(header.name));
  const shown = unknown
    .slice(0, MAX_SHOWN)
    .map((header) => `${escapeName(header.name)} (${header.size} bytes)`);
  const rest = unknown.length > MAX_SHOWN ? ` and ${unknown.length - MAX_SHOWN} more` : "";
  const actual = `${plural(unknown.length, "other custom section")}: ${shown.join(", ")}${rest}`;
  return {
    check: "sections",
    expectation: "no custom sections except the manifest, name, producers and target_features",
    good: "none",
    found: unknown.length === 0 ? [] : [{ severity: "note", actual }],
  };
}
