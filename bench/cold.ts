/**
 * `npm run bench:cold`: how long it takes to import the bundle of each function, in a fresh process each time, beside
 * the same handler unbundled (our code in one file, its packages as they are installed) and beside an empty one. Times
 * differ from machine to machine; what is told is ratios of medians from one run, the variants taking turns.
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

const IMPORT = `
  const startedAt = performance.now();
  await import(process.argv[1]);
  console.log(performance.now() - startedAt);
  process.exit(0);`;

program
  .name('npm run bench:cold --')
  .description("Measures how long the import of each function's bundle takes.")
  .option('--rounds <number>', 'imports of each', '7')
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
  head: ['function', 'bundle, ms', 'unbundled, ms', 'of unbundled', 'of empty'],
  style: { head: [], border: [] },
});
let slowest = 0;
for (const { name, file } of bundles) {
  const [ours, theirs, nothing] = await compare([file, unbundled(name), empty]);
  const share = ours / theirs;
  slowest = Math.max(slowest, share);
  table.push([name, ours.toFixed(1), theirs.toFixed(1), share.toFixed(2), (ours / nothing).toFixed(0)]);
}
console.log(`Medians of ${rounds} imports, each in a process of its own.\n${table}`);
console.log(`The slowest bundle takes ${slowest.toFixed(2)} of its unbundled form; ${mostShare} is the most.`);
if (slowest > mostShare) process.exitCode = 1;

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

async function compare(files: readonly [string, string, string]): Promise<[number, number, number]> {
  const times: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < rounds; round++)
    for (const [index, file] of files.entries()) times[index]?.push(await importMilliseconds(file));
  return times.map(median) as [number, number, number];
}

async function importMilliseconds(file: string): Promise<number> {
  const script = ['--input-type=module', '--eval', IMPORT, pathToFileURL(file).href];
  const { stdout } = await promisify(execFile)(process.execPath, script, { env: { AWS_REGION: 'eu-west-1' } });
  return Number(stdout);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}
