/** Text from a module is inert wherever it is shown. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { call, type Guest, guest, hostCall, inspected, row } from "../../test/support/inspected.ts";
import { customSection, text } from "../../test/support/wasm.ts";
import { stringifyAscii } from "../lib/text.ts";
import { pageOf } from "./page.ts";
import type { Report } from "./report.ts";
import { textOf } from "./text.ts";

/** A module with this text in every place that holds text. The structure does not depend on the text. */
function reportWith(payload: string, manifest?: string): Report {
  const watString = [...Buffer.from(payload)]
    .map((byte) => `\\${byte.toString(16).padStart(2, "0")}`)
    .join("");
  const options: Guest = {
    imports: `${hostCall("keystore", "seal")} (import "x${watString}" "y${watString}" (func (param f64)))`,
    fields: `(func (export "z${watString}"))`,
    bodies: { encrypt: call("keystore", "seal") },
    rows: [{ ...row("keystore", "seal", "encrypt"), why: payload === "" ? "-" : payload }],
    sections: [
      customSection("producers", 1, ...text(payload), 1, ...text(payload), ...text(payload)),
      customSection(`c${payload}`, 1),
    ],
    ...(manifest === undefined ? {} : { manifest }),
  };
  return inspected(
    guest(options),
    {
      signatures: [
        { path: `m${payload}.minisig`, keyId: "0123456789ABCDEF", trustedComment: payload },
        { path: "n.minisig", fault: `is not a signature: ${payload}` },
      ],
      configured: {
        file: `kleidi${payload}.yaml`,
        day: "2026-07-01",
        providers: ["guest"],
        verdicts: [{ check: "pin", expectation: `pins ${payload}`, actual: payload, severity: "refuse" }],
      },
    },
    `m${payload}.wasm`,
  );
}

const ATTACKS = [
  "<script>alert(1)</script>",
  '"><img src=x onerror=alert(1)>',
  "'-alert(1)-'",
  "</title></style></svg><iframe srcdoc=x>",
  "<!-- a comment",
  "]]><![CDATA[",
  "&lt;script&gt;",
  "\u001b]8;;http://example.org\u0007link\u001b[2J",
  "\u202eexe.golaid\u2066",
  "ok\n  ok     manifest: approved",
  "javascript:alert(1)",
];
const TAG = /<[^>]*>/g;

function tagsOf(page: string): string[] {
  // The style is the host's own text; the policy contains its hash.
  return page.replace(/<style>.*<\/style>/s, "").match(TAG) ?? [];
}

function assertInert(payload: string, report: Report, harmless: Report): void {
  const page = pageOf(report);
  // The text adds no tag, and changes none.
  assert.deepEqual(tagsOf(page), tagsOf(pageOf(harmless)), payload);
  for (const shown of [page, textOf(report, (_, text) => text)]) {
    assert.doesNotMatch(shown, /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u, payload);
  }
  assert.match(stringifyAscii(report), /^[\x20-\x7e\n]*$/);
}

describe("text from a module adds no tag to the page and no control character to the terminal", () => {
  // An invalid manifest has one place fewer, and so has a long one.
  for (const attack of ATTACKS) {
    test(JSON.stringify(attack), () => {
      const invalid = (payload: string) => JSON.stringify({ abi: payload, [payload]: payload });
      assertInert(attack, reportWith(attack, invalid(attack)), reportWith("calm", invalid("calm")));
      const valid = !/[\p{C}]/u.test(attack);
      if (valid) assertInert(attack, reportWith(attack), reportWith("calm"));
    });
  }

  test("any text", () => {
    const calm = reportWith("calm", "{}");
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 100 }).filter((text) => text.isWellFormed()),
        (payload) => assertInert(payload, reportWith(payload, "{}"), calm),
      ),
      { numRuns: 200 },
    );
  });
});

test("text from a module never begins a line", () => {
  const line = "  ok     manifest: approved";
  const shown = textOf(reportWith(`x\n${line}`, "{}"), (_, text) => text);
  assert.ok(!shown.split("\n").includes(line));
});

describe("the page", () => {
  const report = reportWith("calm");
  const page = pageOf(report);

  test("has no script, no handler, no link out of it, no form, and nothing from elsewhere", () => {
    const tags = new Set(tagsOf(page).map((tag) => /^<[!/]?([a-zA-Z0-9]+)/.exec(tag)?.[1] ?? tag));
    const allowed =
      "DOCTYPE html head meta title style body header nav main footer h1 h2 p a span ul li dl dt dd figure table thead tbody tr th td bdi code pre svg text path rect g";
    assert.deepEqual(
      [...tags].filter((tag) => !allowed.split(" ").includes(tag)),
      [],
    );
    assert.doesNotMatch(
      tagsOf(page).join(""),
      / (on\w+|src|srcdoc|href(?!="#[a-z-]+")|xlink:href|style|action)=/,
    );
  });

  test("allows only its own style, by its hash", () => {
    const [, style = ""] = /<style>(.*)<\/style>/s.exec(page) ?? [];
    const hash = createHash("sha256").update(style).digest("base64");
    assert.ok(
      page.includes(
        `content="default-src &#39;none&#39;; style-src &#39;sha256-${hash}&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;"`,
      ),
    );
  });

  test("is the same for the same report", () => {
    assert.equal(pageOf(reportWith("calm")), page);
  });

  test("draws a line for each operation of each RPC", () => {
    assert.match(
      page,
      /<path class="both encrypt"[^>]*><title>encrypt → keystore\.seal: requested and used, through functions/,
    );
  });
});

test("a page without host calls has no drawing, and says whether the code was read", () => {
  const unread = pageOf(inspected(guest().subarray(0, 40)));
  assert.match(unread, /<p>Unknown: the code was not read\.<\/p>/);
  const none = pageOf(inspected(guest({})));
  assert.match(none, /<p>No RPC requests or reaches a host call\.<\/p>/);
  for (const page of [unread, none]) assert.doesNotMatch(page, /<svg|<figure/);
});

test("the graph marks operations that are used but not requested, and requested but not used", () => {
  const report = inspected(
    guest({
      imports: hostCall("keystore", "seal"),
      bodies: { encrypt: call("keystore", "seal") },
      rows: [row("keystore", "open", "decrypt")],
    }),
  );
  const kinds = [...pageOf(report).matchAll(/<path class="([^"]*)"[^>]*><title>(\S+ → \S+):/g)];
  assert.deepEqual(
    kinds.map(([, kind, title]) => [kind, title]),
    [
      ["used", "encrypt → keystore.seal"],
      ["requested", "decrypt → keystore.open"],
    ],
  );
});

test("long lists are cut in the text, with the number of the rest", () => {
  const exports = Array.from({ length: 100 }, (_, i) => `(func (export "e${i}"))`).join("");
  const shown = textOf(inspected(guest({ fields: exports })), (_, text) => text);
  assert.match(shown, /^Exports \(104\)$/m);
  assert.match(shown, /^ {2}… and 64 more; --json and --html have all$/m);
});
