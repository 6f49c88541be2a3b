/** The style of the page. It is embedded in the page, whose content security policy allows it by its hash. */
import { pageStyle } from "../lib/html.ts";
import { STACKED_TABLES } from "../lib/html-table.ts";

export const STYLE = pageStyle(`
:root { color-scheme: light dark; --ink: #1c1f23; --paper: #fff; --line: #d5d9de; --panel: #f4f6f8; --soft: #59626d;
  --ok: #1a7f37; --note: #2458a6; --warn: #875a00; --refuse: #c1121f;
  --status: #1a7f37; --encrypt: #2458a6; --decrypt: #8250df; --provision: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #15181c; --line: #3a4048; --panel: #1f242a;
  --soft: #9aa4af; --ok: #4ac26b; --note: #79aef5; --warn: #e0a63a; --refuse: #ff7b72;
  --status: #4ac26b; --encrypt: #79aef5; --decrypt: #c297ff; --provision: #e0a63a; } }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; max-width: 50rem; }
a { color: inherit; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 1rem 0 0; padding: 0; }
footer { margin-top: 2rem; color: var(--soft); }
figure { margin: 0; }
dl { display: grid; grid-template-columns: 8rem 1fr; gap: .35rem 1rem; margin: 0; }
dt { font-weight: 600; color: var(--soft); }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; min-width: 6.5rem; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
thead th { font-weight: 600; color: var(--soft); background: var(--panel); }
tbody th { font-weight: 600; min-width: 8.5rem; }
tr { break-inside: avoid; }
code, pre, .mono { font: .86em/1.45 ui-monospace, monospace; }
pre { background: var(--panel); padding: .6rem; white-space: pre-wrap; }
bdi { unicode-bidi: isolate; }
.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.soft { color: var(--soft); }
.mark { font-weight: 700; }
.mark.ok { color: var(--ok); } .mark.note { color: var(--note); } .mark.warn { color: var(--warn); } .mark.refuse { color: var(--refuse); }
.verdict { border-left: .4rem solid var(--line); padding: .4rem .8rem; background: var(--panel); }
.verdict.ok { border-color: var(--ok); } .verdict.note { border-color: var(--note); } .verdict.warn { border-color: var(--warn); } .verdict.refuse { border-color: var(--refuse); }
svg { max-width: 100%; height: auto; }
svg text { font: 12px ui-monospace, monospace; fill: var(--ink); }
svg text.column { fill: var(--soft); }
svg rect { fill: var(--panel); stroke: var(--line); }
svg path { fill: none; stroke-width: 1.6; }
svg rect { stroke-width: 1.2; }
svg .both { stroke: var(--ink); }
svg .status { stroke: var(--status); } svg .encrypt { stroke: var(--encrypt); } svg .decrypt { stroke: var(--decrypt); } svg .provision { stroke: var(--provision); }
svg path.used { stroke: var(--refuse); stroke-width: 2.4; }
svg path.requested { stroke: var(--soft); stroke-dasharray: 1 3; }
svg path.table { stroke-dasharray: 5 4; }
.key { display: inline-block; width: 1.6rem; border-top: 3px solid; vertical-align: middle; margin-right: .3rem; }
.key.both { border-color: var(--ink); } .key.used { border-color: var(--refuse); } .key.requested { border-color: var(--soft); border-top-style: dotted; } .key.table { border-top-style: dashed; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; } }
${STACKED_TABLES}
@media screen and (max-width: 44rem) { figure { display: none; } }
`);
