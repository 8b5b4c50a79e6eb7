import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build, type Metafile } from 'esbuild';
import { plugins } from './plugins.ts';

/** One function, in one file that needs nothing beside it. */
export interface Bundle {
  /** The file in functions/, without extension. */
  readonly name: string;
  /** `…/NAME/index.mjs`, absolute. */
  readonly file: string;
  /** Without what is compiled in afterwards. */
  readonly bytes: number;
  readonly gzipBytes: number;
  /** What is in it: bytes by file, from the root. What tree shaking has taken out is not there. */
  readonly inputs: Readonly<Record<string, number>>;
}

/** Some packages are CommonJS and ask for `require`, which a module on Node does not have by itself. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/**
 * Bundles functions/*.ts into a folder that it empties first.
 * @param root absolute path of the folder of functions/
 * @param names files in functions/, without extension
 * @param define what replaces an expression, by its source text; values are source text too
 * @param outdir absolute; left out, it is where serverless.yml looks for them
 * @param compiledIn texts in the place of an expression, put in after the bundle has been measured
 */
export async function bundle(
  root: string,
  names: readonly string[],
  define: Record<string, string>,
  outdir = `${root}/build/functions`,
  compiledIn: Record<string, string> = {},
): Promise<Bundle[]> {
  await rm(outdir, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: names.map((name) => ({ in: `functions/${name}.ts`, out: `${name}/index` })),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    banner: { js: REQUIRE },
    define: { ...define, ...Object.fromEntries(Object.keys(compiledIn).map((name) => [name, placeholderOf(name)])) },
    plugins: [...plugins],
    // No other code gets any part of this.
    legalComments: 'none',
    metafile: true,
    logLevel: 'error',
  });
  return Promise.all(
    names.map(async (name) => {
      const file = join(outdir, name, 'index.mjs');
      const content = await readFile(file);
      const inputs = inputsOf(metafile.outputs[relative(root, file)]?.inputs ?? {});
      const gzipBytes = gzipSync(content).byteLength;
      await writeFile(file, filledIn(content.toString(), compiledIn));
      return { name, file, bytes: content.byteLength, gzipBytes, inputs };
    }),
  );
}

/** A literal that minifying leaves in one piece. */
function placeholderOf(name: string): string {
  return JSON.stringify(`compiled in: ${name}`);
}

function filledIn(code: string, compiledIn: Record<string, string>): string {
  return Object.entries(compiledIn).reduce((text, [name, value]) => {
    const literal = placeholderOf(name).slice(1, -1);
    return text.replaceAll(new RegExp(`(["'\`])${literal.replaceAll('.', '\\.')}\\1`, 'g'), () =>
      JSON.stringify(value),
    );
  }, code);
}

function inputsOf(inputs: Metafile['outputs'][string]['inputs']): Bundle['inputs'] {
  const all = Object.entries(inputs).map(([file, { bytesInOutput }]) => [file, bytesInOutput] as const);
  return Object.fromEntries(all.filter(([, bytes]) => bytes > 0));
}

const IMPORT_EACH = `
  for (const file of process.argv.slice(1)) {
    try {
      const { handler } = await import(file);
      if (typeof handler !== 'function') console.log(file + ' exports no function "handler".');
    } catch (error) {
      console.log(file + ' cannot be imported: ' + error);
    }
  }
  process.exit(0);`;

/**
 * Imports each bundle once, in a process of its own, with the environment that Lambda gives it.
 * @returns one sentence for each that cannot be imported or exports no handler
 */
export async function faultsOfBundles(bundles: readonly Bundle[]): Promise<string[]> {
  const files = bundles.map(({ file }) => pathToFileURL(file).href);
  const script = ['--input-type=module', '--eval', IMPORT_EACH, ...files];
  const { stdout } = await promisify(execFile)(process.execPath, script, { env: { AWS_REGION: 'eu-west-1' } });
  return stdout.split('\n').filter(Boolean);
}
