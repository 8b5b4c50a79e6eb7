/**
 * `npm start`: plays the whole workflow on this machine, with no AWS. `npm start -- --help` says what else it does.
 *
 *   arguments -> world -> the scene, or events from files -> a view, a table -> exit code
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { styleText } from 'node:util';
import { InvalidRequest } from '../lib/errors.ts';
import { readProfiles } from '../profiles/file.ts';
import { WorldClock } from '../world/kernel/clock.ts';
import { seededRandom } from '../world/kernel/random.ts';
import type { LogListener } from '../world/services/lambda.ts';
import { createGateway, type Gateway } from '../world/wire/listen.ts';
import { type Arguments, readArguments } from './arguments.ts';
import { play } from './conjure.ts';
import { startDoubles } from './doubles.ts';
import { estateWith } from './estate.ts';
import { type Announcement, readEventFiles } from './event-files.ts';
import { Journal } from './journal.ts';
import { untilAtRest } from './rest.ts';
import { playScene, SCENE } from './scene.ts';
import { keepReport, playUntold, sweepWorld, UNTOLD_SCENE } from './sweep.ts';
import { Unusable } from './unusable.ts';
import { holdingsTable } from './view/holdings.ts';
import { jsonView } from './view/json.ts';
import { lineView } from './view/lines.ts';
import { liveView } from './view/live.ts';
import { servingWords } from './view/serving.ts';
import { sweepWords } from './view/sweep.ts';
import type { View } from './view/view.ts';
import { durationOf, tally } from './view/wording.ts';
import { createWorld, type World } from './world.ts';

/** The same scene each time, down to the instances' ids. */
const SEED = 1;
const INTERRUPTED_EXIT_CODE = 130;
const SAME_REQUEST_MILLISECONDS = 500;

try {
  const asked = readArguments(process.argv.slice(2));
  process.exitCode = asked ? await start(asked) : 0;
} catch (error) {
  if (!(error instanceof Unusable || error instanceof InvalidRequest)) throw error;
  console.error(error.message);
  process.exitCode = error instanceof Unusable ? error.exitCode : 2;
}

/** @returns the exit code */
async function start(asked: Arguments): Promise<number> {
  const announcements = readEventFiles(asked.eventFiles);
  const onLog = logKeeper(asked.logFile);
  const clock = new WorldClock({ speed: asked.speed });
  const journal = new Journal(() => clock.now());
  const gateway = createGateway();
  const port = await listen(gateway, asked.port);
  const doubles = await startDoubles(readProfiles('profiles.yml'));
  const world = await createWorld({
    ...{ clock, random: seededRandom(SEED), gateway, port, onLog, ...journal.hear },
    ...{ profiles: doubles.profiles, secrets: doubles.secrets, estate: estateWith(doubles.servers) },
  });
  try {
    return await watch(asked, world, journal, announcements);
  } finally {
    world.close();
    await doubles.close();
    await gateway.close();
  }
}

async function watch(asked: Arguments, world: World, journal: Journal, announcements: readonly Announcement[]) {
  const startedAt = { world: world.clock.now(), wall: performance.now() };
  const interrupted = interruption();
  introduce(asked, world, announcements);
  const view = viewOf(asked, world, journal);
  const toEnrol = await Promise.race([perform(asked, world, journal, announcements), interrupted]);
  if (asked.serve && toEnrol) await interrupted;
  await view.end();
  if (!asked.json) await conclude(world, journal, startedAt);
  if (asked.serve) return 0;
  return toEnrol ? exitCodeOf(world, journal, toEnrol) : INTERRUPTED_EXIT_CODE;
}

/**
 * Plays what is asked for until the world is at rest, and sweeps it then if that is asked for.
 * @returns the instances that are to be enrolled in the end, as far as that is known beforehand
 */
async function perform(asked: Arguments, world: World, journal: Journal, announcements: readonly Announcement[]) {
  if (announcements.length > 0) play(world, announcements);
  const hasScene = announcements.length === 0 && !asked.serve;
  const toEnrol = hasScene ? await playScene(world, journal) : [];
  await untilAtRest(world, journal, toEnrol);
  if (!asked.sweep) return toEnrol;
  const untold = hasScene ? await playUntold(world) : [];
  await sweep(asked.sweep, asked.json, world, journal);
  return asked.sweep.isDryRun ? toEnrol : [...toEnrol, ...untold];
}

async function sweep(
  { folder, isDryRun }: NonNullable<Arguments['sweep']>,
  isJson: boolean,
  world: World,
  journal: Journal,
): Promise<void> {
  const report = await sweepWorld(world, journal, { isDryRun });
  const files = keepReport(world, folder);
  // With --json, standard output is the enrolments' alone.
  (isJson ? console.error : console.log)(`\n${sweepWords(report, files)}`);
}

function introduce({ json, serve, sweep }: Arguments, world: World, announcements: readonly Announcement[]): void {
  if (json && serve) console.error(servingWords(world));
  if (json) return;
  console.log();
  if (serve) console.log(servingWords(world));
  else if (announcements.length === 0) console.log(`${[...SCENE, ...(sweep ? UNTOLD_SCENE : [])].join('\n')}\n`);
}

function viewOf({ json }: Arguments, world: World, journal: Journal): View {
  if (json) return jsonView(world, journal);
  return process.stdout.isTTY ? liveView(world, journal) : lineView(world, journal);
}

async function conclude(world: World, { stories }: Journal, startedAt: { world: number; wall: number }): Promise<void> {
  const worldTime = durationOf(world.clock.now() - startedAt.world);
  const ourTime = durationOf(performance.now() - startedAt.wall);
  console.log(`\n${await holdingsTable(world)}\n`);
  console.log(`${tally(stories)} ${styleText('dim', `in ${worldTime} of the world's time and ${ourTime} of ours`)}`);
}

/** 0 when all that was to be enrolled is, and nothing failed or got lost. */
function exitCodeOf(world: World, { stories }: Journal, toEnrol: readonly string[]): number {
  const isEnrolled = (name: string) =>
    stories.some(({ instance, outcome }) => instance === name && outcome === 'enrolled');
  const hasFailed = stories.some(({ outcome }) => outcome === 'failed') || world.lambda.deadLetters.length > 0;
  return hasFailed || !toEnrol.every(isEnrolled) ? 1 : 0;
}

async function listen(gateway: Gateway, port: number): Promise<number> {
  try {
    return await gateway.listen(port);
  } catch (cause) {
    throw new Unusable((cause as Error).message, 1, { cause });
  }
}

/** What functions log is kept in the file, or dropped: the views tell the same in fewer words. */
function logKeeper(file: string | undefined): LogListener {
  if (file === undefined) return () => {};
  try {
    writeFileSync(file, '');
  } catch (cause) {
    throw new Unusable(`The log file cannot be written: ${(cause as Error).message}.`, 2, { cause });
  }
  return (line) => appendFileSync(file, `${line}\n`);
}

/** Settles when this process is asked to end. Who asks again, because it takes too long, is obeyed at once. */
function interruption(): Promise<false> {
  return new Promise((resolve) => {
    let askedAt: number | undefined;
    const onSignal = () => {
      askedAt ??= performance.now();
      // One Ctrl+C comes twice: from the terminal, and from npm.
      if (performance.now() - askedAt > SAME_REQUEST_MILLISECONDS) process.exit(INTERRUPTED_EXIT_CODE);
      resolve(false);
    };
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, onSignal);
  });
}
