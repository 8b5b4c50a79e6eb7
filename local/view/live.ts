import { styleText } from 'node:util';
import logUpdate from 'log-update';
import type { Journal, Story } from '../journal.ts';
import type { World } from '../world.ts';
import type { View } from './view.ts';
import {
  clipped,
  durationOf,
  lastOf,
  OUTCOMES,
  placeOf,
  refusalWords,
  stepWord,
  tally,
  timeOf,
  wrapped,
} from './wording.ts';

const FRAMES_MILLISECONDS = 80;
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const LINES_A_STORY = 3;
const SEPARATOR = ' › ';
const INDENT = '    ';

/** A picture of all instances that is drawn anew, in place, while the world goes on. For terminals. */
export function liveView(world: World, journal: Journal): View {
  let frame = 0;
  const draw = () => logUpdate(picture(world, journal, frame++));
  const timer = setInterval(draw, FRAMES_MILLISECONDS);
  // What is going on keeps the process alive; to be watched does not.
  timer.unref();
  draw();
  return {
    end() {
      clearInterval(timer);
      logUpdate([record(world, journal.stories), ...journal.notes].join('\n\n'));
      logUpdate.done();
    },
  };
}

function picture(world: World, journal: Journal, frame: number): string {
  const { stories } = journal;
  const { columns = 80, rows = 24 } = process.stdout;
  const room = Math.max(1, Math.floor((rows - 4) / LINES_A_STORY));
  // Those that run, and then those that came last, are worth the room.
  const worthiest = [...stories].sort((a, b) => Number(b.outcome === 'running') - Number(a.outcome === 'running'));
  const shown = stories.length <= room ? stories : worthiest.slice(0, room);
  const hidden = stories.length - shown.length;
  const speed = world.clock.speed === 1 ? '' : `, ${world.clock.speed} times as fast as ours`;
  const head = `${timeOf(world.clock.now())} ${styleText('dim', `world time${speed}`)}   ${tally(stories)}`;
  const more = hidden > 0 ? [styleText('dim', `  and ${hidden} more`)] : [];
  return [head, '', ...shown.flatMap((story) => glance(world, story, frame, columns)), ...more].join('\n');
}

/** Three lines: who and what now; the way so far; what it waits for, or why it ended as it did. */
function glance(world: World, story: Story, frame: number, columns: number): string[] {
  const step = story.steps.at(-1);
  const isRunning = story.outcome === 'running';
  const sign = isRunning ? (SPINNER[frame % SPINNER.length] ?? '') : undefined;
  const now = isRunning ? (step ? stateWords(step.state, step.attempts) : 'starting') : undefined;
  const width = columns - INDENT.length;
  const why = isRunning && step && !step.isDone ? refusalWords(step).at(-1) : story.reason;
  return [
    headline(world, story, sign, now),
    INDENT + styleText('dim', lastOf(story.steps.map(stepWord), SEPARATOR, width)),
    INDENT + styleText(isRunning ? 'yellow' : OUTCOMES[story.outcome].colour, clipped(why ?? '', width)),
  ];
}

function stateWords(state: string, attempts: number): string {
  return attempts > 1 ? `${state}, attempt ${attempts}` : state;
}

function headline(world: World, story: Story, sign?: string, now?: string): string {
  const { word, colour, sign: last } = OUTCOMES[story.outcome];
  const place = placeOf(world, story).padEnd(9);
  const took = durationOf((story.endedAt ?? world.clock.now()) - story.startedAt).padStart(7);
  const name = `${styleText('bold', place)} ${story.instance.padEnd(19)}`;
  return `${styleText(colour, sign ?? last)} ${name} ${styleText('dim', took)}  ${styleText(colour, now ?? word)}`;
}

/** What stays on the screen: the whole way of each instance, and everything that it waited for. */
function record(world: World, stories: readonly Story[]): string {
  const width = (process.stdout.columns ?? 80) - INDENT.length;
  const told = stories.map((story) => {
    const way = wrapped(story.steps.map(stepWord), SEPARATOR, width).map((line) => styleText('dim', line));
    const waits = story.steps.flatMap(refusalWords).map((line) => styleText('yellow', clipped(line, width)));
    const why = story.reason
      ? wrapped(story.reason.split(' '), ' ', width).map((line) => styleText(OUTCOMES[story.outcome].colour, line))
      : [];
    return [headline(world, story), ...[...way, ...waits, ...why].map((line) => INDENT + line)].join('\n');
  });
  return told.join('\n\n');
}
