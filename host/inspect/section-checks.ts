/** What a module carries beside its code and its manifest. Nothing of it is run; it may say what the module was made of. */
import { escapeName } from "../lib/text.ts";
import { MANIFEST_SECTION } from "../module/manifest.ts";
import { type Check, type Findings, many } from "./check.ts";

/** Whose meaning is written down: the specification's, and the tool conventions'. */
const KNOWN = [MANIFEST_SECTION, "name", "producers", "target_features"];
const MAX_SHOWN = 8;

export function built({ producers }: Findings): Check {
  const said = producers
    .slice(0, MAX_SHOWN)
    .map((each) => `${escapeName(each.name)} ${escapeName(each.version)}`.trim());
  return {
    check: "producers",
    expectation: "it says what it was built with; nothing vouches for that",
    good: said.join(", "),
    found: producers.length > 0 ? [] : [{ severity: "note", actual: "no section producers" }],
  };
}

export function names({ frames }: Findings): Check {
  const section = frames.find(({ id, name }) => id === 0 && name === "name");
  const actual = `names of functions, ${section?.size} bytes: its author's words, which are not looked at`;
  return {
    check: "names",
    expectation: "no section with names of functions",
    good: "none",
    found: section === undefined ? [] : [{ severity: "note", actual }],
  };
}

export function others({ frames }: Findings): Check {
  const unknown = frames.filter((frame) => frame.id === 0 && !KNOWN.includes(frame.name));
  const shown = unknown.slice(0, MAX_SHOWN).map((frame) => `${escapeName(frame.name)} (${frame.size} bytes)`);
  const rest = unknown.length > MAX_SHOWN ? ` and ${unknown.length - MAX_SHOWN} more` : "";
  const actual = `${many(unknown.length, "other custom section")}: ${shown.join(", ")}${rest}`;
  return {
    check: "sections",
    expectation: "no custom section but the manifest, name, producers and target_features",
    good: "none",
    found: unknown.length === 0 ? [] : [{ severity: "note", actual }],
  };
}
