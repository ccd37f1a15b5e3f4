// Pictures of figures as SVG, so that the document needs no program to be looked at: bars on a logarithmic scale, where a
// thousandfold difference must fit, and lines over a logarithmic one. They follow the reader's light or dark.

const STYLE = `<style>
text { font: 12px system-ui, sans-serif; fill: #333 } .dim { fill: #777 } .axis { stroke: #8884; stroke-width: 1 }
.bar { fill: #9aa7b5 } .ours { fill: #1f7a4d } .line { fill: none; stroke-width: 2.5 } .title { font-weight: 600; font-size: 13px }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .dim { fill: #999 } .bar { fill: #66727f } .ours { fill: #4fc38a } }
</style>`;

const escaped = (text: string): string => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
const round = (value: number): string => value.toFixed(1);

function picture(width: number, height: number, label: string, body: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(label)}">\n<title>${escaped(label)}</title>\n${STYLE}\n${body.join("\n")}\n</svg>\n`;
}

export type Bar = { readonly name: string; readonly value: number; readonly shown: string; readonly ours: boolean };
export type Bars = { readonly title: string; readonly bars: readonly Bar[] };

/** Groups of horizontal bars, one scale for all, from 1 to the next power of ten above the greatest. */
export function barPicture(label: string, groups: readonly Bars[]): string {
  const [width, left, right, row, head] = [760, 250, 90, 20, 34];
  const top = 10 ** Math.ceil(Math.log10(Math.max(10, ...groups.flatMap(({ bars }) => bars.map(({ value }) => value)))));
  const at = (value: number): number => left + ((width - left - right) * Math.log10(Math.max(1, value))) / Math.log10(top);
  const body: string[] = [];
  let y = 8;
  for (const { title, bars } of groups) {
    body.push(`<text class="title" x="8" y="${y + 18}">${escaped(title)}</text>`);
    y += head - 6;
    for (const { name, value, shown, ours } of bars) {
      body.push(`<text x="${left - 8}" y="${y + 13}" text-anchor="end">${escaped(name)}</text>`);
      body.push(`<rect class="bar${ours ? " ours" : ""}" x="${left}" y="${y + 2}" width="${round(Math.max(1, at(value) - left))}" height="${row - 6}" rx="2"/>`);
      body.push(`<text class="dim" x="${round(at(value) + 6)}" y="${y + 13}">${escaped(shown)}</text>`);
      y += row;
    }
    y += 6;
  }
  for (let mark = 1; mark <= top; mark *= 10) {
    body.push(`<line class="axis" x1="${round(at(mark))}" x2="${round(at(mark))}" y1="8" y2="${y}"/>`);
    body.push(`<text class="dim" x="${round(at(mark))}" y="${y + 16}" text-anchor="middle">${mark.toLocaleString("en")}</text>`);
  }
  return picture(width, y + 26, label, body);
}

export type Line = { readonly name: string; readonly unit: string; readonly points: readonly (readonly [number, number])[]; readonly limit?: number };

/** Small panels side by side, each with one line over a logarithmic axis and, dotted, what it should stay below. */
export function linePicture(label: string, across: string, lines: readonly Line[]): string {
  const [panel, height, left, bottom, head] = [370, 260, 52, 44, 34];
  const body = lines.flatMap(({ name, unit, points, limit }, index) => {
    const x0 = index * panel + left;
    const wide = panel - left - 20;
    const high = height - head - bottom;
    const [least, most] = [points[0]?.[0] ?? 1, points.at(-1)?.[0] ?? 10];
    const top = niceAbove(Math.max(limit ?? 0, ...points.map(([, value]) => value)));
    const x = (value: number): string => round(x0 + (wide * Math.log(value / least)) / Math.log(most / least));
    const y = (value: number): string => round(head + high - (high * value) / top);
    const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => part * top);
    return [
      `<text class="title" x="${index * panel + 8}" y="20">${escaped(name)}</text>`,
      ...grid.flatMap((value) => [`<line class="axis" x1="${x0}" x2="${x0 + wide}" y1="${y(value)}" y2="${y(value)}"/>`, `<text class="dim" x="${x0 - 6}" y="${Number(y(value)) + 4}" text-anchor="end">${value} ${escaped(unit)}</text>`]),
      ...points.map(([at]) => `<text class="dim" x="${x(at)}" y="${height - bottom + 18}" text-anchor="middle">${at.toLocaleString("en")}</text>`),
      `<text class="dim" x="${x0 + wide / 2}" y="${height - 8}" text-anchor="middle">${escaped(across)}</text>`,
      ...(limit === undefined ? [] : [`<line class="axis" style="stroke:#c60;stroke-dasharray:4 4" x1="${x0}" x2="${x0 + wide}" y1="${y(limit)}" y2="${y(limit)}"/>`]),
      `<polyline class="line" style="stroke:#2a9d63" points="${points.map(([at, value]) => `${x(at)},${y(value)}`).join(" ")}"/>`,
      ...points.map(([at, value]) => `<circle class="ours" cx="${x(at)}" cy="${y(value)}" r="3.5"/>`),
    ];
  });
  return picture(panel * lines.length, height, label, body);
}

/** 1, 2 or 4 times a power of ten, of which quarters are plain numbers. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value) ?? 10 * power;
}
