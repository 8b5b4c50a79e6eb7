/** Keeps a pasted document from becoming the message. */
export function shortened(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** The one of the names that is most likely meant; undefined where none is like it. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const best = names.toSorted((a, b) => likeness(b, name) - likeness(a, name))[0];
  return best && likeness(best, name) > 0.5 ? best : undefined;
}

/** The share of letter pairs that two names have in common, 0-1 (Dice), whatever their case and punctuation. */
function likeness(a: string, b: string): number {
  const [pairsOfA, pairsOfB] = [letterPairs(a), letterPairs(b)];
  return (2 * pairsOfA.intersection(pairsOfB).size) / (pairsOfA.size + pairsOfB.size || 1);
}

function letterPairs(name: string): Set<string> {
  const letters = name.toLowerCase().replace(/[^a-z0-9]/g, '');
  return new Set(Array.from(letters.slice(1), (letter, index) => letters[index] + letter));
}
