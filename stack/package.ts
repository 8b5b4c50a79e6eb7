/**
 * `npm run package`: checks what is deployed, builds it, and makes the CloudFormation template. It needs no account and no
 * network. Arguments go to the Serverless Framework: `npm run package -- --stage prod --region eu-west-1`.
 */
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Profile } from '../lib/profile.ts';
import { openYaml } from '../lib/yaml-file.ts';
import { exemptionsRunningOut } from '../profiles/file.ts';
import { GENERATED_FILE, readGenerated } from '../resources/service.ts';
import { runningOut } from '../services/identity/certificates.ts';
import { faultsOfSizes } from './bundle/budgets.ts';
import { type Bundle, bundle, faultsOfBundles } from './bundle/bundle.ts';
import { readSources } from './bundle/compiled.ts';
import { faultsOfStateMachines } from './definition/definition.ts';
import { grantsOf } from './permissions/from-profiles.ts';
import { needsOf } from './permissions/needs.ts';
import { faultsOfClients } from './permissions/permissions.ts';
import { faultsOfRegions } from './regions.ts';
import { faultsOfParameters, faultsOfStage, profilesFileOf, stageOf } from './stage.ts';
import { faultsByCfnLint } from './template/lint.ts';
import { isForOtherRegions, otherRegionOf } from './template/other-region.ts';
import { type Code, faultsOfStack, faultsOfTemplate } from './template/template.ts';

const HALF_A_YEAR_MILLISECONDS = 182 * 24 * 3600 * 1000;

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const fromHere = (path: string) => relative(process.cwd(), join(root, path));

const args = process.argv.slice(2);

/** For which stage the build is that lies there. Without it the Serverless Framework deploys nothing. */
const builtFor = join(root, 'build/stage.json');
rmSync(builtFor, { force: true });

try {
  refuse(faultsOfStage(root, args));
  refuse(faultsOfParameters(root, args));
  const { functions, profilesFile, profiles, certificates, define } = readSources(
    root,
    profilesFileOf(root, stageOf(args)),
  );
  const profilesYaml = openYaml(profilesFile);
  refuse(faultsOfRegions(profilesYaml, profiles.profiles, Object.keys(certificates)));
  console.log(`${profilesFile}: ${profiles.profiles.map(({ name }) => name).join(', ')}`);
  for (const warning of exemptionsRunningOut(profilesFile)) console.warn(warning);
  refuse(faultsOfStateMachines(root, functions));
  console.log(`services/identity/aws-certificates: ${Object.keys(certificates).length} Regions`);
  for (const warning of runningOut(certificates, new Date(Date.now() + HALF_A_YEAR_MILLISECONDS)))
    console.warn(warning);
  const bundles = await bundle(root, functions, define);
  refuse(await faultsOfBundles(bundles));
  console.log(table(bundles));
  const withoutProfiles = { ...define, 'process.env.MUSTER_PROFILES': "'{}'" };
  const measured = await bundle(root, functions, withoutProfiles, join(root, 'build/without-profiles'));
  const grants = grantsOf(profiles.profiles);
  const needs = needsOf(profilesYaml, profiles.profiles);
  refuse([
    ...faultsOfSizes(fromHere('stack/bundle/budgets.yml'), measured, {
      file: profilesFile,
      text: JSON.stringify(profiles),
    }),
    ...faultsOfClients(bundles),
  ]);
  // What serverless.yml and resources/ include.
  writeFileSync(join(root, GENERATED_FILE), JSON.stringify(readGenerated(root), null, 2));
  writeFileSync(join(root, 'build/from-profiles.json'), JSON.stringify(grants, null, 2));
  // What serverless.yml asks for: a build for another stage has other profiles in it.
  writeFileSync(builtFor, JSON.stringify({ [stageOf(args)]: profilesFile }));
  await makeTemplate({ bundles, needs });
  await makeOtherRegion(profiles.profiles);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  // What was refused is not deployed either.
  rmSync(builtFor, { force: true });
  process.exitCode = 1;
}

async function makeTemplate(code: Code): Promise<void> {
  const serverless = fileURLToPath(import.meta.resolve('serverless/bin/serverless.js'));
  const run = promisify(execFile)(process.execPath, [serverless, 'package', ...args], { cwd: root });
  await run.catch(({ stdout, stderr }: { stdout: string; stderr: string }) => {
    throw new Error(`The Serverless Framework refuses serverless.yml.\n${stdout}${stderr}`);
  });
  const file = '.serverless/cloudformation-template-update-stack.json';
  const template = JSON.parse(readFileSync(join(root, file), 'utf8'));
  refuse(await faultsOfStack(template, root, { stage: stageOf(args), code }));
  const lint = await faultsByCfnLint(join(root, file));
  refuse(lint ?? []);
  if (!lint)
    console.warn('SKIPPED: cfn-lint is not installed, and has not looked at the template (pip install cfn-lint).');
  console.log(
    `${file}: ${Object.keys(template.Resources).length} resources; roles allow what the functions send, and no more`,
  );
}

/** Beside the stack's template, for the Regions that profiles name. */
async function makeOtherRegion(profiles: readonly Profile[]): Promise<void> {
  const file = 'build/other-region.json';
  rmSync(join(root, file), { force: true });
  if (!isForOtherRegions(profiles)) return;
  const stack = readFileSync(join(root, '.serverless/cloudformation-template-update-stack.json'), 'utf8');
  const template = otherRegionOf(JSON.parse(stack));
  refuse(faultsOfTemplate(template));
  writeFileSync(join(root, file), JSON.stringify(template));
  refuse((await faultsByCfnLint(join(root, file))) ?? []);
  console.log(
    `${file}: ${Object.keys(template.Resources).length} resources for each Region other than the stack's own`,
  );
}

/** @throws Error with a line for each fault, if there is one */
function refuse(faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(faults.join('\n'));
}

function table(bundles: readonly Bundle[]): string {
  const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(0).padStart(5)} kB`;
  const row = ({ name, bytes, gzipBytes }: Omit<Bundle, 'file'>) =>
    `${name.padEnd(24)}${kilobytes(bytes)}${kilobytes(gzipBytes)}`;
  return [`${'function'.padEnd(24)}     raw    gzip`, ...bundles.map(row)].join('\n');
}
