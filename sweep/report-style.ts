import { CONDITION_NAMES } from './report-words.ts';

/** How the report's page looks, in the light and in the dark, on a telephone and on paper. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f4f6f8; --panel: #fff; --line: #e1e6eb; --text: #18212b; --quiet: #5a6775;
  --failed: #d0312d; --unknown: #8250d4; --waiting: #b3421f; --on-former-server: #0f7a6c; --retained: #8a5a00; --still-on-imdsv1: #d9620f; --imdsv1-open: #a8571c; --drifting: #c79100; --reverted: #c23c8c;
  --after-canary: #1f8fae; --exempt: #76828f; --under-way: #2f72d6; --as-it-should-be: #5bb08d; --gone: #9aa5b1; --not-listed: #7d6f9c;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ground: #0d1217; --panel: #151c24; --line: #27313c; --text: #e7ecf1; --quiet: #97a4b2;
    --failed: #ff6259; --unknown: #b392f5; --waiting: #ff7f5c; --on-former-server: #3cc9b5; --retained: #d9a441; --still-on-imdsv1: #ff934a; --imdsv1-open: #d98a4f; --drifting: #f2c53d; --reverted: #f07fc0;
    --after-canary: #46c2dd; --exempt: #8b98a6; --under-way: #62a0ff; --as-it-should-be: #2f7d61; --gone: #66727f; --not-listed: #9d8fbd;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 75rem; padding: 2.5rem 1.5rem 4rem; background: var(--ground); color: var(--text);
  font: 0.9375rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; font-variant-numeric: tabular-nums;
}
h1, h2, h3, p { margin: 0; }
h1 { font-size: clamp(1.6rem, 4vw, 2.5rem); font-weight: 400; line-height: 1.2; letter-spacing: -0.02em; margin: 0.35rem 0; }
h1 b { font-weight: 650; }
h2 { font-size: 1.125rem; font-weight: 600; margin: 2.5rem 0 0.75rem; }
h3 { font-size: 1rem; font-weight: 600; overflow-wrap: anywhere; }
small, .when, .took, .note, .share { color: var(--quiet); font-size: 0.8125rem; font-weight: 400; }
.dry { display: inline-block; margin-left: 0.5rem; padding: 0.1rem 0.6rem; border-radius: 1rem; background: var(--under-way); color: var(--panel); font-weight: 600; }
.alerts { margin-top: 1.5rem; padding: 0.75rem 1.1rem; background: var(--panel); border: 1px solid var(--line); border-left: 4px solid var(--failed); border-radius: 0.5rem; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 0.35rem 1.4rem; list-style: none; margin: 0 0 1rem; padding: 0; }
.mark { width: 0.7em; height: 0.7em; margin-right: 0.15em; }
article { display: grid; grid-template-columns: 1fr auto; gap: 0.6rem 1rem; align-items: baseline; margin-bottom: 0.75rem; padding: 1rem 1.25rem; background: var(--panel); border: 1px solid var(--line); border-radius: 0.75rem; break-inside: avoid; }
.fleet, .stopped { grid-column: 1 / -1; }
.stopped { color: var(--failed); overflow-wrap: anywhere; }
.fleet { display: block; width: 100%; height: auto; }
path { fill: currentColor; fill-rule: evenodd; }
.fleet a:hover path { fill: var(--text); }
table { width: 100%; border-collapse: separate; border-spacing: 0; background: var(--panel); border: 1px solid var(--line); border-radius: 0.75rem; overflow: hidden; }
th, td { padding: 0.6rem 1rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
tbody th, tbody td { border-top: 1px solid var(--line); }
thead th { color: var(--quiet); font-size: 0.8125rem; font-weight: 500; }
tbody th { font-weight: 600; }
th small, td small { display: block; overflow-wrap: anywhere; }
.instances { table-layout: fixed; }
.instances th:nth-child(1) { width: 27%; }
.instances th:nth-child(2) { width: 15%; }
.instances th:nth-child(4) { width: 21%; }
.counts th:not(:first-child), .counts td { text-align: right; }
tr:target { background: color-mix(in srgb, var(--under-way) 14%, transparent); }
${CONDITION_NAMES.map((condition) => `.is-${condition} { color: var(--${condition}); }`).join('\n')}
@media screen {
  .execution { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
}
@media (max-width: 45rem) {
  body { padding: 1.5rem 0.75rem 3rem; }
  .instances, .instances tbody, .instances tr, .instances th, .instances td { display: block; width: auto !important; }
  .instances thead { display: none; }
  .instances td { border: 0; padding-top: 0; }
  .counts { display: block; overflow-x: auto; }
}
@media print {
  :root { color-scheme: light; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { max-width: none; padding: 0; background: none; font-size: 9pt; }
  tr { break-inside: avoid; }
}
`;
