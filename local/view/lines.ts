import { styleText } from 'node:util';
import type { Journal, Step, Story } from '../journal.ts';
import type { World } from '../world.ts';
import type { View } from './view.ts';
import { durationOf, OUTCOMES, placeOf, refusalWords, stepWord, timeOf } from './wording.ts';

/**
 * One line for everything that happens, in the order in which it happens: for pipes, files and build logs.
 *
 *     07:09:24  web        i-0a1b2c3d4e5f60718  AssociateNode: ServerNotReady: The server …
 */
export function lineView(world: World, journal: Journal): View {
  const print = (story: Pick<Story, 'instance' | 'platform'>, text: string) => {
    const who = `${placeOf(world, story).padEnd(10)} ${story.instance.padEnd(19)}`;
    console.log(`${timeOf(world.clock.now())}  ${who}  ${text}`);
  };
  const onStep = (story: Story, step: Step) => {
    if (!journal.counts(story)) return;
    if (step.leftAt !== undefined) print(story, step.isDone ? stepWord(step) : `${stepWord(step)}, without success`);
    else if (isNews(step)) print(story, `${step.state}: ${refusalWords(step).at(-1)}`);
  };
  const onEnd = (story: Story) => print(story, endWords(story));
  const onNote = (sentence: string) => console.log(`${timeOf(world.clock.now())}  ${sentence}`);
  journal.on('step', onStep).on('end', onEnd).on('note', onNote);
  return { end: () => void journal.off('step', onStep).off('end', onEnd).off('note', onNote) };
}

/** The first refusal of its kind in a step; the step's own line says how often it came again. */
function isNews({ refusals, attempts }: Step): boolean {
  const last = refusals.at(-1);
  const all = refusals.reduce((sum, { times }) => sum + times, 0);
  return last?.times === 1 && all === attempts;
}

function endWords({ outcome, reason, startedAt, endedAt = startedAt }: Story): string {
  const { word, colour } = OUTCOMES[outcome];
  const why = reason ? `: ${reason}` : ` in ${durationOf(endedAt - startedAt)}`;
  return `${styleText(colour, word)}${why}`;
}
