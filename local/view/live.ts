import { stripVTControlCharacters, styleText } from 'node:util';
import logUpdate from 'log-update';
import type { Journal, Story } from '../journal.ts';
import type { World } from '../world.ts';
import type { View } from './view.ts';
import {
  clipped,
  durationOf,
  lastOf,
  longestWait,
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
/** In the place of an instance, where a request names none. */
const NO_INSTANCE = '(no instance)';
/** A story that has less to say keeps its room, so that the others stay where they are. */
const EMPTY = Array<string>(LINES_A_STORY).fill('');

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
      logUpdate.clear();
      logUpdate.done();
      console.log(record(world, journal));
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
  const speed = world.clock.speed === 1 ? '' : ` ×${world.clock.speed}`;
  const head = `${timeOf(world.clock.now())} ${styleText('dim', `world time${speed}`)}  ${tally(stories)}`;
  const more = hidden > 0 ? [styleText('dim', `  and ${hidden} more`)] : [];
  return [head, '', ...shown.flatMap((story) => glance(world, story, frame, columns)), ...more].join('\n');
}

/** Three lines: who and what now; the way so far; what it waits for, or why it ended as it did. */
function glance(world: World, story: Story, frame: number, columns: number): string[] {
  const step = story.steps.at(-1);
  const isRunning = story.outcome === 'running';
  const width = columns - INDENT.length;
  const way = styleText('dim', lastOf(story.steps.map(stepWord), SEPARATOR, width));
  const head = isRunning
    ? headline(world, story, SPINNER[frame % SPINNER.length], step ? stateWords(step.state, step.attempts) : 'starting')
    : headline(world, story);
  const why = reasonOf(story, (text) => clipped(text, width));
  const lines = [way, why].filter((line) => stripVTControlCharacters(line) !== '').map((line) => INDENT + line);
  return [head, ...lines, ...EMPTY].slice(0, LINES_A_STORY);
}

/** What it waits for; why it failed or was ignored; else what took it so long. */
function reasonOf(story: Story, shape: (text: string) => string): string {
  const { outcome, reason, steps } = story;
  const step = steps.at(-1);
  if (outcome === 'running') {
    const isWaiting = step && step.leftAt === undefined;
    return styleText('yellow', shape((isWaiting && refusalWords(step).at(-1)) || ''));
  }
  return reason ? styleText(OUTCOMES[outcome].colour, shape(reason)) : styleText('dim', shape(longestWait(story)));
}

function stateWords(state: string, attempts: number): string {
  return attempts > 1 ? `${state}, attempt ${attempts}` : state;
}

function headline(world: World, story: Story, sign?: string, now?: string): string {
  const { word, colour, sign: last } = OUTCOMES[story.outcome];
  const place = placeOf(world, story).padEnd(9);
  const took = durationOf((story.endedAt ?? world.clock.now()) - story.startedAt).padStart(7);
  const name = `${styleText('bold', place)} ${(story.instance || NO_INSTANCE).padEnd(19)}`;
  return `${styleText(colour, sign ?? last)} ${name} ${styleText('dim', took)}  ${styleText(colour, now ?? word)}`;
}

/** What stays on the screen: the whole way of each instance, and its remarks. */
function record(world: World, { stories, notes }: Journal): string {
  const width = (process.stdout.columns ?? 80) - INDENT.length;
  const told = stories.map((story) => {
    const way = wrapped(story.steps.map(stepWord), SEPARATOR, width).map((line) => styleText('dim', line));
    const why = reasonOf(story, (text) => wrapped(text.split(' '), ' ', width).join(`\n${INDENT}`));
    return [headline(world, story), ...[...way, why].filter(Boolean).map((line) => INDENT + line)].join('\n');
  });
  const noted = notes.map((note) => wrapped(note.split(' '), ' ', width).join('\n'));
  return [...told, ...noted].join('\n\n');
}
