import { stripVTControlCharacters } from 'node:util';

/** Anything beyond this is noise, and bounds the work of the patterns below. */
const LONGEST_INPUT_CHARACTERS = 20_000;
const LONGEST_QUOTE_CHARACTERS = 200;

/** A PEM block; one that is cut off lacks its last line and reaches to the end. */
const PEM_BLOCK = /-{4,5} ?BEGIN [^-]+-{4,5}[\s\S]*?(-{4,5} ?END [^-]+-{4,5}|$)/g;
/** The end of a PEM block that lost its beginning, with the short line before it. */
const PEM_TAIL = /([A-Za-z0-9+/=]{1,100}\s{1,4})?-{4,5} ?END [^-]+(-{4,5}|$)/g;
/** A line of base64. Paths, hexadecimal digests and words have letters of one case only at this length. */
const BASE64_RUN = /[A-Za-z0-9+/]{40,}={0,2}/g;

/** What a terminal does not show, or shows as something else: control and format characters, bidi, zero width. */
const UNPRINTABLE = /[\p{C}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * Makes a text safe for one line of a mail, a log, a history or a terminal: no control or invisible characters, no line
 * break, and nothing of a key, CSR or certificate.
 */
export function printable(text: string): string {
  const visible = stripVTControlCharacters(wellFormed(text.slice(0, LONGEST_INPUT_CHARACTERS)))
    .replace(/[\s\x85]/g, (space) => (space === '\n' ? '\n' : ' '))
    .replace(UNPRINTABLE, (character) => (character === '\n' ? '\n' : ''));
  return withoutKeys(visible).replace(/\s+/g, ' ').trim();
}

/**
 * Quotes what a node, a server or a service said: printable, shortened and in quotation marks, so that its end shows.
 * Without a word, it is "nothing", not in quotation marks.
 */
export function quoted(text: string): string {
  const line = printable(text).replaceAll('"', "'");
  if (line === '') return 'nothing';
  if (line.length <= LONGEST_QUOTE_CHARACTERS) return `"${line}"`;
  return `"${wellFormed(line.slice(0, LONGEST_QUOTE_CHARACTERS)).trimEnd()}…"`;
}

function withoutKeys(text: string): string {
  return text
    .replace(PEM_BLOCK, '[PEM removed]')
    .replace(PEM_TAIL, '[PEM removed]')
    .replace(BASE64_RUN, (run) => (/[A-Z]/.test(run) && /[a-z]/.test(run) ? '[key removed]' : run));
}

/** Without half a character, which a cut may leave. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '');
}
