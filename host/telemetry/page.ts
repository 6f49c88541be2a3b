/** The admin page: the report as HTML. One page, without scripts and without external resources. */
import { type Html, htmlTemplate } from "../lib/html.ts";
import { tableTemplate } from "../lib/html-table.ts";
import { replaceControlsInLines } from "../lib/text.ts";
import { STYLE } from "./page-style.ts";
import { BOUNDS, type Reached } from "./recorder.ts";
import type { HostReport, KeyReport, ModuleReport, ProviderReport } from "./report.ts";

const html = htmlTemplate(replaceControlsInLines);
const toTable = tableTemplate(html);

type Mood = "good" | "mild" | "bad";

/** Renders the report as a complete HTML document. Text of guests is escaped. */
export function page(report: HostReport): string {
  const { version, wall, startedAt, at, notReadyReason, lastReload, providers, keys, denials, changes } =
    report;
  const body = html`<header><h1>kleidí ${version}</h1>
<p class="soft">up for ${span(at - startedAt)}, since ${time(startedAt)} · as of ${time(at)}</p></header>
<main>
${
  notReadyReason === undefined
    ? html`<p class="banner good">Ready: Status answers with the active key.</p>`
    : html`<p class="banner bad">Not ready, the API server will stop writing: ${notReadyReason}</p>`
}
${
  lastReload?.outcome === "refused"
    ? html`<p class="banner bad">The reload at ${time(lastReload.at)} was refused, the host serves with the configuration that it had: ${lastReload.reason ?? ""}</p>`
    : ""
}
${
  wall === "none"
    ? html`<p class="banner bad">No wall: code that gets out of a provider's WebAssembly has every right of the host's user.</p>`
    : html`<p class="soft">The wall around providers' processes: ${wall}.</p>`
}
<h2 id="keys">Keys</h2>
${keyTable(keys, at)}
<h2 id="providers">Providers</h2>
${Object.entries(providers).map(([name, each]) => providerCard(name, each))}
<h2 id="denials">Last denials</h2>
${table(
  `Denied host calls, the latest first; at most ${BOUNDS.denials}, since the start.`,
  ["Time", "Provider", "RPC", "Request", "Reason"],
  denials.map((each) => [time(each.at), each.provider, each.rpc, mono(each.request), each.why]),
  "None.",
)}
<h2 id="history">Status history</h2>
${table(
  `State changes of keys and providers, the latest first; at most ${BOUNDS.changes}, since the start.`,
  ["Time", "Subject", "State", "Detail"],
  changes.map((each) => [
    time(each.at),
    each.subject,
    badge(each.good ? "good" : "failed", each.good ? "good" : "bad"),
    each.detail,
  ]),
  "Nothing yet.",
)}
</main>
<footer><p class="soft">The same as JSON: <a href="/state">/state</a>. For Prometheus: <a href="/metrics">/metrics</a>. Probes: <a href="/livez">/livez</a>, <a href="/readyz">/readyz</a>. This page is read-only; reload it for the current state.</p></footer>`;
  return `<!doctype html>\n${
    html`<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${notReadyReason === undefined ? "ready" : "NOT READY"} · kleidí</title>${STYLE.element}</head>
<body>
${body}
</body></html>
`.text
  }`;
}

function keyTable(keys: readonly KeyReport[], at: number): Html {
  return table(
    "The active key encrypts; the others only decrypt. The log and kleidi healthcheck show the same hash.",
    ["Key", "Use", "Provider", "State", "key_id sha256", "Version", "Last probe"],
    keys.map(({ name, use, provider, key_id_sha256, version, failure, code, probe }) => [
      name,
      use === "active" ? html`<strong>active</strong>` : "decrypt only",
      provider,
      failure === undefined
        ? key_id_sha256 === undefined
          ? badge("not probed yet", "mild")
          : badge("ready", "good")
        : html`${badge("failed", "bad")} <code>${code}</code> ${failure}`,
      key_id_sha256 === undefined ? "—" : html`<span class="mono whole">${key_id_sha256}</span>`,
      version === undefined ? "—" : mono(short(version, 40)),
      probe === undefined ? "—" : html`${probe.result}, ${span(at - probe.at)} ago${lastGood(probe)}`,
    ]),
    "None.",
  );
}

function lastGood({ result, goodAgeMs }: { result: string; goodAgeMs?: number }): Html | undefined {
  if (result === "good") return undefined;
  return goodAgeMs === undefined ? html`; never good` : html`; good ${span(goodAgeMs)} ago`;
}

const MOODS: Readonly<Record<ProviderReport["state"], Mood>> = {
  ready: "good",
  starting: "mild",
  stopped: "mild",
  quarantined: "bad",
};

function providerCard(name: string, provider: ProviderReport): Html {
  const { state, quarantine, refusal, processes, wanted, ends, inFlight, waiting, module, reach, reached } =
    provider;
  return html`<section class="card" aria-label="provider ${name}"><h3>${name} ${badge(state, MOODS[state])}</h3>
${
  quarantine &&
  html`<p class="banner bad">In quarantine ${
    quarantine.until === undefined ? "until the host is restarted" : html`until ${time(quarantine.until)}`
  }: ${quarantine.reason}</p>`
}
${refusal && html`<p class="banner bad">Its module is not run: ${refusal}</p>`}
<dl>${module && moduleFacts(module)}
<dt>Processes</dt><dd>${processes} of ${wanted} loaded, ${ends} unexpected exits</dd>
<dt>Calls</dt><dd>${inFlight} in flight, ${waiting} waiting</dd></dl>
<h4>May reach</h4>
<ul>${reach.map(
    ({ ok, detail, why }) =>
      html`<li>${ok ? "" : badge("not granted", "mild")} ${detail}${why === undefined ? "" : html`<br><span class="soft">stated reason: “${why}”</span>`}</li>`,
  )}</ul>
<h4>Has reached</h4>
${reachedTable(reached)}</section>
`;
}

function moduleFacts({ name, version, sha256, trust }: ModuleReport): Html {
  return html`<dt>Module</dt><dd>${name} ${version}</dd>
<dt>SHA-256</dt><dd class="mono">${sha256}</dd>
<dt>Signatures</dt><dd>${trust}</dd>
`;
}

function reachedTable(reached: readonly Reached[]): Html {
  return table(
    "Host calls since the start, with their last distinct targets. Calls of kleidi:crypto reach nothing outside the process and are not counted.",
    ["Operation", "Allowed", "Denied", "Refused", "Last targets"],
    reached.map(({ capability, operation, allowed, denied, refused, targets }) => [
      mono(`${capability} ${operation}`),
      count(allowed),
      denied > 0 ? html`${badge(String(denied), "bad")}` : count(denied),
      count(refused),
      targets.length === 0 ? "—" : mono(targets.join(", ")),
    ]),
    "Nothing yet.",
  );
}

function table(
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly (string | Html)[])[],
  emptyText: string,
): Html {
  return rows.length === 0
    ? html`<p class="soft">${emptyText}</p>`
    : toTable({ name: { caption }, columns, rows });
}

function badge(text: string, mood: Mood): Html {
  return html`<span class="badge ${mood}">${text}</span>`;
}

function mono(text: string): Html {
  return html`<span class="mono">${text}</span>`;
}

function count(number: number): Html {
  return html`<span class="number">${number}</span>`;
}

function time(at: number): Html {
  const iso = new Date(at).toISOString();
  return html`<time class="whole" datetime="${iso}">${`${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`}</time>`;
}

function short(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}

/** Formats a duration, as in "3 d 4 h", "5 min 2 s" or "7 s". */
function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([value]) => value > 0);
  if (first === -1) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ");
}
