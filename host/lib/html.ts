/** Escaping HTML templates: every value is escaped as text, unless it is HTML that a template created. */
import { createHash } from "node:crypto";

/** HTML that a template or `pageStyle` created. */
export class Html {
  readonly text: string;

  /** @param text trusted HTML: pass only constants of the program */
  constructor(text: string) {
    this.text = text;
  }
}

/** A value of a template. The items of a list are concatenated; `false` and `undefined` produce nothing. */
export type HtmlValue = string | number | Html | readonly Html[] | false | undefined;

/** A template tag. Put values only between tags or in double-quoted attributes: elsewhere, escaping does not protect. */
export type HtmlTemplate = (parts: TemplateStringsArray, ...values: readonly HtmlValue[]) => Html;

/**
 * Creates the template tag of a page.
 * @param clean replaces or escapes the characters of a text that affect the text around them (lib/text.ts)
 * @example
 *     const html = htmlTemplate(escapeProse);
 *     html`<p title="${title}">${text}</p>`.text;
 */
export function htmlTemplate(clean: (text: string) => string): HtmlTemplate {
  const toHtml = (value: HtmlValue): string => {
    if (value === undefined || value === false) return "";
    if (value instanceof Html) return value.text;
    if (typeof value === "object") return value.map(({ text }) => text).join("");
    return clean(String(value)).replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? "");
  };
  return (parts, ...values) =>
    new Html(parts.reduce((text, part, i) => `${text}${toHtml(values[i - 1])}${part}`));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** The style element of a page and the matching Content-Security-Policy. */
export interface PageStyle {
  readonly element: Html;
  /** The value of Content-Security-Policy. It allows text and this style; no script, image, font, frame or form. */
  readonly policy: string;
}

/**
 * Creates the style element of a page that loads no resources.
 * @param css a constant of the program; not escaped
 */
export function pageStyle(css: string): PageStyle {
  const digest = createHash("sha256").update(css).digest("base64");
  return {
    element: new Html(`<style>${css}</style>`),
    policy: `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`,
  };
}
