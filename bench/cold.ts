/**
 * `npm run bench:cold`: what a cold start costs of each function, the import of its bundle and its first call, beside
 * the same handler unbundled (our code in one file, its packages as they are installed) and beside an empty one. Each is
 * measured in fresh processes, the variants taking turns, in processor time. What else runs on the machine only ever adds to
 * that, so the least of several rounds is compared, and a function over the limit is measured again before it counts.
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import Table from 'cli-table3';
import { program } from 'commander';
import { build } from 'esbuild';
import { bundle } from '../stack/bundle/bundle.ts';
import { readSources } from '../stack/bundle/compiled.ts';

/** The first call has an input that the handler refuses: it reads its schemas, and writes its log, without a service. */
const MEASURE = `
  const milliseconds = (since) => {
    const { user, system } = process.cpuUsage(since);
    return (user + system) / 1000;
  };
  const context = { awsRequestId: 'bench', functionName: 'bench', getRemainingTimeInMillis: () => 15000 };
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write = () => true;
  const before = process.cpuUsage();
  const { handler } = await import(process.argv[1]);
  const imported = milliseconds(before);
  const called = process.cpuUsage();
  await handler({}, context).catch(() => {});
  write(JSON.stringify([imported, milliseconds(called)]));
  process.exit(0);`;

/** What Lambda and serverless.yml give; no service is called. */
const ENVIRONMENT = { AWS_REGION: 'eu-west-1', STAGE: 'dev' };

program
  .name('npm run bench:cold --')
  .description("Measures what the import and the first call of each function's bundle take.")
  .option('--rounds <number>', 'processes for each', '7')
  .option('--most <share>', "the share of the unbundled handler's time that no bundle may pass", '0.5')
  .parse();
const values = program.opts<{ rounds: string; most: string }>();
const rounds = Number(values.rounds);
const mostShare = Number(values.most);
const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const { functions, define: constants, compiledIn } = readSources(root);
const texts = Object.entries(compiledIn).map(([name, text]) => [name, JSON.stringify(text)]);
const define = { ...constants, ...Object.fromEntries(texts) };
const bundles = await bundle(root, functions, define, join(root, 'build/bundled'));
const unbundled = await writeUnbundled();
const empty = join(root, 'build/empty.mjs');
await writeFile(empty, 'export const handler = async () => {};\n');

const table = new Table({
  head: ['function', 'import, ms', 'first call, ms', 'both, of unbundled', 'both, of empty'],
  style: { head: [], border: [] },
});
const shares: { name: string; share: number }[] = [];
for (const { name, file } of bundles) {
  const files = [file, unbundled(name), empty] as const;
  let [ours, theirs, nothing] = await compare(files, rounds);
  if (total(ours) > mostShare * total(theirs)) [ours, theirs, nothing] = await compare(files, 2 * rounds);
  const share = total(ours) / total(theirs);
  shares.push({ name, share });
  const times = [ours.importing, ours.calling].map((time) => time.toFixed(1));
  table.push([name, ...times, share.toFixed(2), (total(ours) / total(nothing)).toFixed(1)]);
}
console.log(`The least of ${rounds} processes each, in milliseconds of the processor.\n${table}`);
const [slowest] = shares.toSorted((a, b) => b.share - a.share);
console.log(
  `${slowest?.name} takes ${slowest?.share.toFixed(2)} of its unbundled form, the most of all; the limit is ${mostShare}.`,
);
if ((slowest?.share ?? 0) > mostShare) process.exitCode = 1;

/** @returns where the unbundled form of a function stands: below the root, where its packages are found */
async function writeUnbundled(): Promise<(name: string) => string> {
  const outdir = join(root, 'build/unbundled');
  await mkdir(outdir, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: functions.map((name) => `functions/${name}.ts`),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node24',
    define,
  });
  return (name) => join(outdir, `${name}.mjs`);
}

interface Cost {
  readonly importing: number;
  readonly calling: number;
}

function total({ importing, calling }: Cost): number {
  return importing + calling;
}

async function compare(files: readonly [string, string, string], times: number): Promise<[Cost, Cost, Cost]> {
  const costs: [Cost[], Cost[], Cost[]] = [[], [], []];
  for (let round = 0; round < times; round++)
    for (const [index, file] of files.entries()) costs[index]?.push(await costOf(file));
  return costs.map(least) as [Cost, Cost, Cost];
}

async function costOf(file: string): Promise<Cost> {
  const script = ['--input-type=module', '--eval', MEASURE, pathToFileURL(file).href];
  const { stdout } = await promisify(execFile)(process.execPath, script, { env: ENVIRONMENT });
  const [importing, calling] = JSON.parse(stdout) as [number, number];
  return { importing, calling };
}

function least(costs: readonly Cost[]): Cost {
  return costs.reduce((one, other) => (total(other) < total(one) ? other : one));
}
