import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Html, htmlTemplate, pageStyle } from "./html.ts";
import { escapeProse, replaceControlsInLines } from "./text.ts";

const html = htmlTemplate(replaceControlsInLines);

test("what is put into a template is text", () => {
  const hostile = `<script>alert("1")</script>&'`;
  assert.equal(
    html`<p title="${hostile}">${hostile}</p>`.text,
    '<p title="&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;">&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;</p>',
  );
});

test("what was made as HTML, and lists of it, stay HTML; nothing is nothing", () => {
  const rows = ["a", "<b>"].map((text) => html`<li>${text}</li>`);
  assert.equal(html`<ul>${rows}</ul>${undefined}${0}`.text, "<ul><li>a</li><li>&lt;b&gt;</li></ul>0");
});

test("what turns, hides or breaks text is replaced", () => {
  assert.equal(
    html`${"a\u202eb\u0000c\u2028d\ud800\u200be\tf"}`.text,
    "a\ufffdb\ufffdc\ufffdd\ufffd\ufffde\tf",
  );
});

test("no text has a sign that ends a tag, an attribute or an entity", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const written = html`${text}`;
      assert.ok(written instanceof Html);
      assert.doesNotMatch(written.text, /[<>"']|&(?!(amp|lt|gt|quot|#39);)/);
    }),
  );
});

test("each page cleans its text in its own way", () => {
  const escaping = htmlTemplate(escapeProse);
  assert.equal(escaping`<p>${"a\u202e\n<"}</p>`.text, "<p>a\\u{202e}\\u{a}&lt;</p>");
});

test("pageStyle makes an element and the policy that allows this element's text", () => {
  const { element, policy } = pageStyle("p { margin: 0; }");
  assert.equal(html`<head>${element}</head>`.text, "<head><style>p { margin: 0; }</style></head>");
  assert.equal(
    policy,
    `default-src 'none'; style-src 'sha256-${hash("sha256", "p { margin: 0; }", "base64")}'; base-uri 'none'; form-action 'none'`,
  );
});
