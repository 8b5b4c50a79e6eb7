import { styleText } from 'node:util';
import type { Step, Story } from '../journal.ts';
import type { World } from '../world.ts';

/** How a story goes, as a word, its sign and its colour. */
export const OUTCOMES = {
  running: { word: 'enrolling', sign: '…', colour: 'cyan' },
  enrolled: { word: 'enrolled', sign: '✔', colour: 'green' },
  retired: { word: 'retired', sign: '✔', colour: 'gray' },
  ignored: { word: 'ignored', sign: '–', colour: 'gray' },
  failed: { word: 'failed', sign: '✖', colour: 'red' },
} as const;

/** Where an instance belongs: its Auto Scaling group, or Lightsail. */
export function placeOf({ ec2 }: World, { instance, platform }: Pick<Story, 'instance' | 'platform'>): string {
  if (platform === 'lightsail') return 'Lightsail';
  // The tag stays on an instance that has left its group.
  return ec2.instance(instance)?.tags.get('aws:autoscaling:groupName') ?? 'EC2';
}

/** An instant (milliseconds since the epoch) as the time of the world's day: `07:08:09`. */
export function timeOf(instant: number): string {
  return new Date(instant).toISOString().slice(11, 19);
}

/** `2m 10s` */
export function durationOf(milliseconds: number): string {
  const all = Math.max(0, Math.round(milliseconds / 1000));
  const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  return DURATION.format({ hours, minutes, seconds }) || '0s';
}
const DURATION = new Intl.DurationFormat('en', { style: 'narrow' });

/** `AssociateNode ×4`, or the name alone when once was enough. */
export function stepWord({ state, attempts }: Step): string {
  return attempts > 1 ? `${state} ×${attempts}` : state;
}

/** Why a step has not been done, so far or at first: `ServerNotReady ×3: The server … is UNDER_MAINTENANCE …`. */
export function refusalWords({ refusals }: Step): string[] {
  return refusals.map(({ error, times, sentence }) => `${error}${times > 1 ? ` ×${times}` : ''}: ${sentence}`);
}

/** The wait that took the longest: `3m 49s in AssociateNode. ServerNotReady ×4: …`; empty when nothing waited. */
export function longestWait({ steps }: Story): string {
  const took = ({ enteredAt, leftAt = enteredAt }: Step) => leftAt - enteredAt;
  const [longest] = steps.filter(({ refusals }) => refusals.length > 0).sort((a, b) => took(b) - took(a));
  return longest ? `${durationOf(took(longest))} in ${longest.state}. ${refusalWords(longest).join(' ')}` : '';
}

/** The words on as few lines as a width allows, none of them cut in two. */
export function wrapped(words: readonly string[], separator: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && `${last}${separator}${word}${separator}`.length <= width)
      lines[lines.length - 1] = `${last}${separator}${word}`;
    else lines.push(word);
  }
  return lines.map((line, index) => (index < lines.length - 1 ? line + separator.trimEnd() : line));
}

/** A text that is longer than the width loses its end. */
export function clipped(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** As many of the last words as the width allows. */
export function lastOf(words: readonly string[], separator: string, width: number): string {
  let from = words.length;
  while (from > 0 && words.slice(from - 1).join(separator).length + 1 + separator.length <= width) from--;
  const shown = words.slice(from).join(separator);
  return from > 0 ? clipped(`…${separator}${shown}`, width) : shown;
}

/** `4 enrolled, 1 ignored`; outcomes that did not occur are left out, except for enrolled. */
export function tally(stories: readonly Story[]): string {
  const counts = Object.entries(OUTCOMES).map(([outcome, { word, colour }]) => {
    const count = stories.filter((story) => story.outcome === outcome).length;
    return count > 0 || outcome === 'enrolled' ? styleText(colour, `${count} ${word}`) : '';
  });
  return counts.filter(Boolean).join(', ');
}
