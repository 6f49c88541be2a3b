import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Html, htmlTemplate, pageStyle } from "./html.ts";
import { escapeProse, replaceControlsInLines } from "./text.ts";

const html = htmlTemplate(replaceControlsInLines);

test("a value in a template is escaped as text", () => {
  const hostile = `<script>alert("1")</script>&'`;
  assert.equal(
    html`<p title="${hostile}">${hostile}</p>`.text,
    '<p title="&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;">&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;</p>',
  );
});

test("HTML and lists of HTML are not escaped; undefined produces nothing", () => {
  const rows = ["a", "<b>"].map((text) => html`<li>${text}</li>`);
  assert.equal(html`<ul>${rows}</ul>${undefined}${0}`.text, "<ul><li>a</li><li>&lt;b&gt;</li></ul>0");
});

test("characters that reverse, hide or break text are replaced", () => {
  assert.equal(
    html`${"a\u202eb\u0000c\u2028d\ud800\u200be\tf"}`.text,
    "a\ufffdb\ufffdc\ufffdd\ufffd\ufffde\tf",
  );
});

test("no value contains a character that ends a tag, an attribute or an entity", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const written = html`${text}`;
      assert.ok(written instanceof Html);
      assert.doesNotMatch(written.text, /[<>"']|&(?!(amp|lt|gt|quot|#39);)/);
    }),
  );
});

test("each page defines how it sanitizes its text", () => {
  const escaping = htmlTemplate(escapeProse);
  assert.equal(escaping`<p>${"a\u202e\n<"}</p>`.text, "<p>a\\u{202e}\\u{a}&lt;</p>");
});

test("pageStyle creates an element and the policy that allows its text", () => {
  const { element, policy } = pageStyle("p { margin: 0; }");
  assert.equal(html`<head>${element}</head>`.text, "<head><style>p { margin: 0; }</style></head>");
  assert.equal(
    policy,
    `default-src 'none'; style-src 'sha256-${hash("sha256", "p { margin: 0; }", "base64")}'; base-uri 'none'; form-action 'none'`,
  );
});
