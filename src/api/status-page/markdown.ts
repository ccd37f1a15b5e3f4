// What people write in a notice, as HTML: paragraphs, lists, **bold**, *emphasis*, `code` and [links](https://…), and nothing
// else of Markdown. Everything that is not one of these is text and is escaped, so whatever somebody writes there, it is read
// and never carried out. Nothing nests: one pass over each line, linear in its length.

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s](?:[^*]*[^*\s])?)\*|\[([^\][]+)\]\((https?:\/\/[^\s()<>"]+|mailto:[^\s()<>"]+)\)/g;
const ITEM = /^[-*] +/;

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/** Blocks of HTML. */
export function htmlOf(markdown: string): string {
  return markdown.replaceAll("\r\n", "\n").split(/\n[ \t]*\n+/).map((block) => block.trim()).filter((block) => block !== "").map(blockOf).join("\n");
}

function blockOf(block: string): string {
  const lines = block.split("\n").map((line) => line.trim());
  if (lines.every((line) => ITEM.test(line))) return `<ul>${lines.map((line) => `<li>${inlineOf(line.replace(ITEM, ""))}</li>`).join("")}</ul>`;
  return `<p>${lines.map(inlineOf).join("<br>\n")}</p>`;
}

function inlineOf(line: string): string {
  let html = "";
  let from = 0;
  for (const found of line.matchAll(INLINE)) {
    const [whole, code, bold, emphasis, label, url] = found;
    html += escaped(line.slice(from, found.index));
    if (code !== undefined) html += `<code>${escaped(code)}</code>`;
    else if (bold !== undefined) html += `<strong>${escaped(bold)}</strong>`;
    else if (emphasis !== undefined) html += `<em>${escaped(emphasis)}</em>`;
    else html += `<a href="${escaped(url ?? "")}" rel="nofollow noopener">${escaped(label ?? "")}</a>`;
    from = found.index + whole.length;
  }
  return html + escaped(line.slice(from));
}
