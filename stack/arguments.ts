import { Command, CommanderError, InvalidArgumentError } from 'commander';

/** What `npm run package` is asked to do. */
export interface PackageArguments {
  readonly stage: string;
  readonly region: string;
  /** `name=value`, each in the place of a value of parameters.yml. */
  readonly params: readonly string[];
}

/**
 * @returns undefined where help was asked for and has been printed
 * @throws Error with one sentence for an option that there is not
 */
export function readPackageArguments(argv: readonly string[]): PackageArguments | undefined {
  const command = new Command('npm run package --')
    .description('Checks everything that is deployed, bundles the functions and makes the template. Needs no account.')
    .option('-s, --stage <stage>', 'a stage of parameters.yml', 'dev')
    .option('-r, --region <region>', 'the Region that it is for', 'eu-west-1')
    .option('--param <name=value>', 'another value for a parameter; repeatable', pairs, [])
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => {} })
    .exitOverride();
  try {
    command.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    const reason = error.message.replace(/^error: /, '').replace(/\n/g, ' ');
    throw new Error(`npm run package: ${reason}. --help lists the options.`, { cause: error });
  }
  const { stage, region, param } = command.opts<{ stage: string; region: string; param: string[] }>();
  return { stage, region, params: param };
}

function pairs(text: string, before: string[]): string[] {
  if (/^\w+=/.test(text)) return [...before, text];
  throw new InvalidArgumentError('It is name=value.');
}

/** As the Serverless Framework takes them. */
export function frameworkArguments({ stage, region, params }: PackageArguments): string[] {
  return ['--stage', stage, '--region', region, ...params.flatMap((param) => ['--param', param])];
}
