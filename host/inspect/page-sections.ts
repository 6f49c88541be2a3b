/** The sections of the page that follow the facts about the file. A section without content is left out. */
import type { Html } from "../lib/html.ts";
import { tableTemplate } from "../lib/html-table.ts";
import { escapeName, escapeOwnText } from "../lib/text.ts";
import type { Severity } from "./check.ts";
import { graphOf, MAX_OPERATIONS } from "./graph.ts";
import { html } from "./markup.ts";
import type { Report } from "./report.ts";
import { pathText, usageOf } from "./text.ts";

export interface PageSection {
  /** The target of its link. */
  readonly id: string;
  readonly title: string;
  readonly body: Html;
}

const toTable = tableTemplate(html);

export function verdictSection({ verdicts }: Report): PageSection {
  const rows = verdicts.map((row) => [
    row.check,
    mark(row.severity, row.severity),
    escapeOwnText(row.expectation),
    html`<bdi>${escapeOwnText(row.actual)}</bdi>`,
  ]);
  const columns = ["check", "severity", "expected", "found"];
  const body = toTable({ name: { heading: "verdict" }, columns, rows });
  return { id: "verdict", title: "Verdict", body };
}

const HOST_CALLS = { id: "host-calls", title: "Host calls of each RPC" };

/** The host calls of the RPCs and, if the code was read, its size. */
export function authoritySections({ authority, rpcs, module }: Report): PageSection[] {
  const sizes = tableSection(
    "code",
    "Code of each RPC",
    ["RPC", "export", "functions it can run", "that call through the table"],
    rpcs.map((each) => [each.rpc, each.export, number(each.functions), number(each.indirect)]),
  );
  if (authority.length === 0) {
    const why =
      module.stopped === null ? "No RPC requests or reaches a host call." : "Unknown: the code was not read.";
    return [{ ...HOST_CALLS, body: html`<p>${why}</p>` }, ...sizes];
  }
  const body = html`${drawing({ authority, rpcs })}\n${operations({ authority, rpcs })}`;
  return [{ ...HOST_CALLS, body }, ...sizes];
}

/** The drawing needs a wide window; the table after it has the same content. */
function drawing(report: Pick<Report, "authority" | "rpcs">): Html {
  const operations = new Set(
    report.authority.map(({ capability, operation }) => `${capability} ${operation}`),
  );
  const more = operations.size - MAX_OPERATIONS;
  return html`<figure aria-label="Drawing">
${graphOf(report)}
<p><span class="key both"></span>in the RPC's colour: requested by the manifest and reached by the code
<span class="key used"></span>reached but not requested
<span class="key requested"></span>requested but not reached
<span class="key both table"></span>reached only by a call through the table</p>
<p class="soft">The graph shows the host calls. The memory functions of extism:host/env are listed under Imports; they carry no authority.</p>
${more > 0 && html`<p>${more} more operations are in the table only.</p>`}
</figure>`;
}

function operations({ authority, rpcs }: Pick<Report, "authority" | "rpcs">): Html {
  const rows = authority.map((row) => {
    const [severity, words] = usageOf(row);
    const path = rpcs
      .find(({ rpc }) => rpc === row.rpc)
      ?.reaches.find((each) => each.capability === row.capability && each.operation === row.operation);
    return [
      mono(`${escapeName(row.capability)}.${escapeName(row.operation)}`),
      row.rpc,
      mark(severity, words),
      html`<bdi>${row.why.join("; ")}</bdi>`,
      mono(path === undefined ? "" : pathText(path)),
    ];
  });
  const columns = ["operation", "RPC", "manifest and code", "author's reason", "a shortest call path"];
  return toTable({ name: { heading: HOST_CALLS.id }, columns, rows });
}

/** The parts of the module. */
export function outlineSections({ module }: Report): PageSection[] {
  return [
    ...tableSection(
      "imports",
      "Imports",
      ["name", "from", "type", "reached in"],
      module.imports.map((each) => [
        mono(escapeName(each.name)),
        mono(escapeName(each.module)),
        mono(each.type),
        each.reachedBy.join(", "),
      ]),
    ),
    ...tableSection(
      "exports",
      "Exports",
      ["name", "kind", "type"],
      module.exports.map((each) => [mono(escapeName(each.name)), each.kind, mono(each.type ?? "")]),
    ),
    ...tableSection(
      "sections",
      "Sections",
      ["section", "at byte", "bytes"],
      module.sections.map((each) => [
        mono(each.id === 0 ? `custom ${escapeName(each.name)}` : each.name),
        number(each.offset),
        number(each.size),
      ]),
    ),
    ...tableSection(
      "producers",
      "Producers (not verified)",
      ["name", "field", "version"],
      module.producers.map((each) => [
        escapeName(each.name),
        escapeName(each.field),
        escapeName(each.version),
      ]),
    ),
  ];
}

function tableSection(
  id: string,
  title: string,
  columns: readonly string[],
  rows: readonly (readonly (string | Html)[])[],
): PageSection[] {
  return rows.length === 0 ? [] : [{ id, title, body: toTable({ name: { heading: id }, columns, rows }) }];
}

function mark(severity: Severity, text: string): Html {
  return html`<span class="mark ${severity}">${text}</span>`;
}

function mono(text: string): Html {
  return html`<span class="mono">${text}</span>`;
}

function number(value: number): Html {
  return html`<span class="number">${value}</span>`;
}
