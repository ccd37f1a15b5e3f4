// The status page's style sheet, in the program so that it goes wherever the program goes.

export const STATUS_CSS = `:root { color-scheme: light dark; --ground: light-dark(#f6f6f2, #121518); --card: light-dark(#ffffff, #1a1e22); --ink: light-dark(#1b2025, #e7e9eb); --soft: light-dark(#57606a, #9ca6af); --line: light-dark(#e1e2dc, #2a3036); --accent: light-dark(#1f5fa8, #82b7f2); --available: light-dark(#25704f, #58b48a); --bar: light-dark(#8fc0a9, #3d7d62); --partly: light-dark(#8f5f0d, #d9a544); --out: light-dark(#ad3328, #f2796d); --maintenance: light-dark(#1f5fa8, #82b7f2); --unknown: light-dark(#666c74, #8f979f); }
*, ::before, ::after { box-sizing: border-box; }
body { margin: 0 auto; max-width: 56rem; padding: 1.5rem 1.2rem 3rem; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
header p { margin: 0; font-weight: 620; }
h1 { display: flex; gap: .8rem; align-items: baseline; font-size: clamp(1.5rem, 5vw, 2.1rem); line-height: 1.2; font-weight: 620; letter-spacing: -.015em; margin: 1rem 0 1.5rem; padding: 1.1rem 1.2rem; background: var(--card); border: 1px solid var(--line); border-left: .35rem solid var(--unknown); border-radius: .6rem; text-wrap: balance; }
h1 .shape { width: .7em; height: .7em; flex: none; }
h1.available { border-left-color: var(--available); } h1.partly { border-left-color: var(--partly); } h1.out { border-left-color: var(--out); } h1.maintenance { border-left-color: var(--maintenance); }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h4 { font-size: 1rem; margin: 0; }
a { color: var(--accent); }
code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; font-size: .88em; }
.soft { color: var(--soft); }
.shape { fill: currentColor; overflow: visible; }
.shape .hollow { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-dasharray: 2.2 2; }
.shape.available, .state.available { color: var(--available); } .shape.partly, .state.partly { color: var(--partly); } .shape.out, .state.out { color: var(--out); } .shape.maintenance, .state.maintenance { color: var(--maintenance); } .shape.unknown, .state.unknown { color: var(--unknown); }
.components { list-style: none; margin: 0; padding: 0; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
.components li { padding: .9rem 1.1rem; }
.components li + li { border-top: 1px solid var(--line); }
.component { display: flex; gap: .2rem 1rem; flex-wrap: wrap; justify-content: space-between; align-items: baseline; }
.days { display: block; width: 100%; height: 1.75rem; margin: .5rem 0 .25rem; }
.days .available { fill: var(--bar); } .days .partly { fill: var(--partly); } .days .out { fill: var(--out); } .days .maintenance { fill: var(--maintenance); } .days .unknown { fill: var(--unknown); }
.span { display: flex; justify-content: space-between; gap: 1rem; font-size: .85rem; color: var(--soft); }
.notice { margin: .8rem 0; padding: .8rem 1.1rem; background: var(--card); border: 1px solid var(--line); border-left: .3rem solid var(--unknown); border-radius: .6rem; }
.notice h2 { margin: 0; }
.notice p { margin: .3rem 0; }
.notice ul { margin: .3rem 0; padding-left: 1.3rem; }
.notice.outage { border-left-color: var(--out); } .notice.disturbance { border-left-color: var(--partly); } .notice.maintenance { border-left-color: var(--maintenance); }
.update { margin: .6rem 0; padding-bottom: .4rem; border-bottom: 1px solid var(--line); }
.outages { margin: .4rem 0; padding-left: 1.3rem; }
footer { margin-top: 2.5rem; color: var(--soft); font-size: .88rem; }
`;
