/**
 * `npm run bench`: how fast and how small the local world plays enrolments, with OpsWorks CM's rate off and on.
 *
 *   for each configuration: a process of its own ── keys ── launches, all at once ── virtual time ── checks ── figures
 *
 * A process of its own makes peak memory honest; in it, the world has a thread and the handlers have another. The clock of
 * the figures starts after the handlers are loaded and the nodes' RSA keys are made: prime numbers say nothing about
 * enrolment. Exit code 1 when an instance is lost, enrolled twice, or not enrolled.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Table from 'cli-table3';
import { Option, program } from 'commander';
import { type Figures, playLaunches } from './launches.ts';

/**
 * What the process may keep on its heap. Left alone, V8 would let garbage lie until the machine's memory is scarce, and
 * the peak would tell of the machine.
 */
const HEAP_MEGABYTES = 256;

/** Of each thread: room for what lives as long as a few calls. */
const YOUNG_MEGABYTES = 16;

/** The size of the group. */
const MOST_LAUNCHES = 2000;

const ROWS: readonly [title: string, show: (figures: Figures) => string][] = [
  ['enrolments per second', ({ seconds }) => (launches / seconds).toFixed(1)],
  ['seconds', ({ seconds }) => seconds.toFixed(1)],
  ['processor seconds', ({ processorSeconds }) => processorSeconds.toFixed(1)],
  ['minutes of the world', ({ worldSeconds }) => (worldSeconds / 60).toFixed(1)],
  ['API calls per enrolment', ({ apiCalls }) => (apiCalls / launches).toFixed(1)],
  ['state transitions per enrolment', ({ transitions }) => (transitions / launches).toFixed(1)],
  ['peak memory, MB', ({ peakMegabytes }) => peakMegabytes.toFixed(0)],
];

program
  .name('npm run bench --')
  .description('Measures how fast and how small the local world plays enrolments.')
  .option('--launches <number>', 'how many instances launch at once', '1000')
  // Plays one configuration in this very process, and prints its figures as JSON.
  .addOption(new Option('--rate <rate>').hideHelp())
  .parse();
const values = program.opts<{ launches: string; rate?: string }>();
const launches = Number(values.launches);

if (!Number.isInteger(launches) || launches < 1 || launches > MOST_LAUNCHES) {
  console.error(`--launches takes a whole number from 1 to ${MOST_LAUNCHES}, not ${values.launches}.`);
  process.exitCode = 2;
} else if (values.rate === undefined) await compare();
else console.log(JSON.stringify(await playLaunches(launches, values.rate === 'on')));

async function compare(): Promise<void> {
  console.log(
    `${launches} launches at once under Chef and OpsWorks Stacks, in virtual time; ` +
      `the handlers on a thread of their own; keys are made beforehand, heaps may grow to ${HEAP_MEGABYTES} MB.\n`,
  );
  const off = await inItsOwnProcess('off');
  const on = await inItsOwnProcess('on');
  const table = new Table({
    head: ['OpsWorks CM rate', 'off', '5 a second, burst 10'],
    style: { head: [], border: [] },
  });
  table.push(...ROWS.map(([title, show]) => ({ [title]: [show(off), show(on)] })));
  console.log(table.toString());
  const faults = [...off.faults, ...on.faults];
  if (faults.length === 0) return console.log('Every instance is enrolled, none twice, none lost.');
  console.error(faults.join('\n'));
  process.exitCode = 1;
}

async function inItsOwnProcess(rate: 'off' | 'on'): Promise<Figures> {
  const self = fileURLToPath(import.meta.url);
  const heap = [`--max-old-space-size=${HEAP_MEGABYTES}`, `--max-semi-space-size=${YOUNG_MEGABYTES}`];
  const own = [...heap, self, `--launches=${launches}`, `--rate=${rate}`];
  const { stdout } = await promisify(execFile)(process.execPath, own);
  return JSON.parse(stdout) as Figures;
}
