/** HTML that cannot be broken out of: whatever is put into a template is text, unless it is HTML made in the same way. */

export class Html {
  readonly text: string;

  /** Only for what html made. */
  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Html | readonly Html[] | false | undefined;

/** Values stand between tags, or in attributes with double quotes; nowhere else is text inert. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.reduce((text, part, i) => `${text}${written(values[i - 1])}${part}`));
}

function written(value: Value): string {
  if (value === undefined || value === false) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(({ text }) => text).join("");
  return asText(String(value));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Characters that no page may have become the sign for one; what turns or hides text, too. */
function asText(text: string): string {
  return text
    .replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? "")
    .replace(/(?![\n\t])[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd");
}
