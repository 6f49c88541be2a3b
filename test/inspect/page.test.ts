/** The page of kleidi inspect in a real browser: readable in a narrow window, and by a screen reader. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { accessFaults, accessNodes, assertContrast } from "../support/browser-checks.ts";
import { Chromium, type Tab } from "../support/chromium.ts";
import { kleidi, localModule } from "../support/fixture.ts";
import { call, guest, hostCall, row } from "../support/inspected.ts";

const LONG = "w".repeat(180);

/** The cells that do not show the name of their column, and the elements that leave the window. */
const NARROW_FAULTS = `(() => {
  const shown = [...document.body.querySelectorAll("*")].filter((each) => each.checkVisibility() && !each.closest("thead"));
  const outside = shown.filter((each) => each.getBoundingClientRect().right > innerWidth);
  const unlabelled = [...document.querySelectorAll("td")].filter((cell) => {
    const heading = cell.closest("table").tHead.rows[0].cells[cell.cellIndex].textContent;
    return getComputedStyle(cell, "::before").content !== JSON.stringify(heading);
  });
  return [...outside, ...unlabelled].map((each) => each.outerHTML.slice(0, 120));
})()`;

describe("the page of kleidi inspect in Chromium", () => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-inspect-page-"));
  let browser: Chromium;
  let tab: Tab;
  before(async () => {
    browser = new Chromium();
    tab = await browser.open();
  });
  after(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  function put(name: string, bytes: Uint8Array | string): string {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  }

  /** Opens the page of a module. */
  async function open(module: string): Promise<void> {
    const page = join(folder, "page.html");
    rmSync(page, { force: true });
    spawnSync(kleidi, ["inspect", module, "--html", page]);
    tab.events.requests.length = 0;
    await tab.go(pathToFileURL(page).href);
    assert.deepEqual(tab.events.requests, [pathToFileURL(page).href]);
  }

  const modules = {
    "of a provider": () => localModule,
    "of a module with long names": () =>
      put(
        "long.wasm",
        guest({
          imports: `${hostCall("keystore", LONG)} (import "${LONG}" "${LONG}" (func (param f64)))`,
          fields: `(func (export "${LONG}"))`,
          bodies: { encrypt: call("keystore", LONG) },
          rows: [{ ...row("keystore", "seal", "encrypt"), why: LONG }],
        }),
      ),
    "of a file that is not a module": () => put("script.wasm", `#!/bin/sh ${LONG}`),
  };
  for (const [which, module] of Object.entries(modules)) {
    test(`the page ${which} fits into 375 px, and its cells show the names of their columns`, async () => {
      await tab.resize(375);
      await open(module());
      const [content, window] = await tab.value<[number, number]>(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
      );
      assert.ok(content <= window, `it is ${content} px wide`);
      assert.deepEqual(await tab.value(NARROW_FAULTS), []);
      for (const scheme of ["light", "dark"] as const) await assertContrast(tab, scheme);
    });

    test(`the page ${which} has named landmarks, tables with headers, and links to its sections`, async () => {
      for (const width of [375, 1200]) {
        await tab.resize(width);
        await open(module());
        assert.deepEqual(await accessFaults(tab), []);
        const nodes = await accessNodes(tab);
        const landmarks = ["banner", "navigation", "main", "contentinfo"];
        assert.deepEqual(
          nodes.filter(({ role }) => landmarks.includes(role)),
          [
            { role: "banner", name: "Verdict" },
            { role: "navigation", name: "Sections" },
            { role: "main", name: "Report" },
            { role: "contentinfo", name: "Origin of this page" },
          ],
        );
        const names = (role: string) => nodes.filter((each) => each.role === role).map(({ name }) => name);
        const headings = names("heading").slice(1);
        assert.deepEqual(names("link"), headings);
        assert.ok(names("table").length > 0);
        for (const name of names("table")) assert.ok(headings.includes(name), name);
        assert.equal(names("rowheader").includes("manifest"), true);
        const targets =
          "[...document.links].every(({ hash }) => document.querySelector(hash)?.tagName === 'H2')";
        assert.equal(await tab.value(targets), true);
      }
    });
  }

  test("the drawing is shown only where it is readable, and not without a host call", async () => {
    const isShown = () => tab.value<boolean>("document.querySelector('svg')?.checkVisibility() ?? false");
    await open(localModule);
    await tab.resize(1200);
    assert.equal(await isShown(), true);
    await tab.resize(375);
    assert.equal(await isShown(), false);
    await tab.resize(1200);
    await open(modules["of a file that is not a module"]());
    assert.equal(await isShown(), false);
  });
});
