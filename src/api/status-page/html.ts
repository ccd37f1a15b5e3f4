// The status page as HTML: one file and one style sheet, no script, nothing from elsewhere, so that it is the same whether the
// watcher serves it or a web server does that has never heard of it. Shapes and words beside colours; light and dark.

import { escaped, htmlOf } from "./markdown.ts";
import type { Component, ComponentState, Day, StatusPageModel } from "./model.ts";
import type { NoticeReport } from "../contract.ts";

export const STATE_WORDS: Readonly<Record<ComponentState, string>> = { available: "available", partly: "partly not available", out: "not available", maintenance: "maintenance", unknown: "not watched" };
const SEVERITY_WORDS: Readonly<Record<NoticeReport["severity"], string>> = { info: "for your information", maintenance: "maintenance", disturbance: "disturbance", outage: "outage" };

const SHAPES: Readonly<Record<ComponentState, string>> = {
  available: '<circle cx="6" cy="6" r="4.6"/>', partly: '<path d="M6 .6 11.4 6 6 11.4.6 6Z"/>', out: '<path d="M1 1h10v10H1Z"/>',
  maintenance: '<path d="M6 1.2 11.2 10.6H.8Z"/>', unknown: '<circle class="hollow" cx="6" cy="6" r="4.4"/>',
};
/** Of the icon in the browser's tab, which knows no style sheet. */
const ICON: Readonly<Record<ComponentState, string>> = { available: "#25704f", partly: "#8f5f0d", out: "#ad3328", maintenance: "#1f5fa8", unknown: "#666c74" };
/** Heights as well as colours: what is well is low and calm. */
const BARS: Readonly<Record<ComponentState, readonly [top: number, height: number]>> = { available: [12, 16], partly: [5, 23], out: [0, 28], maintenance: [9, 19], unknown: [24, 4] };

const shape = (state: ComponentState) => `<svg class="shape ${state}" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">${SHAPES[state]}</svg>`;
const moment = (at: string) => `<time datetime="${escaped(at)}">${escaped(at.slice(0, 10))} ${escaped(at.slice(11, 16))} UTC</time>`;
const clock = (at: string) => `<time datetime="${escaped(at)}">${escaped(at.slice(11, 16))}</time>`;

export function statusPageHtml(model: StatusPageModel): string {
  const { title, headline, state, components, open, past, at } = model;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${escaped(title)}: ${escaped(headline)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 12 12" fill="${ICON[state]}">${SHAPES[state]}</svg>`)}">
<link rel="stylesheet" href="status.css">
</head>
<body>
<header><p>${escaped(title)}</p></header>
<main>
<h1 class="${state}">${shape(state)}<span>${escaped(headline)}</span></h1>
${open.length === 0 ? "" : `<section aria-label="Notices">\n${[...open].reverse().map((notice) => noticeHtml(notice, "h2")).join("\n")}\n</section>\n`}<section aria-labelledby="components">
<h2 id="components">What is shown here</h2>
<ul class="components">
${components.map(componentHtml).join("\n")}
</ul>
</section>
<section aria-labelledby="past">
<h2 id="past">The last days</h2>
${past.length === 0 ? "<p class=\"soft\">Nothing happened.</p>" : past.map(({ day, notices, outages }) => `<section aria-labelledby="day-${day}">\n<h3 id="day-${day}">${day}</h3>\n${notices.map((notice) => noticeHtml(notice, "h4")).join("\n")}${outages.length === 0 ? "" : `<ul class="outages">${outages.map(({ words, began, ended }) => `<li>${escaped(words)} <span class="soft">${clock(began)}${ended === null ? "" : ` – ${ended.slice(0, 10) === began.slice(0, 10) ? clock(ended) : moment(ended)}`} UTC</span></li>`).join("")}</ul>`}\n</section>`).join("\n")}
</section>
</main>
<footer><p>As of ${moment(at)}. Days are those of UTC. Watched by Upkeep.</p></footer>
</body>
</html>
`;
}

function componentHtml({ name, state, days, available }: Component): string {
  const lost = days.filter((day) => day.state === "partly" || day.state === "out").length;
  const label = `${days.length} days: ${lost === 0 ? "no day with a disturbance" : `${lost} ${lost === 1 ? "day" : "days"} with a disturbance`}`;
  return `<li><div class="component"><b>${escaped(name)}</b><span class="state ${state}">${shape(state)} ${STATE_WORDS[state]}</span></div>
<svg class="days" viewBox="0 0 ${days.length * 4} 28" preserveAspectRatio="none" role="img" aria-label="${escaped(label)}">${days.map(barHtml).join("")}</svg>
<div class="span"><span>${days.length} days ago</span><span>available ${escaped(available)}</span><span>today</span></div></li>`;
}

function barHtml({ day, state, words }: Day, index: number): string {
  const [top, height] = BARS[state];
  return `<rect class="${state}" x="${index * 4}" y="${top}" width="3" height="${height}"><title>${day}: ${escaped(words)}</title></rect>`;
}

function noticeHtml(notice: NoticeReport, heading: "h2" | "h4"): string {
  const { title, severity, components, began, ended, updates } = notice;
  const [first, ...later] = updates;
  return `<article class="notice ${severity}">
<${heading}>${escaped(title)}</${heading}>
<p class="soft">${SEVERITY_WORDS[severity]}${components.length === 0 ? "" : `: ${escaped(components.join(", "))}`} · ${moment(began)}${ended === null ? "" : ` – ${moment(ended)}`}</p>
${[...later].reverse().map(({ at, text }) => `<div class="update"><p class="soft">${moment(at)}</p>\n${htmlOf(text)}</div>\n`).join("")}${first === undefined ? "" : htmlOf(first.text)}
</article>`;
}
