"""The colours of pictures and pages, light and dark, and what is drawn with them.

Raspberry means gradient and nothing else; blue and orange mean below and above 0.
"""

LIGHT = (
    "--page:#f7f6f3;--stage:#fff;--ink:#16191d;--dim:#59616d;--line:#dcdee2;--edge:#87909c;"
    "--forward:#0b5cad;--soft:#e4effb;--gradient:#ad1568;--tint:#fdeaf4;--leaf:#f1f6fd;--on:#fff;"
    "--below:#1c62b5;--above:#c25400"
)
DARK = (
    "--page:#0f1216;--stage:#171b21;--ink:#eef1f5;--dim:#a6afbb;--line:#303842;--edge:#717c8a;"
    "--forward:#7cb7ff;--soft:#152c47;--gradient:#ff8cc4;--tint:#3c1a2c;--leaf:#18283b;"
    "--on:#10141a;--below:#6aaeff;--above:#ff9a4d"
)
# The same for a page.
COLOURS = f""":root{{color-scheme:light dark;{LIGHT}}}
@media(prefers-color-scheme:dark){{:root{{{DARK}}}}}
"""
# Cards and edges, in the drawing and in the page alike.
GRAPH = """
.sg text{fill:var(--ink);text-anchor:middle;unicode-bidi:isolate}
.sg .b{fill:var(--stage);stroke:var(--edge);stroke-width:1.4}
.sg .leaf .b{fill:var(--leaf);stroke:var(--forward)}
.sg .group .b{stroke-dasharray:7 3}
.sg .out .b{stroke:var(--ink);stroke-width:3}
.sg .t{font-size:14px;fill:var(--dim)}.sg .v{font-size:22px;font-weight:650}
.sg .g,.sg .rg{fill:var(--gradient);font-size:14px;font-weight:650}
.sg .tint{fill:var(--tint)}
.sg .sep{stroke:var(--line)}
.sg .r{font-size:13px;text-anchor:start}.sg .n{font-size:13px;text-anchor:end}
.sg .rg{font-size:13px;text-anchor:end}.sg .k{fill:var(--dim)}
.sg .edge{fill:none;stroke:var(--edge);stroke-width:1.6}
.sg .river{fill:none;stroke:var(--gradient);stroke-linecap:round;opacity:.85}
.sg .head{fill:var(--gradient)}
.sg .badge rect{fill:var(--stage);stroke:var(--gradient);stroke-dasharray:3 2.5}
.sg .badge text{fill:var(--gradient);font-size:14px;font-weight:650}
.sg .badge .why{fill:var(--dim);font-size:12px;font-weight:400}
""".strip()
