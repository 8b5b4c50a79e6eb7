/** The one of the names that the text is most likely to be a misspelling of; undefined where none is like it. */
export function nearest(text: string, names: readonly string[]): string | undefined {
  const [first] = names
    .map((name) => ({ name, edits: editsBetween(text, name) }))
    .filter(({ name, edits }) => edits <= Math.max(name.length, text.length) / 3)
    .toSorted((a, b) => a.edits - b.edits);
  return first?.name;
}

/** How many letters must be added, left out or changed: Levenshtein's distance. */
function editsBetween(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [row, letter] of [...from].entries()) {
    const next = [row + 1];
    for (const [column, other] of [...to].entries()) {
      const [left = 0, corner = 0, over = 0] = [next[column], above[column], above[column + 1]];
      next.push(Math.min(left + 1, over + 1, corner + (letter === other ? 0 : 1)));
    }
    above = next;
  }
  return above[to.length] ?? 0;
}
