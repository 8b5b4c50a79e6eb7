import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Profile } from '../lib/profile.ts';
import { openYaml } from '../lib/yaml-file.ts';
import { exemptionsRunningOut } from '../profiles/file.ts';
import { FUNCTIONS_FILE } from '../resources/functions.ts';
import { GENERATED_FILE, readGenerated } from '../resources/service.ts';
import { runningOut } from '../services/identity/certificates.ts';
import { faultsOfSizes } from './bundle/budgets.ts';
import { type Bundle, bundle, faultsOfBundles } from './bundle/bundle.ts';
import { functionsIn, readSources, type Sources } from './bundle/compiled.ts';
import { faultsOfStateMachines } from './definition/definition.ts';
import { faultsOfTable } from './definition/table.ts';
import { grantsOf } from './permissions/from-profiles.ts';
import { needsOf } from './permissions/needs.ts';
import { faultsOfClients } from './permissions/permissions.ts';
import { faultsOfRegions } from './regions.ts';
import { faultsOfParameters, profilesFileOf, stageOf } from './stage.ts';
import { faultsByCfnLint } from './template/lint.ts';
import { isForOtherRegions, otherRegionOf } from './template/other-region.ts';
import { type Code, faultsOfStack, faultsOfTemplate } from './template/template.ts';

const HALF_A_YEAR_MILLISECONDS = 182 * 24 * 3600 * 1000;

const TEMPLATE = '.serverless/cloudformation-template-update-stack.json';

/**
 * Runs every check that can run, and builds. What one check needs of another that failed is left out.
 * @param args of the Serverless Framework
 * @param builtFor the file that says for which stage the build is
 * @returns one sentence for each fault of the run
 */
export async function buildStack(root: string, args: readonly string[], builtFor: string): Promise<string[]> {
  const fromHere = (path: string) => relative(process.cwd(), join(root, path));
  const faults: string[] = [];
  const profilesName = profilesFileOf(root, stageOf(args));
  mkdirSync(join(root, 'build'), { recursive: true });

  await check('parameters.yml', () => faultsOfParameters(root, args));
  const sources = await reading(profilesName, () => readSources(root, profilesName));
  if (sources) await check('Regions and dates', () => sourceFaults(sources));
  const profiles = sources?.profiles.profiles ?? [];
  const functions = functionsIn(root);
  const grants = grantsOf(profiles, sources?.profiles.formerServers);
  await check('statemachines/', () => faultsOfStateMachines(root, functions));
  const tableFaults = await reading(FUNCTIONS_FILE, () => faultsOfTable(root, functions, Object.keys(grants)));
  faults.push(...(tableFaults ?? []));
  const bundles = await reading(`bundling ${functions.length} functions`, () =>
    bundle(root, functions, sources?.define ?? {}, undefined, sources?.compiledIn),
  );
  if (bundles) {
    console.log(table(bundles));
    await check('importing the bundles', () => faultsOfBundles(bundles));
    const compiled = { file: profilesName, text: JSON.stringify(sources?.profiles ?? {}) };
    await check('stack/bundle/budgets.yml', () =>
      faultsOfSizes(fromHere('stack/bundle/budgets.yml'), bundles, compiled),
    );
    await check('the SDK clients', () => faultsOfClients(bundles));
    const needs = sources ? needsOf(openYaml(sources.profilesFile), profiles, sources.profiles.formerServers) : [];
    // The framework would report a function without an entry, or an entry without a file, a second time.
    if (tableFaults?.length === 0)
      await check('the template and its permissions', () => templateFaults({ bundles, needs, parts: grants }));
  }
  return [...new Set(faults)];

  /** Says what is done, for each may take seconds. */
  async function check(what: string, run: () => string[] | Promise<string[]>): Promise<void> {
    faults.push(...((await reading(what, run)) ?? []));
  }

  async function reading<Value>(what: string, run: () => Value | Promise<Value>): Promise<Value | undefined> {
    console.log(`Checking: ${what}`);
    try {
      return await run();
    } catch (error) {
      faults.push(...(error instanceof Error ? error.message : String(error)).split('\n'));
      return undefined;
    }
  }

  async function templateFaults(code: Code): Promise<string[]> {
    writeFileSync(join(root, GENERATED_FILE), JSON.stringify(readGenerated(root, grants), null, 2));
    writeFileSync(join(root, 'build/from-profiles.json'), JSON.stringify(grants, null, 2));
    // What serverless.yml asks for: a build for another stage has other profiles in it.
    writeFileSync(builtFor, JSON.stringify({ [stageOf(args)]: fromHere(profilesName) }));
    console.log('  making the template, with the Serverless Framework');
    const template = await packaged(root, args);
    console.log('  cfn-lint');
    const lint = await faultsByCfnLint(join(root, TEMPLATE));
    if (!lint)
      console.warn('SKIPPED: cfn-lint is not installed, and has not checked the template (pip install cfn-lint).');
    console.log('  roles, rules and deliveries');
    const found = [...(await faultsOfStack(template, root, { stage: stageOf(args), code })), ...(lint ?? [])];
    if (found.length === 0) found.push(...(await otherRegionFaults(root, template, profiles)));
    return found;
  }
}

async function packaged(root: string, args: readonly string[]): Promise<object> {
  const serverless = fileURLToPath(import.meta.resolve('serverless/bin/serverless.js'));
  const run = promisify(execFile)(process.execPath, [serverless, 'package', ...args], { cwd: root });
  await run.catch(({ stdout, stderr }: { stdout: string; stderr: string }) => {
    throw new Error(`The Serverless Framework refuses serverless.yml.\n${stdout}${stderr}`);
  });
  return JSON.parse(readFileSync(join(root, TEMPLATE), 'utf8'));
}

function sourceFaults({ profilesFile, profiles, certificates }: Sources): string[] {
  for (const warning of exemptionsRunningOut(profilesFile)) console.warn(warning);
  for (const warning of runningOut(certificates, new Date(Date.now() + HALF_A_YEAR_MILLISECONDS)))
    console.warn(warning);
  return faultsOfRegions(openYaml(profilesFile), profiles.profiles, Object.keys(certificates));
}

/** Makes the template for the Regions that profiles name, beside the stack's own. */
async function otherRegionFaults(root: string, stack: object, profiles: readonly Profile[]): Promise<string[]> {
  const file = 'build/other-region.json';
  rmSync(join(root, file), { force: true });
  if (!isForOtherRegions(profiles)) return [];
  const template = otherRegionOf(stack);
  writeFileSync(join(root, file), JSON.stringify(template));
  return [...faultsOfTemplate(template), ...((await faultsByCfnLint(join(root, file))) ?? [])];
}

function table(bundles: readonly Bundle[]): string {
  const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(0).padStart(5)} kB`;
  const row = ({ name, bytes, gzipBytes }: Bundle) => `${name.padEnd(24)}${kilobytes(bytes)}${kilobytes(gzipBytes)}`;
  return [`${'function'.padEnd(24)}     raw    gzip`, ...bundles.map(row)].join('\n');
}
