/** The style of the page. It is embedded in the page, whose content security policy allows it by its hash. */
import { pageStyle } from "../lib/html.ts";

export const STYLE = pageStyle(`
:root { color-scheme: light dark; --ink: #1c1f23; --paper: #fff; --rule: #d5d9de; --soft: #f4f6f8; --quiet: #59626d;
  --ok: #1a7f37; --note: #2458a6; --warn: #9a6700; --refuse: #c1121f;
  --status: #1a7f37; --encrypt: #2458a6; --decrypt: #8250df; --provision: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #15181c; --rule: #3a4048; --soft: #1f242a;
  --quiet: #9aa4af; --ok: #4ac26b; --note: #79aef5; --warn: #e0a63a; --refuse: #ff7b72;
  --status: #4ac26b; --encrypt: #79aef5; --decrypt: #c297ff; --provision: #e0a63a; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; max-width: 50rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--rule); }
td.mono, bdi, pre { overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; }
td.mono:first-child { white-space: normal; }
th { font-weight: 600; color: var(--quiet); white-space: nowrap; }
thead th { background: var(--soft); }
tr { break-inside: avoid; }
code, pre, .mono { font: .86em/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .6rem; white-space: pre-wrap; overflow-wrap: anywhere; }
bdi { unicode-bidi: isolate; }
.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.operation { min-width: 11.5rem; }
.quiet { color: var(--quiet); }
.mark { font-weight: 700; white-space: nowrap; }
.mark.ok { color: var(--ok); } .mark.note { color: var(--note); } .mark.warn { color: var(--warn); } .mark.refuse { color: var(--refuse); }
.verdict { border-left: .4rem solid var(--rule); padding: .4rem .8rem; background: var(--soft); }
.verdict.ok { border-color: var(--ok); } .verdict.note { border-color: var(--note); } .verdict.warn { border-color: var(--warn); } .verdict.refuse { border-color: var(--refuse); }
svg { max-width: 100%; height: auto; }
svg text { font: 12px ui-monospace, monospace; fill: var(--ink); }
svg text.column { fill: var(--quiet); }
svg rect { fill: var(--soft); stroke: var(--rule); }
svg path { fill: none; stroke-width: 1.6; }
svg rect { stroke-width: 1.2; }
svg .both { stroke: var(--ink); }
svg .status { stroke: var(--status); } svg .encrypt { stroke: var(--encrypt); } svg .decrypt { stroke: var(--decrypt); } svg .provision { stroke: var(--provision); }
svg path.used { stroke: var(--refuse); stroke-width: 2.4; }
svg path.requested { stroke: var(--quiet); stroke-dasharray: 1 3; }
svg path.table { stroke-dasharray: 5 4; }
.key { display: inline-block; width: 1.6rem; border-top: 3px solid; vertical-align: middle; margin-right: .3rem; }
.key.both { border-color: var(--ink); } .key.used { border-color: var(--refuse); } .key.requested { border-color: var(--quiet); border-top-style: dotted; } .key.table { border-top-style: dashed; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; } }
`);
