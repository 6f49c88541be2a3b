/** Checks of a page in a browser: contrast, and the requirements of a screen reader. */
import assert from "node:assert/strict";
import type { Tab } from "./chromium.ts";

/** The contrast of every element with its own text against its background (WCAG 2.2, 1.4.3). */
const CONTRASTS = `(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  return [...document.body.querySelectorAll("*")]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ""))
    .map((element) => {
      const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
      return [element.outerHTML.slice(0, 80), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
})()`;

/** The requirements of a screen reader; empty if all are met. */
const ACCESS = `(() => {
  const faults = [];
  const all = (what) => [...document.querySelectorAll(what)];
  if (!document.documentElement.lang) faults.push("no language");
  if (!document.title) faults.push("no title");
  if (all("main").length !== 1) faults.push("no main");
  if (all("h1").length !== 1) faults.push("no h1");
  let level = 1;
  for (const heading of all("h1, h2, h3, h4")) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) faults.push("skipped to " + heading.outerHTML);
    level = own;
  }
  for (const table of all("table")) {
    const heading = document.getElementById(table.getAttribute("aria-labelledby"));
    if (!(table.caption ?? heading)?.textContent.trim()) faults.push("a table without a name");
    if (table.querySelectorAll("thead th[scope=col]").length === 0) faults.push("a table without headers");
    for (const row of table.tBodies[0].rows)
      if (row.querySelectorAll("th[scope=row]").length !== 1) faults.push("a row without a header");
  }
  for (const time of all("time")) if (Number.isNaN(Date.parse(time.dateTime))) faults.push("an invalid time");
  for (const section of all("section")) if (!section.getAttribute("aria-label")) faults.push("a section without a name");
  return faults;
})()`;

/** Asserts that the text of the page is readable in a colour scheme. */
export async function assertContrast(tab: Tab, scheme: "light" | "dark"): Promise<void> {
  await tab.scheme(scheme);
  for (const [element, ratio] of await tab.value<[string, number][]>(CONTRASTS))
    assert.ok(ratio >= 4.5, `${ratio} in ${scheme}: ${element}`);
}

/** @returns the unmet requirements of a screen reader */
export async function accessFaults(tab: Tab): Promise<string[]> {
  return await tab.value<string[]>(ACCESS);
}

/** A node of the accessibility tree: what a screen reader is given. */
export interface AccessNode {
  readonly role: string;
  readonly name: string;
}

/** @returns the nodes of the page's accessibility tree, in their order */
export async function accessNodes(tab: Tab): Promise<AccessNode[]> {
  await tab.send("Accessibility.enable");
  const { nodes } = await tab.send("Accessibility.getFullAXTree");
  type Raw = { ignored: boolean; role?: { value: string }; name?: { value: string } };
  return (nodes as Raw[])
    .filter(({ ignored }) => !ignored)
    .map(({ role, name }) => ({ role: role?.value ?? "", name: name?.value ?? "" }));
}
