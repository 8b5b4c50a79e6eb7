/**
 * `npm run bench:sweep`: how fast a sweep goes over a fleet of which one tenth drifts, beside a bare loop over the same
 * pages.
 *
 *   a world with the fleet ── bare loop ── sweep ── sweep again, each in a process of its own ── figures
 *
 * Exit code 1 when a sweep takes more memory or makes more calls than it may, starts too little, or starts anything twice.
 */
import Table from 'cli-table3';
import { program } from 'commander';
import { memoryFaultsOf, playSweeps, type Swept } from './sweeps.ts';

/** A sweep starts a thousand at most. */
const MOST_INSTANCES = 10_000;

const ROWS: readonly [title: string, show: (swept: Swept) => string][] = [
  ['seconds', ({ seconds }) => seconds.toFixed(1)],
  ['instances per second', ({ seconds }) => (instances / seconds).toFixed(0)],
  ['of the bare loop', ({ seconds }) => (seconds / figures.bare.seconds).toFixed(1)],
  ['API calls', ({ apiCalls }) => String(apiCalls)],
  ['API calls per instance', ({ apiCalls }) => (apiCalls / instances).toFixed(3)],
  ['executions started', ({ started }) => String(started)],
  // The bare loop loads the SDK's sources, and not a bundle: its memory says nothing.
  ['peak memory, MB', (swept) => (swept === figures.bare ? '' : swept.peakMegabytes.toFixed(0))],
];

program
  .name('npm run bench:sweep --')
  .description('Measures how fast a sweep goes over a fleet of which one tenth drifts.')
  .option('--instances <number>', 'the size of the fleet', String(MOST_INSTANCES))
  .parse();
const values = program.opts<{ instances: string }>();
const instances = Number(values.instances);
if (!Number.isInteger(instances) || instances < 20 || instances > MOST_INSTANCES) {
  console.error(`--instances takes a whole number from 20 to ${MOST_INSTANCES}, not ${values.instances}.`);
  process.exit(2);
}

const figures = await playSweeps(instances);
const { bare, first, second, drifting, calls } = figures;
const faults = [...memoryFaultsOf(figures), ...figures.faults];
console.log(`${instances} instances, half of them Lightsail's; ${drifting} drift.\n`);
const table = new Table({ head: ['', 'bare loop', 'sweep', 'second sweep'], style: { head: [], border: [] } });
table.push(...ROWS.map(([title, show]) => ({ [title]: [bare, first, second].map(show) })));
console.log(`${table}\n\nThe calls of the first sweep:`);
for (const [name, count] of Object.entries(calls)) console.log(`${String(count).padStart(6)}  ${name}`);
console.log(faults.length === 0 ? '\nEverything that may start has started, once.' : `\n${faults.join('\n')}`);
if (faults.length > 0) process.exitCode = 1;
