/** Rows of text as an aligned table for people, or as CSV for programs. Pure. */

/** Columns whose cells are all numbers stand to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const right = head.map((_, column) => rows.length > 0 && rows.every((row) => /^-?[\d.,]*( \w+)?$/.test(row[column] ?? '')));
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (right[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** One line of RFC 4180; null is empty, an empty text is quoted. */
export const csvLine = (cells: readonly (string | null)[]): string =>
  cells.map((cell) => (cell === null ? '' : cell === '' || /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',');

/** A value of a row in a word: lists and structs as JSON, their whole numbers however long. */
export function valueText(value: unknown): string {
  const isPlain = typeof value === 'object' && value !== null && (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype);
  return isPlain ? JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each)) : String(value);
}

/** 1234567 as 1,234,567. */
export const digits = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

/** Bytes in the largest unit that leaves at least one digit before the point. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
