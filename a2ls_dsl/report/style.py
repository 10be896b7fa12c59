"""How a report looks: one style sheet, for wide and narrow screens, in light and in dark mode, and on paper.

Colours are Okabe and Ito's, which colour-blind readers tell apart, brighter on dark ground.
"""

CURVES = 8
"""How many curves of a chart have styles of their own."""

_COLOURS = """
:root { color-scheme: light dark; --ground: #fbfbfa; --card: #fff; --ink: #1c2024; --soft: #5b6570;
  --rule: #dfe3e8; --quiet: #9aa4af; --accent: #0067a5; --fill: #cfe3f1; --good: #00795a; --bad: #b5480b;
  --k0: #0067a5; --k1: #c2510a; --k2: #00795a; --k3: #a8467f; --k4: #5b6570; --k5: #2f93c6; --k6: #8f6a00;
  --k7: #1c2024; --code: #f2f4f6; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --card: #1c2024; --ink: #e6e9ec;
  --soft: #a2acb6; --rule: #343a41; --quiet: #6b7580; --accent: #6cb6ea; --fill: #27465c; --good: #3fc79a;
  --bad: #f2924d; --k0: #6cb6ea; --k1: #f2924d; --k2: #3fc79a; --k3: #e59ac6; --k4: #a2acb6;
  --k5: #a9d8f5; --k6: #f0e442; --k7: #e6e9ec; --code: #262b30; } }
"""

_PAGE = """
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, header, footer { max-width: 1240px; margin: 0 auto; padding: 0 16px; overflow-wrap: break-word; }
header { padding-top: 28px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 40px 0 4px; scroll-margin-top: 12px; }
h3 { font-size: 1rem; margin: 20px 0 4px; }
p { margin: 6px 0; max-width: 72ch; }
.lead, .note, footer { color: var(--soft); }
.note, footer { font-size: .875rem; }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 14px 0 0; padding: 8px 0;
  border-top: 1px solid var(--rule); border-bottom: 1px solid var(--rule); font-size: .9rem; }
a { color: var(--accent); }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px;
  margin: 12px 0; min-width: 0; }
.claim { border-left: 5px solid var(--quiet); }
.claim.yes { border-left-color: var(--good); }
.claim.no { border-left-color: var(--bad); }
.claim h3 { margin: 0; font-weight: 600; }
.answer { font-size: 1.25rem; font-weight: 700; color: var(--soft); margin: 2px 0; }
.yes .answer { color: var(--good); }
.no .answer { color: var(--bad); }
.answer small { font-weight: 400; font-size: 1rem; color: var(--ink); white-space: nowrap; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 10px;
  margin: 16px 0; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 10px 14px; }
.tile b { display: block; font-size: 1.35rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .85rem; }
.scroll { overflow-x: auto; max-width: 100%; -webkit-overflow-scrolling: touch; }
.scroll:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid var(--rule); vertical-align: top;
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
td.n, th.n { text-align: right; }
td.w { white-space: normal; min-width: 240px; }
code, pre { font: .84rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { background: var(--code); border-radius: 8px; padding: 10px 12px; margin: 8px 0; overflow-x: auto; }
td code, p code { background: var(--code); border-radius: 4px; padding: 1px 4px; overflow-wrap: anywhere; }
math { font-size: 1.05rem; text-align: left; }
mtd { text-align: left; padding: .18em .2em; }
mtd:first-child { text-align: right; }
td.loss { white-space: normal; min-width: 230px; }
td.loss code { overflow-wrap: normal; }
details { margin: 10px 0; }
.card > details { margin: 0; }
summary { cursor: pointer; color: var(--accent); }
.loss summary { color: var(--ink); font-weight: 600; overflow-wrap: anywhere; }
.loss summary span { color: var(--soft); font-weight: 400; margin-left: 8px; }
.narrow { display: none; }
figure { margin: 12px 0; }
figcaption { color: var(--soft); font-size: .875rem; margin-top: 4px; max-width: 80ch; }
.wide svg, .narrow svg { display: block; width: 100%; height: auto; }
.fixed svg { display: block; margin: 0 auto; }
"""

_CHARTS = """
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; fill: var(--ink); }
svg text.axis { fill: var(--soft); }
svg .grid { stroke: var(--rule); }
svg .base, svg .zero { stroke: var(--quiet); }
svg .violin { fill: var(--fill); }
svg .speck { fill: var(--accent); opacity: .35; }
svg .quartiles { stroke: var(--accent); stroke-width: 4; stroke-linecap: round; }
svg .median { fill: var(--card); stroke: var(--accent); stroke-width: 2; }
svg .top { fill: var(--bad); }
svg .best { fill: none; stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 2 3; }
svg .reference { stroke: var(--soft); stroke-dasharray: 6 4; }
svg .area { fill: var(--fill); }
svg .other { fill: none; stroke: var(--quiet); opacity: .3; }
svg .curve { fill: none; stroke-width: 2; }
svg .band { opacity: .16; }
svg .k0 { stroke: var(--k0); } svg .k1 { stroke: var(--k1); } svg .k2 { stroke: var(--k2); }
svg .k3 { stroke: var(--k3); } svg .k4 { stroke: var(--k4); } svg .k5 { stroke: var(--k5); }
svg .k6 { stroke: var(--k6); } svg .k7 { stroke: var(--k7); }
svg .band.k0 { fill: var(--k0); } svg .band.k1 { fill: var(--k1); } svg .band.k2 { fill: var(--k2); }
svg .band.k3 { fill: var(--k3); } svg .band.k4 { fill: var(--k4); } svg .band.k5 { fill: var(--k5); }
svg .band.k6 { fill: var(--k6); } svg .band.k7 { fill: var(--k7); }
svg .band { stroke: none; }
svg .curve.k3 { stroke-dasharray: 7 3; } svg .curve.k4 { stroke-dasharray: 3 3; }
svg .curve.k6 { stroke-dasharray: 7 3; } svg .curve.k7 { stroke-dasharray: 3 3; }
svg text.name { stroke: none; font-weight: 600; }
svg text.k0 { fill: var(--k0); } svg text.k1 { fill: var(--k1); } svg text.k2 { fill: var(--k2); }
svg text.k3 { fill: var(--k3); } svg text.k4 { fill: var(--k4); } svg text.k5 { fill: var(--k5); }
svg text.k6 { fill: var(--k6); } svg text.k7 { fill: var(--k7); }
svg .whisker { stroke-width: 3; stroke-linecap: round; }
svg path.arrow { fill: none; stroke-width: 2; }
svg .better { stroke: var(--good); fill: var(--good); }
svg .worse { stroke: var(--bad); fill: var(--bad); }
svg .unsure { stroke: var(--quiet); fill: var(--quiet); }
svg .quiet { stroke: var(--quiet); fill: var(--card); stroke-width: 1.5; }
svg .part { stroke: none; }
svg .p0 { fill: var(--k0); } svg .p1 { fill: var(--k1); } svg .p2 { fill: var(--k3); }
svg .p3 { fill: var(--k2); } svg .p4 { fill: var(--quiet); } svg .p5 { fill: var(--rule); }
svg .node { fill: var(--card); stroke: var(--quiet); }
svg .winner { stroke: var(--good); stroke-width: 2.5; }
svg .edge { stroke: var(--quiet); }
"""

_MEDIA = """
@media (max-width: 640px) { .wide { display: none; } .narrow { display: block; }
  h1 { font-size: 1.4rem; } .card { padding: 12px; } main, header, footer { padding: 0 12px; } }
@media print { .scroll { overflow: visible; } nav { display: none; } .card, figure { break-inside: avoid; } }
"""

STYLE = _COLOURS + _PAGE + _CHARTS + _MEDIA


def standalone(chart: str) -> str:
    """A chart of a page as an SVG file of its own, with the page's colours, in light and in dark mode."""
    opening, rest = chart.split(">", 1)
    style = f"<style>{_COLOURS}{_CHARTS}svg {{ background: var(--ground); }}</style>"
    return f'{opening} xmlns="http://www.w3.org/2000/svg">{style}{rest}\n'
