import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Html, html } from "./html.ts";

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
