// Comma-separated values as RFC 4180 has them: lines end in CRLF, and a cell is quoted where it has to be.

/** One line with its end. */
export function csvLine(cells: readonly (string | number)[]): string {
  return `${cells.map(quoted).join(",")}\r\n`;
}

function quoted(cell: string | number): string {
  const text = String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
