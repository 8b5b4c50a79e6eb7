/**
 * `npm run soak`: days of launches and terminations among troubles of every kind, for several seeds; see README.md here.
 *
 *   for each seed: a process of its own ── launches, weather, deliveries, hands ── hours of calm ── the oracle ── figures
 *
 * Exit code 1 when the oracle finds a violation: it prints the seed and the instance's history.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Table from 'cli-table3';
import { InvalidArgumentError, Option, program } from 'commander';
import { shortenBackoff } from './backoff.ts';
import { KINDS } from './oracle.ts';
import type { Soaked } from './play.ts';

const HEAP_MEGABYTES = 6000;
const MOST_TOLD = 20;
const FIGURES = [
  ['launches', 'launches'],
  ['enrolled', 'enrolled'],
  ['retired', 'retired'],
  ['re-imaged', 'reImaged'],
  ['executions', 'executions'],
] as const satisfies [string, keyof Soaked][];

interface Options {
  readonly seed: number;
  readonly seeds: number;
  readonly launches: number;
  readonly hours: number;
  readonly atOnce: number;
  readonly child: boolean | undefined;
}

program
  .name('npm run soak --')
  .description(
    'Plays days of launches and terminations among troubles of every kind, and checks that no promise is broken.',
  )
  .option('--seed <number>', 'the first seed', whole, 1)
  .option('--seeds <number>', 'how many seeds, one after another', whole, 5)
  .option('--launches <number>', 'how many instances launch', whole, 5500)
  .option('--hours <number>', 'how long the troubles go on, in hours of the world', whole, 48)
  .option('--at-once <number>', 'how many seeds are played at the same time', whole, 2)
  // Plays one seed in this very process, and prints what it came to as JSON.
  .addOption(new Option('--child').hideHelp())
  .parse();
const options = program.opts<Options>();
const { seed, seeds, launches, hours } = options;

if (options.child) await playOne();
else await playAll();

function whole(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('Write a whole number of at least 1.');
  return number;
}

async function playOne(): Promise<void> {
  shortenBackoff();
  // Only here: the world's modules listen on a port, which would keep the process that waits for the seeds alive.
  const { playSoak } = await import('./play.ts');
  const onHour = (hour: number, launched: number) => {
    if (hour % 4 === 0) console.error(`Seed ${seed}: ${hour} of ${hours} hours, ${launched} launches.`);
  };
  const soaked = JSON.stringify(await playSoak({ seed, launches, hours, onHour }));
  // The SDK's clients keep connections open for calls to come.
  process.stdout.write(`${soaked}\n`, () => process.exit());
}

async function playAll(): Promise<void> {
  const left = Array.from({ length: seeds }, (_, index) => seed + index);
  const soaked: Soaked[] = [];
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const one = await inItsOwnProcess(next);
      console.error([`Seed ${next}: ends with ${one.violations.length} violations.`, ...toldOf(one)].join('\n'));
      soaked.push(one);
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, worker));
  report(soaked.sort((one, other) => one.seed - other.seed));
}

async function inItsOwnProcess(one: number): Promise<Soaked> {
  const self = fileURLToPath(import.meta.url);
  const own = [`--seed=${one}`, `--launches=${launches}`, `--hours=${hours}`, '--child'];
  const run = [`--max-old-space-size=${HEAP_MEGABYTES}`, self, ...own];
  const running = promisify(execFile)(process.execPath, run, { maxBuffer: 2 ** 28 });
  running.child.stderr?.pipe(process.stderr);
  const { stdout } = await running;
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Soaked;
}

function report(soaked: readonly Soaked[]): void {
  const table = new Table({
    head: ['seed', ...soaked.map((one) => String(one.seed))],
    style: { head: [], border: [] },
  });
  for (const [name, figure] of FIGURES) table.push({ [name]: soaked.map((one) => String(one[figure])) });
  for (const kind of KINDS)
    table.push({
      [kind]: soaked.map(({ violations }) => String(violations.filter((one) => one.kind === kind).length)),
    });
  console.log(table.toString());
  if (soaked.some(({ violations }) => violations.length > 0)) process.exitCode = 1;
}

/** Each violation, with the history of its instance. */
function toldOf({ seed: failed, violations }: Soaked): string[] {
  return violations.slice(0, MOST_TOLD).map(({ kind, instance, sentence, history }) => {
    const lines = history.map((line) => `  ${line}`).join('\n');
    return `\nSeed ${failed}: ${kind}: ${instance}: ${sentence}\n${lines}`;
  });
}
