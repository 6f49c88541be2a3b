/** The style of the admin page and the Content-Security-Policy that allows only this style. */
import { pageStyle } from "../lib/html.ts";
import { STACKED_TABLES } from "../lib/html-table.ts";

export const STYLE = pageStyle(`
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #505a66; --paper: #ffffff; --panel: #f4f6f8; --line: #cfd6dd;
  --good: #14602f; --good-paper: #dcf3e3; --bad: #8f1420; --bad-paper: #fde3e5; --mild: #6b4a00; --mild-paper: #fdf0cf; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebee; --soft: #aab4bf; --paper: #14171b; --panel: #1d2127; --line: #3a424c;
    --good: #9be3b3; --good-paper: #123321; --bad: #ffb3b8; --bad-paper: #421319; --mild: #f3d48a; --mild-paper: #3a2d0c; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.25rem 1rem 3rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; gap: 0 1.5rem; align-items: baseline; justify-content: space-between; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 0 0 .5rem; display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: center; }
h4 { font-size: .9rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0; }
a { color: inherit; }
.soft { color: var(--soft); font-size: .9rem; }
code, .mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .85rem; }
.banner { border: 1px solid; border-radius: .5rem; padding: .75rem 1rem; margin: 1rem 0 0; font-weight: 600; }
.badge { border-radius: 1rem; padding: .05rem .7rem; font-size: .85rem; font-weight: 600; white-space: nowrap; }
.good { color: var(--good); background: var(--good-paper); }
.bad { color: var(--bad); background: var(--bad-paper); }
.mild { color: var(--mild); background: var(--mild-paper); }
section.card { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: .75rem 0; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
caption { text-align: left; color: var(--soft); font-size: .9rem; padding: 0 0 .35rem; }
th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { min-width: 6.5rem; padding: .35rem .75rem .35rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
tbody th { color: var(--ink); }
footer { margin-top: 2rem; }
.number { font-variant-numeric: tabular-nums; }
.whole { white-space: nowrap; }
ul { margin: .25rem 0; padding-left: 1.2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0; font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; }
${STACKED_TABLES}
`);

/** For the headers of the answer: `frame-ancestors` has no effect in the page itself. */
export const POLICY = `${STYLE.policy}; frame-ancestors 'none'`;
