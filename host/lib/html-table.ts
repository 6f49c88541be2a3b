/** Tables of a page that stay readable in a narrow window: there, each row is a block, and each cell shows the name of its column. */
import type { Html, HtmlTemplate } from "./html.ts";

export interface HtmlTable {
  /** The name of the table: a caption, or the id of a heading. */
  readonly name: { readonly caption: string } | { readonly heading: string };
  readonly columns: readonly string[];
  /** At least one row, with a cell for each column. The first cell is the header of its row. */
  readonly rows: readonly (readonly (string | Html)[])[];
}

/**
 * Creates the tables of a page. The ARIA roles keep a table a table where `STACKED_TABLES` displays it as blocks.
 * @param html the template of the page, which escapes the texts
 */
export function tableTemplate(html: HtmlTemplate): (table: HtmlTable) => Html {
  const cell = (column: string | undefined, content: string | Html, i: number) =>
    i === 0
      ? html`<th scope="row" role="rowheader">${content}</th>`
      : html`<td role="cell" data-label="${column}"><span>${content}</span></td>`;
  const opening = (name: HtmlTable["name"]) =>
    "caption" in name
      ? html`<table role="table"><caption>${name.caption}</caption>`
      : html`<table role="table" aria-labelledby="${name.heading}">`;
  return ({ name, columns, rows }) =>
    html`${opening(name)}
<thead role="rowgroup"><tr role="row">${columns.map((title) => html`<th scope="col" role="columnheader">${title}</th>`)}</tr></thead>
<tbody role="rowgroup">${rows.map((row) => html`<tr role="row">${row.map((content, i) => cell(columns[i], content, i))}</tr>\n`)}</tbody></table>
`;
}

/** The style of these tables in a window of at most 44rem; paper is wide enough. It uses the page's colours `--line` and `--soft`. */
export const STACKED_TABLES = `@media screen and (max-width: 44rem) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, caption, tbody, tr, th, td { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: .4rem 0; }
  th, td { border: 0; padding: .1rem 0; }
  td[data-label] { display: grid; grid-template-columns: 7rem 1fr; gap: .5rem; }
  td[data-label]::before { content: attr(data-label); color: var(--soft); }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .35rem; }
}`;
