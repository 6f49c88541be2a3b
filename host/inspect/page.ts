/**
 * Formats a report as one HTML page, to be filed with an approval: no scripts, no external resources, and the same bytes for the same
 * report. Text from the module never becomes markup.
 */
import type { Html } from "../lib/html.ts";
import { escapeName, escapeOwnText } from "../lib/text.ts";
import { graphOf, MAX_OPERATIONS } from "./graph.ts";
import { html } from "./markup.ts";
import type { Report } from "./report.ts";
import { STYLE } from "./style.ts";
import { pathText, usageOf } from "./text.ts";

const VERDICTS = {
  ok: "No problems found.",
  note: "No problems found; see the notes.",
  warn: "Admission would accept this module. Review the warnings before you approve it.",
  refuse: "The host would refuse this module.",
} as const;

export function pageOf(report: Report): string {
  const { file, verdict, manifest } = report;
  const title = "fault" in manifest ? file.path : `${manifest.name} ${manifest.version}`;
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${STYLE.policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>kleidi inspect: ${title}</title>
${STYLE.element}
</head>
<body>
<h1><bdi>${title}</bdi></h1>
<p class="quiet">Report of kleidi inspect. The module was read, not run or compiled.</p>
<p class="verdict ${verdict}"><span class="mark ${verdict}">${verdict}</span> ${VERDICTS[verdict]}</p>
${facts(report)}
${graph(report)}
${table(
  "Verdict",
  ["severity", "check", "expected", "found"],
  report.verdicts.map(
    (row) =>
      html`<tr><td class="mark ${row.severity}">${row.severity}</td><td>${row.check}</td><td>${escapeOwnText(row.expectation)}</td><td><bdi>${escapeOwnText(row.actual)}</bdi></td></tr>
`,
  ),
)}
${authority(report)}
${outline(report)}
</body>
</html>
`.text;
}

function facts({ file, manifest, signatures, configured, module }: Report): Html {
  const rows: [string, Html][] = [
    ["file", html`<bdi>${file.path}</bdi>`],
    ["sha256", html`<code>${file.sha256}</code>`],
    ["size", html`${file.size} bytes`],
    [
      "manifest",
      "fault" in manifest
        ? html`${manifest.fault}<pre>${manifest.text}</pre>`
        : html`${manifest.name} ${manifest.version}, ABI ${manifest.abi}`,
    ],
    ...signatures.map((each): [string, Html] => [
      "signature",
      "fault" in each
        ? html`<bdi>${each.path}</bdi> ${each.fault}`
        : html`<bdi>${each.path}</bdi>, key <code>${each.keyId}</code>, trusted comment <bdi>${each.trustedComment}</bdi>. Not verified: only the trust section of a configuration names trusted keys.`,
    ]),
    ...(signatures.length === 0 ? [["signature", html`none beside the module`] as [string, Html]] : []),
    ...(configured === null
      ? []
      : [
          [
            "configuration",
            html`<bdi>${configured.file}</bdi>, ${configured.providers.length === 0 ? "no provider" : `provider ${configured.providers.join(", ")}`}; signatures and expiry dates checked on ${configured.day} (UTC)`,
          ] as [string, Html],
        ]),
    ...(module.stopped === null
      ? []
      : [
          [
            "reading",
            html`stopped at byte ${module.stopped.at}: ${module.stopped.why}. The page shows the part before it.`,
          ] as [string, Html],
        ]),
  ];
  return html`<table><tbody>
${rows.map(([title, value]) => html`<tr><th scope="row">${title}</th><td>${value}</td></tr>\n`)}</tbody></table>`;
}

function graph(report: Report): Html {
  const operations = new Set(
    report.authority.map(({ capability, operation }) => `${capability} ${operation}`),
  );
  const more =
    operations.size > MAX_OPERATIONS
      ? html`<p>${operations.size - MAX_OPERATIONS} more operations are in the table only.</p>`
      : html``;
  const none = operations.size === 0 ? html`<p>No RPC requests or reaches a host call.</p>` : html``;
  return html`<h2>Host calls of each RPC</h2>
${graphOf(report)}
<p><span class="key both"></span>in the RPC's colour: requested by the manifest and reached by the code
<span class="key used"></span>reached but not requested
<span class="key requested"></span>requested but not reached
<span class="key both table"></span>reached only by a call through the table</p>
<p class="quiet">The graph shows the host calls. The memory functions of extism:host/env are listed under Imports; they carry no authority.</p>
${more}${none}`;
}

function authority({ authority, rpcs }: Report): Html {
  const rows = authority.map((row) => {
    const [severity, words] = usageOf(row);
    const path = rpcs
      .find(({ rpc }) => rpc === row.rpc)
      ?.reaches.find((each) => each.capability === row.capability && each.operation === row.operation);
    return html`<tr><td>${row.rpc}</td><td class="mono operation">${escapeName(row.capability)}.${escapeName(row.operation)}</td><td class="mark ${severity}">${words}</td><td><bdi>${row.why.join("; ")}</bdi></td><td class="mono">${path === undefined ? "" : pathText(path)}</td></tr>
`;
  });
  const sizes = rpcs.map(
    (each) =>
      html`<tr><td>${each.rpc}</td><td>${each.export}</td><td class="number">${each.functions}</td><td class="number">${each.indirect}</td></tr>
`,
  );
  return html`${table("Requested and used", ["RPC", "operation", "manifest and code", "reason given by the author", "a shortest call path"], rows)}
${table("Code of each RPC", ["RPC", "export", "functions it can run", "that call through the table"], sizes)}`;
}

function outline({ module }: Report): Html {
  return html`${table(
    "Imports",
    ["from", "name", "type", "reached in"],
    module.imports.map(
      (each) =>
        html`<tr><td class="mono">${escapeName(each.module)}</td><td class="mono">${escapeName(each.name)}</td><td class="mono">${each.type}</td><td>${each.reachedBy.join(", ")}</td></tr>
`,
    ),
  )}
${table(
  "Exports",
  ["kind", "name", "type"],
  module.exports.map(
    (each) =>
      html`<tr><td>${each.kind}</td><td class="mono">${escapeName(each.name)}</td><td class="mono">${each.type ?? ""}</td></tr>
`,
  ),
)}
${table(
  "Sections",
  ["section", "at byte", "bytes"],
  module.sections.map(
    (each) =>
      html`<tr><td class="mono">${each.id === 0 ? `custom ${escapeName(each.name)}` : each.name}</td><td class="number">${each.offset}</td><td class="number">${each.size}</td></tr>
`,
  ),
)}
${table(
  "Producers (not verified)",
  ["field", "name", "version"],
  module.producers.map(
    (each) =>
      html`<tr><td>${escapeName(each.field)}</td><td>${escapeName(each.name)}</td><td>${escapeName(each.version)}</td></tr>
`,
  ),
)}`;
}

/** Returns an empty string if there are no rows. */
function table(title: string, columns: readonly string[], rows: readonly Html[]): Html {
  if (rows.length === 0) return html``;
  return html`<h2>${title}</h2>
<table><thead><tr>${columns.map((each) => html`<th scope="col">${each}</th>`)}</tr></thead><tbody>
${rows}</tbody></table>`;
}
