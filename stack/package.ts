/**
 * `npm run package`: checks what is deployed, builds it, and makes the CloudFormation template. It needs no account and no
 * network. The arguments are checked before anything heavy is imported.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { frameworkArguments, readPackageArguments } from './arguments.ts';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

/** For which stage the build is that is there. Without it the Serverless Framework deploys nothing. */
const builtFor = join(root, 'build/stage.json');

try {
  const args = readPackageArguments(process.argv.slice(2));
  if (args) await run(frameworkArguments(args));
} catch (error) {
  refuse([error instanceof Error ? error.message : String(error)]);
}

async function run(args: readonly string[]): Promise<void> {
  rmSync(builtFor, { force: true });
  const { faultsOfStage, unknownStageFaults } = await import('./stage.ts');
  const [stageFault] = [...faultsOfStage(root, args), ...unknownStageFaults(root, args)];
  if (stageFault) return refuse([stageFault]);
  const { buildStack } = await import('./build.ts');
  const faults = await buildStack(root, args, builtFor);
  if (faults.length > 0) return refuse(faults);
  console.log(`Next: npx serverless deploy ${args.join(' ')}`);
}

function refuse(faults: readonly string[]): void {
  console.error(faults.join('\n'));
  // What was refused is not deployed either.
  rmSync(builtFor, { force: true });
  process.exitCode = 1;
}
