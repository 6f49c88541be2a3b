/**
 * Formats a report as one HTML page, to be filed with an approval: no scripts, no external resources, and the same bytes for the same
 * report. Text from the module never becomes markup.
 */
import type { Html } from "../lib/html.ts";
import { html } from "./markup.ts";
import { authoritySections, outlineSections, type PageSection, verdictSection } from "./page-sections.ts";
import type { Report } from "./report.ts";
import { STYLE } from "./style.ts";

const VERDICTS = {
  ok: "No problems found.",
  note: "No problems found; see the notes.",
  warn: "Admission would accept this module. Review the warnings before you approve it.",
  refuse: "The host would refuse this module.",
} as const;

export function pageOf(report: Report): string {
  const { file, verdict, manifest } = report;
  const title = "fault" in manifest ? file.path : `${manifest.name} ${manifest.version}`;
  const facts: PageSection = { id: "module", title: "Module", body: factsOf(report) };
  const sections = [facts, verdictSection(report), ...authoritySections(report), ...outlineSections(report)];
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
<header aria-label="Verdict">
<h1><bdi>${title}</bdi></h1>
<p class="verdict ${verdict}"><span class="mark ${verdict}">${verdict}</span> ${VERDICTS[verdict]}</p>
</header>
<nav aria-label="Sections"><ul>${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
<main aria-label="Report">
${sections.map(({ id, title, body }) => html`<h2 id="${id}">${title}</h2>\n${body}\n`)}</main>
<footer aria-label="Origin of this page"><p>Report of kleidi inspect. The module was read, not run or compiled.</p></footer>
</body>
</html>
`.text;
}

function factsOf({ file, manifest, signatures, configured, module }: Report): Html {
  return html`<dl>
${fact("file", html`<bdi>${file.path}</bdi>`)}
${fact("sha256", html`<code>${file.sha256}</code>`)}
${fact("size", html`${file.size} bytes`)}
${fact(
  "manifest",
  "fault" in manifest
    ? html`${manifest.fault}<pre>${manifest.text}</pre>`
    : html`${manifest.name} ${manifest.version}, ABI ${manifest.abi}`,
)}
${signatures.length === 0 ? fact("signature", html`none beside the module`) : signatures.map(signature)}
${
  configured !== null &&
  fact(
    "configuration",
    html`<bdi>${configured.file}</bdi>, ${configured.providers.length === 0 ? "no provider" : `provider ${configured.providers.join(", ")}`}; signatures and expiry dates checked on ${configured.day} (UTC)`,
  )
}
${
  module.stopped !== null &&
  fact(
    "reading",
    html`stopped at byte ${module.stopped.at}: ${module.stopped.why}. The page shows the part before it.`,
  )
}
</dl>`;
}

function signature(each: Report["signatures"][number]): Html {
  if ("fault" in each) return fact("signature", html`<bdi>${each.path}</bdi> ${each.fault}`);
  return fact(
    "signature",
    html`<bdi>${each.path}</bdi>, key <code>${each.keyId}</code>, trusted comment <bdi>${each.trustedComment}</bdi>. Not verified: only the trust section of a configuration names trusted keys.`,
  );
}

function fact(title: string, value: Html): Html {
  return html`<dt>${title}</dt><dd>${value}</dd>`;
}
