/** HTML that nothing in it can break out of: a value of a template is text, unless a template made it. */
import { createHash } from "node:crypto";

/** HTML that a template or `pageStyle` made. */
export class Html {
  readonly text: string;

  /** @param text is trusted: call this for constants of the program only */
  constructor(text: string) {
    this.text = text;
  }
}

/** A list is written one after the other; `false` and `undefined` as nothing. */
export type HtmlValue = string | number | Html | readonly Html[] | false | undefined;

/** A template tag. Values stand between tags, or in attributes with double quotes; nowhere else is text inert. */
export type HtmlTemplate = (parts: TemplateStringsArray, ...values: readonly HtmlValue[]) => Html;

/**
 * Makes the template tag of a page.
 * @param clean removes from each text the characters that act on the text around them (lib/text.ts)
 * @example
 *     const html = htmlTemplate(escapeProse);
 *     html`<p title="${title}">${text}</p>`.text;
 */
export function htmlTemplate(clean: (text: string) => string): HtmlTemplate {
  const written = (value: HtmlValue): string => {
    if (value === undefined || value === false) return "";
    if (value instanceof Html) return value.text;
    if (typeof value === "object") return value.map(({ text }) => text).join("");
    return clean(String(value)).replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? "");
  };
  return (parts, ...values) =>
    new Html(parts.reduce((text, part, i) => `${text}${written(values[i - 1])}${part}`));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** The only style of a page, and the policy under which a browser uses it. */
export interface PageStyle {
  readonly element: Html;
  /** For Content-Security-Policy: no script, picture, font, frame or form; this style and the text. */
  readonly policy: string;
}

/**
 * Makes the style element of a page that loads nothing.
 * @param css a constant of the program
 */
export function pageStyle(css: string): PageStyle {
  const digest = createHash("sha256").update(css).digest("base64");
  return {
    element: new Html(`<style>${css}</style>`),
    policy: `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`,
  };
}
