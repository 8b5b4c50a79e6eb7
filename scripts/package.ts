/**
 * `npm run package`: checks what is deployed, builds it, and makes the CloudFormation template. It needs no account and no
 * network. Arguments go to the Serverless Framework: `npm run package -- --stage prod --region eu-west-1`.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { exemptionsRunningOut, readProfilesFile } from '../lib/profiles.ts';
import { readCertificates, runningOut } from '../services/identity/certificates.ts';
import { type Bundle, bundle, faultsOfBundles } from './bundle.ts';
import { faultsOfDefinition } from './definition.ts';
import { faultsOfTemplate } from './template.ts';

const HALF_A_YEAR_MILLISECONDS = 182 * 24 * 3600 * 1000;

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const functions = readdirSync(join(root, 'functions'))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replace(/\.ts$/, ''));

try {
  const profilesFile = relative(process.cwd(), join(root, 'profiles.yml'));
  const profiles = readProfilesFile(profilesFile);
  console.log(`profiles.yml: ${profiles.profiles.map(({ name }) => name).join(', ')}`);
  for (const warning of exemptionsRunningOut(profilesFile)) console.warn(warning);
  checkStateMachines();
  const certificates = readCertificates(relative(process.cwd(), join(root, 'services/identity/aws-certificates')));
  console.log(`services/identity/aws-certificates: ${Object.keys(certificates).length} Regions`);
  for (const warning of runningOut(certificates, new Date(Date.now() + HALF_A_YEAR_MILLISECONDS)))
    console.warn(warning);
  const define = {
    'process.env.MUSTER_PROFILES': JSON.stringify(JSON.stringify(profiles)),
    'process.env.IDENTITY_CERTIFICATES': JSON.stringify(JSON.stringify(certificates)),
  };
  const bundles = await bundle(root, functions, define);
  refuse(await faultsOfBundles(bundles));
  console.log(table(bundles));
  await makeTemplate();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function checkStateMachines(): void {
  for (const file of readdirSync(join(root, 'statemachines'))) {
    const definition = parse(readFileSync(join(root, 'statemachines', file), 'utf8'), { merge: true });
    refuse(faultsOfDefinition(definition, functions).map((fault) => `statemachines/${file}: ${fault}`));
    console.log(`statemachines/${file}: ${Object.keys(definition.States).length} states`);
  }
}

async function makeTemplate(): Promise<void> {
  const osls = fileURLToPath(import.meta.resolve('osls/bin/serverless.js'));
  const run = promisify(execFile)(process.execPath, [osls, 'package', ...process.argv.slice(2)], { cwd: root });
  await run.catch(({ stdout, stderr }: { stdout: string; stderr: string }) => {
    throw new Error(`The Serverless Framework refuses serverless.yml.\n${stdout}${stderr}`);
  });
  const file = '.serverless/cloudformation-template-update-stack.json';
  const template = JSON.parse(readFileSync(join(root, file), 'utf8'));
  refuse(faultsOfTemplate(template).map((fault) => `${file}: ${fault}`));
  console.log(`${file}: ${Object.keys(template.Resources).length} resources`);
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
