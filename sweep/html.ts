/** Text that is HTML already, and is not escaped again. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Inset = string | number | Html | null | false | readonly Inset[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * HTML as a template: whatever is put into it is text, also in an attribute between quotes, unless it is Html itself.
 * A list is put one after the other, null and false are nothing.
 */
export function html(strings: TemplateStringsArray, ...insets: Inset[]): Html {
  return new Html(strings.map((text, index) => text + escaped(insets[index] ?? null)).join(''));
}

function escaped(inset: Inset): string {
  if (inset === null || inset === false) return '';
  if (inset instanceof Html) return inset.text;
  if (typeof inset === 'object') return inset.map(escaped).join('');
  // Characters that HTML does not know are shown as what they are: unreadable.
  return String(inset)
    .replace(/[\p{Cc}\p{Cs}]/gu, (character) => (/[\t\n]/.test(character) ? character : '\u{fffd}'))
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
